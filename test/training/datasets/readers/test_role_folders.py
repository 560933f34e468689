"""Folders of database and queries whose names carry UTM positions."""

import pytest

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from test.training.datasets.small_images import names_of, opened, positives_by_name, write_images

ZONED = '@{}@{}@17@T@@@@@{}@@@@@@.jpg'


def test_a_split_of_utm_names(tmp_path):
    names = [ZONED.format(584000 + x, 4477000, heading) for x, heading in ((0, 90), (10, 180))]
    write_images(tmp_path / 'images' / 'val' / 'database', names)
    write_images(tmp_path / 'images' / 'val' / 'queries', [ZONED.format(584003, 4477004, '')])
    write_images(tmp_path / 'images' / 'train' / 'database', ['@0@0@.jpg'])
    places = opened(tmp_path, split='val')
    assert names_of(places, places.database) == [f'database/{name}' for name in sorted(names)]
    # 5 m in the UTM grid, whose scale is 0.9997 here.
    (found,) = positives_by_name(places, 5.01).values()
    assert found == [f'database/{names[0]}']
    assert places.heading_deg[:2].tolist() == pytest.approx([90.0, 180.0])
    assert places.facts['utm_zone'] == '17N'
    assert places.facts['format'] == 'utm'
    assert [file.is_file() for file in places.files] == [True] * 3


def test_folders_without_splits(tmp_path):
    write_images(tmp_path, ['database/@0@0@.jpg', 'queries/@0@1@.jpg'])
    assert positives_by_name(opened(tmp_path), 1.0) == {
        'queries/@0@1@.jpg': ['database/@0@0@.jpg']
    }


@pytest.mark.parametrize(
    ('names', 'settings', 'error', 'message'),
    [
        (
            ['val/database/@0@0@.jpg', 'val/queries/@0@0@.jpg'],
            {},
            ConfigError,
            'split: .* has val',
        ),
        (['train/database/@0@0@.jpg'], {'split': 'train'}, SourceError, 'found only database'),
        (['train/database/@0@0@.jpg'], {'split': 'val'}, SourceError, 'its parts are train'),
        (['database/a.jpg', 'queries/@0@0@.jpg'], {}, SourceError, 'found none in 1 images'),
        (['database/@0@nan@.jpg', 'queries/@0@0@.jpg'], {}, SourceError, 'finite number as north'),
        (['other/@0@0@.jpg'], {}, SourceError, 'expected the folders database and queries'),
        (['database/@0@0@.jpg', 'queries/@0@0@.jpg'], {'where': 'a=1'}, ConfigError, 'where: not'),
    ],
)
def test_mistakes_are_named(tmp_path, names, settings, error, message):
    write_images(tmp_path, names)
    with pytest.raises(error, match=message):
        opened(tmp_path, format='utm', **settings)


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(SourceError, match='nowhere: no such folder'):
        opened(tmp_path / 'nowhere', format='utm')
