import dataclasses
import itertools

import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.geodesy import LocalFrame
from ghost_vpr_ros.replay.sample_town import gps, route
from ghost_vpr_ros.replay.sample_town.camera import planar_pose, yaw_of
from ghost_vpr_ros.replay.sample_town.config import TownConfig
from ghost_vpr_ros.replay.sample_town.light import light_of_drive
from ghost_vpr_ros.replay.sample_town.odometry import measure_odometry
from ghost_vpr_ros.replay.sample_town.streets import make_grid
from ghost_vpr_ros.replay.sample_town.trajectory import drive_along

GRID = make_grid(0, (3, 3))


def make_trajectory(config):
    length = config.frames * config.interval_m * 1.1 + 20
    line = route.lane_line(GRID, route.plan_nodes(GRID, config.route, length))
    return drive_along(line, config, 0, light_of_drive(config.seed, 0))


def pairs_near(positions, radius_m, apart):
    """Pairs of images within the radius that are at least `apart` images from each other."""
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    i, j = np.nonzero(distance < radius_m)
    return np.count_nonzero(j - i >= apart)


def test_loops_come_back_to_the_same_places_within_one_drive():
    config = TownConfig(frames=150)
    trajectory = make_trajectory(config)

    assert pairs_near(trajectory.map_T_base[:, :2, 3], 5.0, 50) >= 20


def test_revisits_on_a_first_side_look_the_same_way():
    trajectory = make_trajectory(TownConfig(frames=150))
    poses = trajectory.map_T_base
    distance = np.linalg.norm(poses[:, None, :2, 3] - poses[None, :, :2, 3], axis=2)
    cosine = np.einsum('ik,jk->ij', poses[:, :2, 0], poses[:, :2, 0])
    i, j = np.nonzero((distance < 5.0) & (cosine > 0.95))

    assert np.count_nonzero(j - i >= 50) >= 15


def test_the_snake_has_no_revisit_and_states_when_it_is_too_short():
    trajectory = make_trajectory(TownConfig(frames=250, route='snake'))

    assert pairs_near(trajectory.map_T_base[:, :2, 3], 15.0, 20) == 0
    with pytest.raises(ConfigError, match='without a revisit'):
        make_trajectory(TownConfig(frames=2000, route='snake'))


@pytest.mark.parametrize('blocks', [(1, 1), (2, 1), (1, 3), (3, 3)])
def test_routes_never_turn_back(blocks):
    grid = make_grid(3, blocks)
    nodes = route.plan_nodes(grid, 'loops', 4000.0)

    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in itertools.pairwise(nodes))
    assert all(a != c for a, c in zip(nodes, nodes[2:], strict=False))


def test_images_are_some_metres_apart_at_plausible_speeds_with_a_stop():
    trajectory = make_trajectory(TownConfig(frames=200))
    steps = np.linalg.norm(np.diff(trajectory.map_T_base[:, :2, 3], axis=0), axis=1)
    seconds = np.diff(trajectory.stamps_ns) * 1e-9

    assert steps.min() > 1.8 and steps.max() < 3.2
    assert (seconds > 0).all()
    assert np.median(steps / seconds) == pytest.approx(8.0, abs=0.6)
    assert np.count_nonzero(seconds > 5) == 1


def test_the_vehicle_keeps_to_the_right_and_looks_ahead():
    config = TownConfig(frames=150)
    nodes = route.plan_nodes(GRID, 'loops', 450.0)
    street = GRID.between(nodes[0], nodes[1])
    pose = make_trajectory(config).map_T_base[8]
    direction = GRID.position(nodes[1]) - GRID.position(nodes[0])
    offset = pose[:2, 3] - GRID.position(nodes[0])
    left = (direction[0] * offset[1] - direction[1] * offset[0]) / street.length_m

    assert -3.0 < left < -0.3
    assert pose[:2, 0] @ direction / street.length_m > 0.98


def test_odometry_drifts_while_its_steps_stay_close():
    config = TownConfig(frames=400)
    trajectory = make_trajectory(config)
    poses = measure_odometry(trajectory, config, 0)

    exact = relative_to_first(trajectory)
    measured = np.array([pose.position_m[:2] for pose in poses])
    errors = np.linalg.norm(measured - exact[:, :2], axis=1)
    step_errors = np.linalg.norm(np.diff(measured, axis=0), axis=1) - np.linalg.norm(
        np.diff(exact[:, :2], axis=0), axis=1
    )
    assert errors[0] < 1e-9
    assert errors[-100:].max() > 5 * errors[5:20].max()
    assert 0.002 < errors.max() / trajectory.along_m[-1] < 0.08
    assert np.abs(step_errors).max() < 0.25


def relative_to_first(trajectory):
    """Exact x, y, yaw (N, 3) in the frame of the first pose, on the ground."""
    first = trajectory.map_T_base[0]
    start = planar_pose(first[0, 3], first[1, 3], yaw_of(first))
    flat = []
    for pose in trajectory.map_T_base:
        here = np.linalg.inv(start) @ planar_pose(pose[0, 3], pose[1, 3], yaw_of(pose))
        flat.append([here[0, 3], here[1, 3], yaw_of(here)])
    return np.array(flat)


def test_odometry_covariance_is_that_of_its_errors():
    ratios = []
    for seed in range(60):
        config = TownConfig(frames=60, seed=seed)
        trajectory = make_trajectory(config)
        pose = measure_odometry(trajectory, config, 0)[-1]
        error = pose.position_m[:2] - relative_to_first(trajectory)[-1, :2]
        ratios.append(error @ np.linalg.solve(pose.covariance[:2, :2], error))
    # Mean of a chi-square of 2 degrees: 2, deviation 2 / sqrt(60) = 0.26.
    assert 1.2 < np.mean(ratios) < 2.8


def test_gps_errors_have_the_deviation_that_is_announced():
    base = TownConfig(frames=300, gps_multipath_share=0.0)
    frame = LocalFrame(gps.town_origin(base))
    errors, gaps = [], 0
    for seed in range(30):
        config = dataclasses.replace(base, seed=seed)
        trajectory = make_trajectory(config)
        for fix, pose in zip(
            gps.measure_gps(trajectory, config, 0), trajectory.map_T_base, strict=True
        ):
            gaps += fix is None
            if fix is not None:
                errors.append(frame.point_to_enu(fix)[:2] - pose[:2, 3])
    assert np.std(errors) == pytest.approx(gps.announced_sigma_m(base), rel=0.15)
    assert np.abs(np.mean(errors, axis=0)).max() < 0.8
    assert gaps / (30 * 300) == pytest.approx(0.05, abs=0.015)


def test_gps_errors_vary_slowly_but_for_white_noise():
    config = TownConfig(
        frames=400, gps_white_sigma_m=0.0, gps_multipath_share=0.0, gps_dropout_share=0.0
    )
    trajectory = make_trajectory(config)
    fixes = gps.measure_gps(trajectory, config, 0)
    frame = LocalFrame(gps.town_origin(config))
    errors = np.array([frame.point_to_enu(fix) for fix in fixes]) - trajectory.map_T_base[:, :3, 3]

    assert np.abs(np.diff(errors[:, 0])).mean() < 0.35 * np.std(errors[:, 0]) + 0.1


def test_reflections_throw_some_fixes_far_off():
    quiet = {'gps_white_sigma_m': 0.0, 'gps_bias_sigma_m': 0.0, 'gps_dropout_share': 0.0}
    config = TownConfig(frames=1000, gps_multipath_share=0.04, **quiet)
    trajectory = make_trajectory(config)
    frame = LocalFrame(gps.town_origin(config))
    exact = trajectory.map_T_base[:, :3, 3]
    fixes = gps.measure_gps(trajectory, config, 0)
    errors = np.linalg.norm(np.array([frame.point_to_enu(fix) for fix in fixes]) - exact, axis=1)
    struck = errors > 1e-3

    assert 0.01 < struck.mean() < 0.1
    assert (errors[struck] >= 6.0 - 1e-3).all() and (errors[struck] <= 16.0 + 1e-3).all()


def test_the_third_drive_goes_the_other_way_round(small_town, first_drive):
    third = small_town.drive(2)

    ends = first_drive.line.points[0] - third.line.points[-1]
    middle = first_drive.line.at(30.0)
    distance = np.linalg.norm(third.line.points - middle[0], axis=1)
    k = int(np.argmin(distance))
    assert np.linalg.norm(ends) < 8
    assert distance[k] < 5
    assert np.cos(third.line.yaw_rad[k] - middle[1]) < -0.9
