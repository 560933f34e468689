"""Formats recognised by the files at a path, and their common settings."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from test.training.datasets.small_images import opened, write_images
from training.datasets.data_config import FORMATS, DataConfig, conditions
from training.datasets.open_place_set import format_of, open_place_set


def laid_out(folder: Path, names) -> Path:
    write_images(folder, [name for name in names if name.endswith('.jpg')])
    for name in names:
        if not name.endswith('.jpg'):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b'')
    return folder


@pytest.mark.parametrize(
    ('names', 'path', 'expected'),
    [
        (['a.mat'], 'a.mat', 'dbstruct'),
        (['a.npz'], 'a.npz', 'lists'),
        (['rows.csv'], 'rows.csv', 'source'),
        (['a.mcap'], 'a.mcap', 'drives'),
        (['a.bag'], 'a.bag', 'drives'),
        (['a.db3'], '', 'drives'),
        (['manifest.csv', 'database/@1@2@.jpg', 'queries/@1@2@.jpg'], '', 'source'),
        (['train/database/@1@2@.jpg', 'train/queries/@1@2@.jpg'], '', 'utm'),
        (['images/val/database/@1@2@.jpg', 'images/val/queries/@1@2@.jpg'], '', 'utm'),
        (['database/p/1.jpg', 'queries/p/1.jpg'], '', 'places'),
        (['@1@2@.jpg'], '', 'source'),
        (['p/1.jpg', 'q/1.jpg'], '', 'places'),
    ],
)
def test_the_format_follows_from_what_is_there(tmp_path, names, path, expected):
    place = laid_out(tmp_path, names) / path
    assert format_of(DataConfig(path=(str(place),))) == expected


def test_a_format_that_is_named_is_not_questioned(tmp_path):
    place = laid_out(tmp_path, ['p/1.jpg'])
    assert format_of(DataConfig(path=(str(place),), format='utm')) == 'utm'


@pytest.mark.parametrize(
    ('names', 'path', 'error', 'message'),
    [
        ([], 'nowhere', SourceError, 'nowhere: no such file or folder'),
        ([], '', SourceError, 'expected a data set, found neither images'),
        (['a.txt'], 'a.txt', SourceError, r'a\.txt: expected a data set \(\.mat, \.npz, \.csv'),
        (['a.mat', 'b.mat'], '', ConfigError, r'holds a\.mat, b\.mat; name one of these'),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path, names, path, error, message):
    place = laid_out(tmp_path, names) / path
    with pytest.raises(error, match=message):
        opened(place)


def test_variables_in_a_path_are_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv('MY_SETS', str(tmp_path))
    assert DataConfig(path=('$MY_SETS/a',)).paths == [tmp_path / 'a']
    monkeypatch.delenv('MY_SETS')
    with pytest.raises(ConfigError, match='names a variable that is not set'):
        opened('$MY_SETS/a')


def test_a_path_is_needed():
    with pytest.raises(ConfigError, match='path: expected the folder or file of a data set'):
        format_of(DataConfig())


def test_conditions_by_column():
    assert conditions(('a=1..2',), ('note=x=y',)) == {'a': '1..2', 'note': 'x=y'}
    with pytest.raises(ConfigError, match='expected COLUMN=VALUE'):
        conditions(('=1',))


def test_nothing_is_written_beside_a_data_set(tmp_path):
    laid_out(tmp_path, ['database/@1@2@.jpg', 'queries/@1@3@.jpg', 'p/1.jpg'])
    before = sorted(str(item) for item in tmp_path.rglob('*'))
    opened(tmp_path, format='utm')
    opened(tmp_path / 'database').frames[0].load()
    assert sorted(str(item) for item in tmp_path.rglob('*')) == before


def test_the_settings_in_the_documentation_exist():
    text = (Path(__file__).parents[3] / 'docs' / 'datasets.md').read_text()
    parts = [
        part
        for block in re.findall(r'```yaml\n(.*?)```', text, re.DOTALL)
        for part in yaml.safe_load(block)['data'].values()
    ]
    parts += [yaml.safe_load(cell) for cell in re.findall(r'\| `(\{path.*?\})` \|', text)]
    assert len(parts) == 10
    for part in parts:
        DataConfig.from_dict(part)
    for name in FORMATS:
        assert name == 'auto' or f'| `{name}` |' in text


def test_views_of_panoramas_take_the_place_of_their_images(tmp_path):
    lines = ['image,latitude,longitude,panorama,heading_deg']
    for panorama in range(2):
        for heading in (0, 90, 180, 270):
            name = f'{panorama}_{heading}.png'
            assert cv2.imwrite(str(tmp_path / name), np.full((32, 32, 3), heading // 2, np.uint8))
            lines.append(f'{name},{50 + panorama / 1000},4,{panorama},{heading}')
    (tmp_path / 'manifest.csv').write_text('\n'.join(lines))
    places = open_place_set(DataConfig(path=(str(tmp_path),), views=3, view_px=16))
    assert len(places) == 6
    assert places.heading_deg.tolist() == [0.0, 120.0, 240.0] * 2
    assert places.panorama.tolist() == [0, 0, 0, 1, 1, 1]
    assert places.frames[0].load().shape == (16, 16, 3)
    assert places.frames[0].load()[8, 8].tolist() == [0, 0, 0]
