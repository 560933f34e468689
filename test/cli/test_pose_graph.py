"""`replay --pose-graph` from bag to figures: two laps of one circle."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.cli.main import main
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.poses import rotation_to_quaternion
from ghost_vpr_ros.replay.bags.writer import BagFrame, write_bag
from test.cli.program import TINY, picture
from test.replay.circles import circle

LAP = 24
START_NS = 10**18
TRUTH = ('--position-topic', '/ground_truth/pose')


@pytest.fixture(scope='module', autouse=True)
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
    """The bag, and weights of a tiny network."""
    folder = tmp_path_factory.mktemp('laps')
    bag, place_map = write_laps(folder / 'bag', 2 * LAP), folder / 'laps.map'
    assert main(['build-map', str(bag), str(place_map), *TRUTH, *TINY]) == 0
    weights = folder / 'tiny.safetensors'
    with PlaceMap.open(place_map) as opened:
        weights.write_bytes(opened.model_bytes())
    return bag, weights


@pytest.fixture(scope='module')
def mapped(two_laps, tmp_path_factory) -> Path:
    """The output folder of a replay that mapped both laps, beside its map; drift seed 1."""
    out = tmp_path_factory.mktemp('mapped') / 'out'
    assert main(list(map(str, mapping(two_laps, out, '--drift-seed', '1')))) == 0
    return out


def mapping(drive, out, *options):
    mode = ('--map', out.with_suffix('.map'), '--mode', 'map', '--model', drive[1])
    return ('replay', drive[0], '--out', out, *mode, *TRUTH, '--pose-graph', *options)


def replay(program, drive, out, *options):
    return program(*mapping(drive, out, *options))


def graph_of(out: Path) -> dict:
    return json.loads((out / 'pose_graph.json').read_text())


@pytest.mark.parametrize('seed', [0, 2])
def test_loops_take_the_drift_away_and_the_output_states_that_it_was_made(
    program, two_laps, tmp_path, seed
):
    out = tmp_path / 'out'
    outcome = replay(program, two_laps, out, '--drift-seed', seed)
    assert outcome.status == 0, outcome.error
    (run,) = graph_of(out)['runs']
    assert run['name'] == f'drift_seed_{seed}'
    assert f'made from the true poses with drift, seed {seed}' in run['odometry']
    assert run['closures_from'] == "the drive's own past"
    assert run['closures_used']['num'] >= 5
    assert run['closures_used']['false'] == 0
    # Neighbours of this drive have nothing in common, so few answers are sure enough.
    assert run['ate_ratio']['closures_robust'] <= 0.65
    assert (out / f'trajectories_{run["name"]}.png').stat().st_size > 10_000
    assert f'made from the true poses with drift, seed {seed}' in outcome.out


def test_the_same_replay_gives_the_same_files(program, two_laps, mapped, tmp_path):
    assert replay(program, two_laps, tmp_path / 'out', '--drift-seed', '1').status == 0
    for file in ('per_query.csv', 'poses.csv', 'trajectories_drift_seed_1.png'):
        assert (mapped / file).read_bytes() == (tmp_path / 'out' / file).read_bytes(), file


def test_another_drive_is_corrected_by_the_map_of_the_first(program, two_laps, mapped, tmp_path):
    again = program(
        *('replay', two_laps[0], '--out', tmp_path / 'again', '--map', mapped.with_suffix('.map')),
        *(*TRUTH, '--pose-graph', '--drift-seed', '0', '2'),
    )
    assert again.status == 0, again.error
    for run in graph_of(tmp_path / 'again')['runs']:
        assert run['closures_from'] == 'other drives in the map'


def test_several_drift_seeds_would_make_several_maps(program, two_laps, tmp_path):
    error = replay(program, two_laps, tmp_path / 'out', '--drift-seed', '0', '1').error
    assert 'expected one seed with --mode map, found 2' in error
    assert not (tmp_path / 'out.map').exists()


def test_a_bag_without_odometry_is_refused_before_the_replay(program, two_laps, tmp_path):
    error = replay(program, two_laps, tmp_path / 'out').error
    assert '--drift-seed' in error
    assert not (tmp_path / 'out').exists()
