"""Maps are calibrated by the command, and refuse with one sentence."""

import json
import os
import shutil
from pathlib import Path

import pytest

from ghost_vpr_ros.cli.main import main
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.cli.program import TINY, write_images

COUNT = 30
DATA = Path(os.environ.get('GHOST_VPR_DATA', 'no such folder')) / 'gsv_cambridge'
VAL = ('--where', 'split=val')


def write_drive(folder, gain, count=COUNT):
    """Images of `count` places 111 m apart."""
    write_images(folder, range(count), gain)
    rows = [f'{n:03d}.jpg,{52 + 0.001 * n:.3f},0.1' for n in range(count)]
    (folder / 'manifest.csv').write_text('\n'.join(['image,latitude,longitude', *rows]))
    return folder


@pytest.fixture(scope='module')
def town(tmp_path_factory):
    """A map, and a darker drive through its places."""
    folder = tmp_path_factory.mktemp('calibrate')
    first, second = write_drive(folder / 'first', 1.0), write_drive(folder / 'second', 0.8)
    assert main(['build-map', str(first), str(folder / 'town.map'), *TINY]) == 0
    return folder / 'town.map', second


@pytest.fixture(scope='module')
def calibrated(town, tmp_path_factory):
    """A copy of the map that the drive has calibrated, and the output folder."""
    folder = tmp_path_factory.mktemp('calibrated')
    path = shutil.copy(town[0], folder / 'town.map')
    command = ['calibrate', path, '--source', town[1], '--out', folder / 'out']
    assert main(list(map(str, command))) == 0
    return path, folder / 'out'


@pytest.fixture
def place_map(town, tmp_path):
    """A copy of the map that may be changed."""
    return shutil.copy(town[0], tmp_path / 'copy.map')


def calibration_of(path):
    with PlaceMap.open(path) as opened:
        return opened.calibration


def test_what_is_learned_is_stored_reported_and_shown(program, calibrated):
    place_map, out = calibrated
    figures = json.loads((out / 'calibration.json').read_text())
    learned = calibration_of(place_map)
    assert figures['calibration']['slope'] == learned.slope
    assert learned.stated_precision == 0.99
    assert learned.learnt_on == 'second'
    assert {p.name for p in out.iterdir()} == {
        'calibration.json',
        'per_frame.csv',
        'reliability.png',
    }
    shown = json.loads(program('info', place_map, '--json').out)
    assert shown['calibration']['learnt_on'] == 'second'


def test_a_drive_elsewhere_tells_of_unknown_places(program, town, place_map, tmp_path):
    elsewhere = write_images(tmp_path / 'elsewhere', range(100, 100 + COUNT))
    out = tmp_path / 'out'
    options = ('--source', town[1], '--unknown-source', elsewhere, '--out', out, '--json')
    done = program('calibrate', place_map, *options)
    assert done.status == 0, done.error
    learned = calibration_of(place_map)
    assert learned.num_wrong >= COUNT
    report = json.loads((out / 'calibration.json').read_text())
    assert report['unknown_source'] == str(elsewhere)
    rows = (out / 'per_frame.csv').read_text().splitlines()
    assert len(rows) == 1 + 2 * COUNT


def test_a_dry_run_leaves_the_map_as_it_is(program, town, place_map, tmp_path):
    before = place_map.read_bytes()
    done = program(
        'calibrate', place_map, '--source', town[1], '--out', tmp_path / 'out', '--dry-run'
    )
    assert done.status == 0
    assert 'not changed' in done.out
    assert place_map.read_bytes() == before


def test_a_calibration_is_taken_from_another_map(program, town, calibrated, place_map, tmp_path):
    options = ('--source', town[1], '--out', tmp_path / 'out', '--from', calibrated[0])
    assert program('calibrate', place_map, *options).status == 0
    assert calibration_of(place_map) == calibration_of(calibrated[0])


def test_an_uncalibrated_map_reports_it(program, town):
    shown = json.loads(program('info', town[0], '--json').out)
    assert shown['calibration'].startswith('none')


def refused(program, place_map, tmp_path, *options):
    before = place_map.read_bytes()
    error = program('calibrate', place_map, '--out', tmp_path / 'out', *options).error
    assert place_map.read_bytes() == before
    return error


def test_a_drive_without_positions_is_refused(program, place_map, tmp_path, folder):
    error = refused(program, place_map, tmp_path, '--source', folder)
    assert 'expected positions to judge the answers by, found none' in error


def test_a_short_drive_is_refused(program, place_map, tmp_path):
    short = write_drive(tmp_path / 'short', 0.8, count=8)
    error = refused(program, place_map, tmp_path, '--source', short)
    assert 'found 8 right and 8 wrong' in error


def test_the_images_of_the_map_are_refused(program, town, place_map, tmp_path):
    error = refused(program, place_map, tmp_path, '--source', town[0].parent / 'first')
    assert 'expected a drive whose images are not in the map' in error


def test_an_uncalibrated_map_has_nothing_to_take(program, town, place_map, tmp_path):
    error = refused(program, place_map, tmp_path, '--source', town[1], '--from', town[0])
    assert 'expected a calibrated map' in error


@pytest.fixture(scope='module')
def street_view_map(tmp_path_factory):
    if not DATA.is_dir():
        pytest.skip('needs GHOST_VPR_DATA')
    path = tmp_path_factory.mktemp('street_view') / 'val.map'
    assert main(['build-map', str(DATA), str(path), *VAL, '--where', 'role=database']) == 0
    return path


def calibrated_on_street_view(program, path, tmp_path, *options):
    done = program(
        *('calibrate', path, '--source', DATA, *VAL, '--where', 'role=query', '--dry-run'),
        *('--out', tmp_path / 'out', '--json', *options),
    )
    return json.loads(done.out)


@pytest.mark.slow
def test_on_street_view_the_probabilities_get_better(program, street_view_map, tmp_path):
    figures = calibrated_on_street_view(program, street_view_map, tmp_path, '--no-verify')
    assert figures['ece_after']['weighted'] < 0.7 * figures['ece_before']['weighted']
    assert figures['accepted']['precision'] >= 0.99


@pytest.mark.slow
def test_verified_probabilities_are_nearly_as_good_as_so_few_answers_can_tell(
    program, street_view_map, tmp_path
):
    figures = calibrated_on_street_view(program, street_view_map, tmp_path)
    assert figures['ece_after']['weighted'] < 0.9 * figures['ece_before']['weighted']
    # What 60 perfect probabilities have on average. The evidence of inliers is learned elsewhere,
    # by day and by night: by day, answers without inliers deserve less than it leaves them.
    assert figures['ece_after']['weighted'] <= 2.0 * figures['ece_if_perfect']['weighted']
    assert figures['accepted']['precision'] >= 0.99
    assert figures['accepted']['recall'] >= 0.5
