"""Maps are built, continued and extended, and never overwritten."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.replay import map_builder
from test.cli.program import TINY, picture, snapshot, write_images


def test_a_folder_becomes_a_map_with_views_and_its_model(built):
    with PlaceMap.open(built) as place_map:
        assert [k.name for k in place_map.keyframes()] == [f'{i:03d}.jpg' for i in range(8)]
        assert [s.name for s in place_map.sessions()] == ['walk']
        assert place_map.view(1)[:2] == b'\xff\xd8'
        assert place_map.preprocessing.width_px == 64


def test_the_result_states_that_the_network_is_untrained(program, folder, tmp_path):
    outcome = program('build-map', folder, tmp_path / 'a.map', '--json', *TINY)
    assert outcome.status == 0
    result = json.loads(outcome.out)
    assert result['keyframes_added'] == 8
    assert result['weights'].startswith('untrained: random weights of seed 0')
    assert 'note: the network is untrained' in outcome.err


def test_positions_and_stamps_of_a_manifest_reach_the_map(program, geotagged, tmp_path):
    path = tmp_path / 'a.map'
    assert program('build-map', geotagged, path, '--where', 'role=database', *TINY).status == 0
    with PlaceMap.open(path) as place_map:
        keyframes = place_map.keyframes()
        assert place_map.map_frame == 'enu'
    assert [k.stamp_ns for k in keyframes] == [(100 + i) * 10**9 + 5 * 10**8 for i in (0, 2, 4, 6)]
    assert keyframes[1].geo.latitude_deg == 52.001


def test_an_existing_file_is_refused_before_any_work_and_left_alone(program, folder, tmp_path):
    path = tmp_path / 'a.map'
    path.write_text('mine')
    error = program('build-map', folder, path, *TINY).error
    assert 'a.map: the file exists already' in error
    assert '--append' in error
    assert snapshot(tmp_path) == {'a.map': b'mine'}


def test_a_killed_run_is_continued_where_it_stopped(program, folder, tmp_path, monkeypatch):
    path = tmp_path / 'a.map'
    view_of, calls = map_builder.view_of, []

    def interrupted(image, config):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return view_of(image, config)

    monkeypatch.setattr(map_builder, 'view_of', interrupted)
    assert program('build-map', folder, path, *TINY).status == 130
    monkeypatch.setattr(map_builder, 'view_of', view_of)
    result = json.loads(program('build-map', folder, path, '--append', '--json').out)
    assert (result['keyframes_present_before'], result['keyframes_added']) == (3, 5)
    with PlaceMap.open(path) as place_map:
        assert [k.name for k in place_map.keyframes()] == [f'{i:03d}.jpg' for i in range(8)]


def test_the_same_command_with_append_continues_a_map(program, folder, tmp_path):
    for append in ([], ['--append']):
        assert program('build-map', folder, tmp_path / 'a.map', *append, *TINY).status == 0


def test_append_adds_another_source_as_its_own_session(program, folder, again, tmp_path):
    path = tmp_path / 'a.map'
    program('build-map', folder, path, *TINY)
    result = json.loads(program('build-map', again, path, '--append', '--json').out)
    assert (result['session'], result['keyframes']) == ('again', 16)


def test_another_drive_whose_images_have_the_same_names_is_not_passed_over(program, tmp_path):
    first = write_images(tmp_path / 'run1' / 'images', range(8))
    second = write_images(tmp_path / 'run2' / 'images', range(8), gain=0.8)
    path = tmp_path / 'a.map'
    program('build-map', first, path, *TINY)
    error = program('build-map', second, path, '--append').error
    assert "session 'images' holds other images of these names" in error
    named = program('build-map', second, path, '--append', '--session', 'run2', '--json')
    assert json.loads(named.out)['keyframes_added'] == 8


def test_the_same_drive_again_adds_nothing(program, folder, tmp_path):
    path = tmp_path / 'a.map'
    program('build-map', folder, path, *TINY)
    result = json.loads(program('build-map', folder, path, '--append', '--json').out)
    assert (result['keyframes_present_before'], result['keyframes_added']) == (8, 0)


def test_a_folder_gives_its_whole_name_to_the_session(program, tmp_path):
    source = write_images(tmp_path / 'drive.1', range(8))
    outcome = program('build-map', source, tmp_path / 'a.map', '--json', *TINY)
    assert json.loads(outcome.out)['session'] == 'drive.1'


def test_append_makes_a_map_that_is_not_there_yet(program, folder, tmp_path):
    assert program('build-map', folder, tmp_path / 'a.map', '--append', *TINY).status == 0


def test_an_unreadable_image_states_what_became_of_the_map(program, tmp_path):
    source = write_images(tmp_path / 'walk', range(4))
    path = tmp_path / 'a.map'
    options = ['--initialisation-images', '2', *TINY]
    (source / '002.jpg').write_text('no image')
    error = program('build-map', source, path, *options).error
    assert '002.jpg' in error
    assert 'holds 2 keyframes' in error
    assert '--append' in error


def test_a_map_without_a_keyframe_is_taken_away(program, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    source = write_images(tmp_path / 'walk', range(4))
    monkeypatch.setattr(map_builder, 'view_of', fail)
    assert program('build-map', source, tmp_path / 'a.map', *TINY).status == 130
    assert not (tmp_path / 'a.map').exists()


@pytest.mark.parametrize(('width_px', 'expected'), [(0, None), (32, (24, 32)), (640, (48, 64))])
def test_views_are_shrunk_never_enlarged(width_px, expected):
    from ghost_vpr_ros.core.config.map import MapConfig
    from ghost_vpr_ros.core.image import decode_compressed

    jpeg = map_builder.view_of(picture(0), MapConfig(view_width_px=width_px))
    shape = None if jpeg is None else decode_compressed(jpeg, 'view').shape[:2]
    assert shape == expected
    without = MapConfig(store_views=False, view_width_px=width_px)
    assert map_builder.view_of(picture(0), without) is None


@pytest.mark.slow
def test_a_run_ended_by_sigkill_is_continued(program, tmp_path):
    source, path = write_images(tmp_path / 'walk', range(300)), tmp_path / 'a.map'
    options = ['--initialisation-images', '4', '--commit-interval-s', '0', *TINY]
    script = 'from ghost_vpr_ros.cli.main import main; main()'
    process = subprocess.Popen(
        [sys.executable, '-c', script, 'build-map', str(source), str(path), *options]
    )
    assert wait_until(lambda: keyframes_of(path) > 5)
    process.kill()
    process.wait()
    result = json.loads(program('build-map', source, path, '--append', '--json').out)
    assert 5 < result['keyframes_present_before'] < 300
    with PlaceMap.open(path) as place_map:
        assert [k.name for k in place_map.keyframes()] == [f'{i:03d}.jpg' for i in range(300)]


def test_a_removed_map_leaves_nothing_that_refuses_a_new_one(program, folder, tmp_path):
    path = tmp_path / 'a.map'
    for suffix in ('', '-wal', '-shm'):
        path.with_name(path.name + suffix).write_bytes(b'of a killed run')
    map_builder.remove_map(path)
    assert program('build-map', folder, path, *TINY).status == 0


def keyframes_of(path: Path) -> int:
    try:
        with PlaceMap.open(path) as place_map:
            return len(place_map)
    except MapError:
        return 0


def wait_until(is_so: Callable[[], bool], timeout_s: float = 120.0) -> bool:
    end_s = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < end_s:
        time.sleep(0.01)
    return is_so()


def test_images_in_a_gps_gap_are_left_out(program, geotagged, tmp_path):
    gappy = tmp_path / 'gappy'
    shutil.copytree(geotagged, gappy)
    lines = (gappy / 'manifest.csv').read_text().splitlines()
    lines[3] = '002.jpg,,,1,database,102.5'
    (gappy / 'manifest.csv').write_text('\n'.join(lines))
    outcome = program('build-map', gappy, tmp_path / 'gappy.map', '--json', *TINY)
    assert '1 of 8 images lack a position' in outcome.err
    assert json.loads(outcome.out)['keyframes'] == 7


def test_a_map_can_keep_cells_in_place_of_views(program, folder, tmp_path):
    path = tmp_path / 'a.map'
    assert (
        program('build-map', folder, path, '--store-cells', '--no-store-views', *TINY).status == 0
    )
    with PlaceMap.open(path) as place_map:
        kept = place_map.cells(1)
        assert place_map.view(1) is None
    height, width = picture(0).shape[:2]
    assert (kept.width_px, kept.height_px) == (width, height)
    assert kept.feature_map.any()


def test_one_position_on_another_continent_does_not_end_the_work(program, folder, tmp_path):
    rows = [f'{n:03d}.jpg,{-52 if n == 3 else 52}.000{n},0.1' for n in range(8)]
    manifest = folder / 'far.csv'
    manifest.write_text('\n'.join(['image,lat,lon', *rows]))
    outcome = program('build-map', manifest, tmp_path / 'a.map', '--json', *TINY)
    manifest.unlink()
    assert json.loads(outcome.out)['keyframes_added'] == 7
    assert '1 of 8 images lie too far away, left out' in outcome.err
