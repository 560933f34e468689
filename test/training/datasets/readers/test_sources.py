"""Manifests and folders with positions as training sets: roles, splits, conditions."""

from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from test.training.datasets.small_images import names_of, opened, positives_by_name, write_images

NAMES = ['a.png', 'b.png', 'c.png', 'd.png']


def manifest(folder: Path, text: str) -> Path:
    write_images(folder, NAMES)
    (folder / 'manifest.csv').write_text(text)
    return folder


def test_rows_without_a_role_are_query_and_database(tmp_path):
    text = 'image,x,y,role\na.png,0,0,\nb.png,3,4,query\nc.png,0,5,database\n'
    places = opened(manifest(tmp_path, text))
    assert names_of(places, places.queries) == ['a.png', 'b.png']
    assert names_of(places, places.database) == ['a.png', 'c.png']
    assert positives_by_name(places, 5.0) == {'a.png': ['c.png'], 'b.png': ['a.png', 'c.png']}
    assert [file.is_file() for file in places.files] == [True] * 3
    assert places.frames[1].load()[0, 0, 0] == 11


def test_panoramas_headings_and_stamps_are_kept(tmp_path):
    text = (
        'image,latitude,longitude,heading_deg,panorama,stamp_s\n'
        'a.png,60,25,90,p,7\nb.png,60,25,180,p,\nc.png,60.0001,25,,,\n'
    )
    places = opened(manifest(tmp_path, text))
    assert places.panorama.tolist() == [0, 0, -1]
    np.testing.assert_allclose(places.heading_deg, [90, 180, np.nan])
    assert places.stamp_ns.tolist() == [7_000_000_000, -1, -1]
    # 0.0001 degrees of latitude are 11.14 m at 60 degrees north.
    np.testing.assert_allclose(
        places.positions_m[2] - places.positions_m[0], (0, 11.14), atol=0.01
    )
    assert positives_by_name(places, 12.0) == {
        'a.png': ['c.png'],
        'b.png': ['c.png'],
        'c.png': ['a.png', 'b.png'],
    }
    assert places.facts['utm_zone'] == '35N'


def test_conditions_choose_queries_and_database(tmp_path):
    text = (
        'image,x,y,split,time\na.png,0,0,test,120000\nb.png,0,1,test,230000\n'
        'c.png,0,2,test,020000\nd.png,0,3,train,120000\n'
    )
    places = opened(
        manifest(tmp_path, text),
        split='test',
        queries_where='time=180000..055959',
        database_where=['time=060000..175959'],
    )
    assert positives_by_name(places, 9.0) == {'b.png': ['a.png'], 'c.png': ['a.png']}
    assert len(places) == 3


def test_one_condition_leaves_the_other_side_whole(tmp_path):
    text = 'image,x,y,run\na.png,0,0,1\nb.png,0,1,1\nc.png,0,2,2\n'
    places = opened(manifest(tmp_path, text), queries_where=['run=2'])
    assert names_of(places, places.queries) == ['c.png']
    assert names_of(places, places.database) == ['a.png', 'b.png', 'c.png']
    assert len(places) == 3


def test_queries_of_another_source(tmp_path):
    day = manifest(tmp_path / 'day', 'image,x,y\na.png,0,0\nb.png,50,0\n')
    night = manifest(tmp_path / 'night', 'image,x,y,role\na.png,1,0,\nb.png,49,0,database\n')
    places = opened(day, queries_path=str(night))
    assert names_of(places, places.database) == ['a.png', 'b.png']
    assert names_of(places, places.queries) == [f'{night}/a.png']
    assert places.files[2] == night / 'a.png'


def test_images_without_a_position_are_left_out_and_counted(tmp_path):
    places = opened(manifest(tmp_path, 'image,x,y\na.png,0,0\nb.png,,\nc.png,1,0\n'))
    assert names_of(places, range(len(places))) == ['a.png', 'c.png']
    assert places.facts['images_without_position'] == 1


def test_a_split_may_be_a_folder_of_utm_names(tmp_path):
    write_images(tmp_path / 'train', ['@100@200@.jpg', '@103@204@.jpg'])
    write_images(tmp_path / 'val', ['@900@900@.jpg'])
    places = opened(tmp_path, split='train')
    assert positives_by_name(places, 5.0) == {
        '@100@200@.jpg': ['@103@204@.jpg'],
        '@103@204@.jpg': ['@100@200@.jpg'],
    }


@pytest.mark.parametrize(
    ('text', 'settings', 'error', 'message'),
    [
        (
            'image,x,y,role\na.png,0,0,asker\n',
            {},
            SourceError,
            "a.png: expected the role .*'asker'",
        ),
        ('image,x,y,role\na.png,0,0,query\n', {}, SourceError, '1 queries and 0 database images'),
        ('image,x,y\na.png,,\n', {}, SourceError, 'expected images with positions .* none in 1'),
        ('image,x,y\na.png,0,0\n', {'split': 'train'}, SourceError, "no column 'split'"),
        ('image,x,y\na.png,0,0\n', {'where': 'x'}, ConfigError, "COLUMN=LOW..HIGH, found 'x'"),
        (
            'image,x,y\na.png,0,0\n',
            {'where': 'x=0', 'queries_where': 'x=1'},
            ConfigError,
            'one condition on x',
        ),
        (
            'image,x,y,split\na.png,0,0,a\n',
            {'split': 'a', 'where': 'split=a'},
            ConfigError,
            'given twice',
        ),
        ('image,x,y\na.png,0,0\n', {'images': 'b'}, ConfigError, "images: not used .* 'source'"),
        ('image,x,y\nnone.png,0,0\n', {}, SourceError, 'row 2: there is no image .*none.png'),
        ('image,x,y\na.png,0,0\n', {'path': ['.', '..'], 'format': 'source'}, ConfigError, 'one'),
    ],
)
def test_mistakes_are_named(tmp_path, text, settings, error, message):
    folder = manifest(tmp_path, text)
    with pytest.raises(error, match=message):
        opened(**{'path': str(folder), **settings})


@pytest.mark.parametrize(
    ('settings', 'num_queries', 'num_database'),
    [
        ({'path': 'gsv_cambridge', 'split': 'train'}, 2060, 2060),
        ({'path': 'gsv_cambridge', 'split': 'val'}, 60, 220),
        ({'path': 'gsv_cambridge', 'split': 'test'}, 88, 300),
        ({'path': 'bgu_campus', 'split': 'train'}, 538, 538),
        (
            {
                'path': 'bgu_campus',
                'split': 'test',
                'queries_where': 'time=180000..055959',
                'database_where': 'time=060000..175959',
            },
            232,
            229,
        ),
        ({'path': 'penn_campus'}, 81, 81),
        ({'path': 'lund_exif'}, 8, 8),
    ],
)
def test_real_sets_have_the_counts_of_their_notes(data_dir, settings, num_queries, num_database):
    places = opened(**{**settings, 'path': str(data_dir / settings['path'])})
    assert (len(places.queries), len(places.database)) == (num_queries, num_database)
    if settings.get('split') == 'train':
        assert all(len(found) for found in positives_by_name(places, 100.0).values())


def test_columns_of_date_and_time_tell_when_an_image_was_taken(tmp_path):
    text = 'image,x,y,date,time\na.png,0,0,19700102,000001\nb.png,3,4,19700102,\n'
    places = opened(manifest(tmp_path, text))
    assert places.stamp_ns.tolist() == [86_401 * 10**9, -1]


def test_names_of_places_stand_for_positions(tmp_path):
    """Fixed cameras: same place, same view."""
    text = 'image,place\na.png,bridge\nb.png,square\nc.png,bridge\n'
    places = opened(manifest(tmp_path, text), format='source')
    assert positives_by_name(places, 10.0) == {
        'a.png': ['c.png'],
        'b.png': [],
        'c.png': ['a.png'],
    }
    assert places.facts['positions'].startswith('invented')


def test_the_database_may_ask_itself(tmp_path):
    text = 'image,x,y,role\na.png,0,0,database\nb.png,3,4,query\nc.png,0,5,database\n'
    places = opened(manifest(tmp_path, text), roles='database')
    assert positives_by_name(places, 5.0) == {'a.png': ['c.png'], 'c.png': ['a.png']}
