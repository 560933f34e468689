"""`replay --pose-graph` from bag to figures: two laps of one circle."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.cli.main import main
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.geodesy import rotation_to_quaternion
from ghost_vpr_ros.replay.bag_writer import BagFrame, write_bag
from test.cli.program import TINY, picture
from test.replay.circles import circle

LAP = 24
START_NS = 10**18
TRUTH = ('--position-topic', '/ground_truth/pose')


@pytest.fixture(autouse=True)
def gtsam() -> None:
    pytest.importorskip('gtsam')


def pose_of(matrix: np.ndarray) -> Pose:
    return Pose(matrix[:3, 3].copy(), rotation_to_quaternion(matrix[:3, :3]))


def write_laps(path: Path, count: int) -> Path:
    """A bag of `count` images round a circle; the second lap shows what the first one showed."""
    frames = [
        BagFrame(
            START_NS + k * 10**9,
            partial(picture, k % LAP, 1.0 if k < LAP else 0.9),
            truth=pose_of(pose),
        )
        for k, pose in enumerate(circle(count, LAP))
    ]
    write_bag(path, frames)
    return path


@pytest.fixture(scope='module')
def two_laps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('laps')
    bag, place_map = write_laps(folder / 'bag', 2 * LAP), folder / 'laps.map'
    assert main(['build-map', str(bag), str(place_map), *TRUTH, *TINY]) == 0
    return bag, place_map


def replay(program, drive, out, *options):
    return program(
        *('replay', drive[0], '--map', drive[1], '--out', out, *TRUTH, '--pose-graph', *options)
    )


def graph_of(out: Path) -> dict:
    return json.loads((out / 'pose_graph.json').read_text())


def test_loops_take_the_drift_away_and_the_output_says_that_it_was_made(
    program, two_laps, tmp_path
):
    outcome = replay(program, two_laps, tmp_path, '--drift-seed', '0', '1', '2')
    assert outcome.status == 0
    runs = graph_of(tmp_path)['runs']
    assert [run['name'] for run in runs] == ['drift_seed_0', 'drift_seed_1', 'drift_seed_2']
    for run in runs:
        assert 'made from the true poses with drift' in run['odometry']
        assert run['closures_used']['num'] >= 5
        assert run['ate_ratio']['closures_robust'] <= 0.5
        assert (tmp_path / f'trajectories_{run["name"]}.png').stat().st_size > 10_000
    assert 'made from the true poses with drift, seed 2' in outcome.out


def test_the_same_replay_gives_the_same_files(program, two_laps, tmp_path):
    for name in ('a', 'b'):
        replay(program, two_laps, tmp_path / name, '--drift-seed', '1')
    for file in ('per_query.csv', 'poses.csv', 'pose_graph.json', 'trajectories_drift_seed_1.png'):
        assert (tmp_path / 'a' / file).read_bytes() == (tmp_path / 'b' / file).read_bytes(), file


def test_a_bag_without_odometry_is_refused_before_the_replay(program, two_laps, tmp_path):
    error = replay(program, two_laps, tmp_path / 'out').error
    assert '--drift-seed' in error
    assert not (tmp_path / 'out').exists()
