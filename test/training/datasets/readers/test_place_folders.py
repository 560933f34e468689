"""Folders of places: the place of an image is its folder, whatever the radius."""

import pytest

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from test.training.datasets.small_images import names_of, opened, positives_by_name, write_images
from training.datasets.data_config import DataConfig
from training.datasets.open_place_set import format_of


def test_images_of_one_folder_are_positives_at_any_radius(tmp_path):
    write_images(tmp_path, ['gate/1.jpg', 'gate/2.jpg', 'hall/1.jpg', 'hall/morning/2.jpg'])
    places = opened(tmp_path)
    for radius_m in (0.0, 10.0, 900.0):
        assert positives_by_name(places, radius_m) == {
            'gate/1.jpg': ['gate/2.jpg'],
            'gate/2.jpg': ['gate/1.jpg'],
            'hall/1.jpg': ['hall/morning/2.jpg'],
            'hall/morning/2.jpg': ['hall/1.jpg'],
        }
    assert places.facts['positions'].startswith('invented')
    assert places.facts['num_places'] == 2
    assert [frame.attributes['place'] for frame in places.frames] == ['gate'] * 2 + ['hall'] * 2


def test_two_pitches_of_a_shot_are_not_positives_of_each_other(tmp_path):
    names = [
        f'{place}/{hour}_yaw{yaw}_pitch{p}.jpg'
        for place in ('gate', 'hall')
        for hour in (9, 14)
        for yaw in (0, 45)
        for p in ('+0', '+20')
    ]
    write_images(tmp_path, names)
    found = positives_by_name(opened(tmp_path, same_shot=r'_pitch[-+]?\d+'), 10.0)
    assert set(found['gate/9_yaw0_pitch+0.jpg']) == {
        name for name in names if name.startswith('gate/') and not name.startswith('gate/9_yaw0_')
    }
    with pytest.raises(ConfigError, match='same_shot: expected a regular expression'):
        opened(tmp_path, same_shot='(')


def test_twins_in_the_other_folder_are_twins_too(tmp_path):
    write_images(
        tmp_path,
        [
            *('database/1/a_pitch0.jpg', 'database/1/b_pitch0.jpg', 'database/2/c_pitch0.jpg'),
            'queries/1/a_pitch20.jpg',
        ],
    )
    places = opened(tmp_path, format='places', same_shot=r'_pitch\d+')
    assert positives_by_name(places, 10.0) == {
        'queries/1/a_pitch20.jpg': ['database/1/b_pitch0.jpg']
    }


def test_folders_of_splits_and_roles(tmp_path):
    write_images(
        tmp_path,
        ['test/database/1/a.jpg', 'test/queries/1/b.jpg', 'test/database/2/c.jpg', 'val/9/d.jpg'],
    )
    places = opened(tmp_path, split='test', format='places')
    assert positives_by_name(places, 10.0) == {'queries/1/b.jpg': ['database/1/a.jpg']}
    assert len(places.database) == 2


def test_places_that_are_not_divided_are_divided_in_natural_order(tmp_path):
    write_images(tmp_path, [f'{place}/a.jpg' for place in range(7, 14)])
    parts = {
        split: names_of(opened(tmp_path, split=split), range(len(opened(tmp_path, split=split))))
        for split in ('train', 'val', 'test')
    }
    assert parts == {
        'train': ['7/a.jpg', '8/a.jpg'],
        'val': ['9/a.jpg', '10/a.jpg'],
        'test': ['11/a.jpg', '12/a.jpg', '13/a.jpg'],
    }


def test_the_format_is_taken_for_images_without_positions_only(tmp_path):
    write_images(tmp_path, ['a/1.jpg', 'b/1.jpg'])
    assert format_of(DataConfig(path=(str(tmp_path),))) == 'places'
    write_images(tmp_path, ['b/@1@2@.jpg'])
    assert format_of(DataConfig(path=(str(tmp_path),))) == 'source'


@pytest.mark.parametrize(
    ('names', 'settings', 'error', 'message'),
    [
        (['a/1.jpg'], {}, SourceError, 'a folder for each place, found 1 folders'),
        (['1.jpg', '2.jpg'], {}, SourceError, 'a folder for each place, found 0 folders'),
        (['a/1.jpg', 'b/1.txt.jpg'], {'split': 'tests'}, SourceError, "found 'tests'"),
        (['val/a/1.jpg', 'val/b/1.jpg'], {'split': 'train'}, SourceError, 'train: no such folder'),
        (['a/1.jpg', 'b/1.jpg'], {'where': 'a=1'}, ConfigError, 'where: not used'),
    ],
)
def test_mistakes_are_named(tmp_path, names, settings, error, message):
    write_images(tmp_path, names)
    with pytest.raises(error, match=message):
        opened(tmp_path, **settings)


def test_a_place_without_images_is_named(tmp_path):
    write_images(tmp_path, ['a/1.jpg', 'b/1.jpg'])
    (tmp_path / 'c').mkdir()
    with pytest.raises(SourceError, match='c: expected images of a place, found none'):
        opened(tmp_path)
