"""A killed process loses at most the commit interval; a full disk loses nothing committed."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.errors import MapError, OutputError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from test.core.map_making import filled_map, new_map, unit_rows

ROOT = Path(__file__).resolve().parents[3]

ADD_FOREVER = """
    import sys, time
    from pathlib import Path
    from test.core.map_making import new_map, unit_rows
    place_map = new_map(Path(sys.argv[1]), commit_interval_s=float(sys.argv[2]))
    session = place_map.add_session('walk')
    row = unit_rows(1)[0]
    for number in range(int(sys.argv[3])):
        keyframe_id = place_map.add(session, number, row)
        print(keyframe_id, time.time_ns(), flush=True)
        time.sleep(0.005)
    time.sleep(60)
"""


def start_mapping(path: Path, interval_s: float, count: int) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable,
            '-c',
            textwrap.dedent(ADD_FOREVER),
            str(path),
            f'{interval_s}',
            f'{count}',
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_add(process: subprocess.Popen) -> tuple[int, int]:
    """Id and time in nanoseconds of a keyframe whose `add` has returned."""
    keyframe_id, added_ns = process.stdout.readline().split()
    return int(keyframe_id), int(added_ns)


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_killed_process_loses_at_most_the_interval(tmp_path):
    path = tmp_path / 'town.map'
    interval_s = 0.4
    process = start_mapping(path, interval_s, count=100_000)
    acknowledged = [read_add(process) for _ in range(250)]
    killed_ns = time.time_ns()
    kill(process)
    with PlaceMap.open(path) as place_map:
        kept = set(place_map.keyframe_ids().tolist())
        assert len(place_map.descriptors()) == len(kept)
    overdue = [k for k, added_ns in acknowledged if added_ns < killed_ns - interval_s * 1e9]
    assert len(overdue) > 50
    assert kept.issuperset(overdue)


def test_the_interval_is_kept_when_no_further_keyframe_follows(tmp_path):
    path = tmp_path / 'town.map'
    process = start_mapping(path, 0.5, count=3)
    assert [read_add(process)[0] for _ in range(3)] == [1, 2, 3]
    time.sleep(0.5)
    kill(process)
    assert len(PlaceMap.open(path)) == 3


def test_interval_zero_is_durable_when_add_returns(tmp_path):
    path = tmp_path / 'town.map'
    process = start_mapping(path, 0.0, count=5)
    for _ in range(5):
        last_id, _ = read_add(process)
    kill(process)
    assert last_id == 5
    assert len(PlaceMap.open(path)) == 5


def test_a_killed_map_can_be_continued(tmp_path):
    path = tmp_path / 'town.map'
    process = start_mapping(path, 0.0, count=2)
    for _ in range(2):
        process.stdout.readline()
    kill(process)
    with PlaceMap.open(path, writable=True) as place_map:
        assert place_map.add('walk', 0, unit_rows(1)[0]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ['town.map']


def test_another_process_sees_a_writer_at_work(tmp_path):
    path = tmp_path / 'town.map'
    process = start_mapping(path, 0.0, count=2)
    for _ in range(2):
        process.stdout.readline()
    try:
        with PlaceMap.open(path) as reader:
            assert len(reader) == 2
        with pytest.raises(MapError, match='being written by another process'):
            PlaceMap.open(path, writable=True)
    finally:
        kill(process)


def test_killed_while_creating_leaves_no_map(tmp_path):
    path = tmp_path / 'town.map'
    script = """
        import os, signal, sys
        from pathlib import Path
        from ghost_vpr_ros.core.map import file as map_file
        from test.core.map_making import new_map
        map_file._publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        new_map(Path(sys.argv[1]))
    """
    command = [sys.executable, '-c', textwrap.dedent(script), str(path)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert not path.exists()
    new_map(path).close()
    assert len(PlaceMap.open(path)) == 0


def test_a_commit_ends_the_wait(tmp_path):
    path = tmp_path / 'town.map'
    place_map = new_map(path, commit_interval_s=3600.0)
    session = place_map.add_session()
    place_map.add(session, 0, unit_rows(1)[0])
    with PlaceMap.open(path) as reader:
        assert len(reader) == 0
    place_map.commit()
    with PlaceMap.open(path) as reader:
        assert len(reader) == 1
    place_map.close()


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 2 MB, where the tests may mount one."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', str(folder)]
    if os.geteuid() != 0 or shutil.which('mount') is None:
        pytest.skip('needs root to mount a small file system')
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip('this machine does not let the tests mount a file system')
    yield folder
    subprocess.run(['umount', '-l', str(folder)], check=True)


def fill_disk(place_map: PlaceMap) -> None:
    for _ in range(200):
        place_map.add('walk', 1, unit_rows(1)[0], view_jpeg=bytes(50_000))


@pytest.mark.parametrize('interval_s', [0.0, 0.05, 3600.0])
def test_a_full_disk_is_reported_and_the_map_stays_whole(small_disk, interval_s):
    path = small_disk / 'town.map'
    filled_map(path, count=3)
    config = MapConfig(commit_interval_s=interval_s)
    place_map = PlaceMap.open(path, writable=True, config=config)
    with pytest.raises(OutputError, match='cannot be'), place_map:
        fill_disk(place_map)
        place_map.commit()
    with PlaceMap.open(path) as reopened:
        assert len(reopened) == len(reopened.descriptors()) == reopened.revision >= 3
        assert reopened.keyframe(3).name == '2.jpg'


def test_a_map_goes_on_when_space_was_freed(small_disk):
    path = small_disk / 'town.map'
    ballast = small_disk / 'ballast'
    filled_map(path, count=3)
    with PlaceMap.open(path, writable=True, config=MapConfig(commit_interval_s=0.0)) as place_map:
        free = shutil.disk_usage(small_disk).free
        ballast.write_bytes(bytes(free - 100_000))
        with pytest.raises(OutputError):
            fill_disk(place_map)
        kept = len(place_map)
        ballast.unlink()
        place_map.add('walk', 7, unit_rows(1)[0])
    with PlaceMap.open(path) as reopened:
        assert len(reopened) == kept + 1
        assert reopened.keyframes()[-1].stamp_ns == 7


def test_a_map_that_does_not_fit_is_not_created(small_disk):
    (small_disk / 'ballast').write_bytes(bytes(1_990_000))
    with pytest.raises(OutputError, match='disk is full'):
        new_map(small_disk / 'town.map')
    assert [p.name for p in small_disk.iterdir()] == ['ballast']


def test_a_commit_that_fails_in_the_background_is_raised_by_the_next_add(small_disk):
    path = small_disk / 'town.map'
    filled_map(path, count=1)
    place_map = PlaceMap.open(path, writable=True, config=MapConfig(commit_interval_s=0.1))
    free = shutil.disk_usage(small_disk).free
    (small_disk / 'ballast').write_bytes(bytes(free - 60_000))
    place_map.add('walk', 1, unit_rows(1)[0], view_jpeg=bytes(300_000))
    time.sleep(0.3)
    with pytest.raises(OutputError, match='1 changes since the last commit were not stored'):
        place_map.add('walk', 2, unit_rows(1)[0])
    assert len(place_map) == 1
    place_map.add('walk', 3, unit_rows(1)[0])
    (small_disk / 'ballast').unlink()
    place_map.close()
    assert [k.stamp_ns for k in PlaceMap.open(path).keyframes()] == [0, 3]


@pytest.mark.parametrize('commit_interval_s', [0.0, 60.0])
def test_a_map_that_was_moved_is_not_written_into_nowhere(tmp_path, commit_interval_s):
    path, away = tmp_path / 'town.map', tmp_path / 'away.map'
    with new_map(path, commit_interval_s=commit_interval_s) as place_map:
        session = place_map.add_session('walk')
        place_map.add(session, 1, unit_rows(1)[0])
        place_map.commit()
        path.rename(away)
        with pytest.raises(OutputError, match='was moved or removed while it was written'):
            place_map.add(session, 2, unit_rows(1)[0])
            place_map.commit()
        assert len(place_map) == 1
        away.rename(path)
        place_map.add(session, 3, unit_rows(1)[0])
    with PlaceMap.open(path) as again:
        assert [k.stamp_ns for k in again.keyframes()] == [1, 3]


@pytest.mark.parametrize('size', [0, 5_000, 40_000])
def test_a_map_that_is_cut_off_while_it_is_written_is_told_at_the_next_commit(tmp_path, size):
    path = tmp_path / 'town.map'
    filled_map(path, 30)
    place_map = PlaceMap.open(path, writable=True)
    place_map.add('walk', 1, unit_rows(1)[0])
    place_map.commit()
    os.truncate(path, size)
    place_map.add('walk', 2, unit_rows(1)[0])
    with pytest.raises(MapError, match=f'damaged: the file was cut off: {size} of') as told:
        place_map.commit()
    assert 'restore a copy' in str(told.value)
    with pytest.raises(MapError, match='cut off'):
        place_map.close()
