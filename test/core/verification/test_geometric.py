"""The verifier on rendered streets with known poses, on degenerate and on real images."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image import encode_jpeg, read_image
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.map.views import views_of
from ghost_vpr_ros.core.probability.inlier_evidence import LEARNED
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier, VerifiedCandidate
from test.core.two_views import CAMERA, angle_deg, candidate, street, yaw

AWAY_M = (1.2, 0.6, 0.0)


def verify(query, view, camera=CAMERA, **changes) -> VerifiedCandidate:
    verifier = GeometricVerifier(lambda _: view, camera, VerificationConfig(**changes))
    return verifier.verify(query, [candidate()])[0]


@pytest.mark.parametrize('features', ['sift', 'orb'])
@pytest.mark.parametrize(
    ('position_m', 'turn_deg'), [(AWAY_M, 6.0), ((2.0, 0.0, 0.0), 0.0), ((0.0, -0.8, 0.0), -5.0)]
)
def test_the_pose_in_a_street_is_found(features, position_m, turn_deg):
    found = verify(street(position_m, yaw(turn_deg)), street(), features=features)
    assert found.is_verified
    assert found.relative.is_calibrated
    assert angle_deg(found.relative.keyframe_R_query, yaw(turn_deg)) < 2.0
    assert angle_deg(found.relative.direction, position_m / np.linalg.norm(position_m)) < 10.0


def test_a_query_twice_the_size_of_the_view_has_the_same_pose():
    large = cv2.resize(street(AWAY_M, yaw(6.0)), (640, 480), interpolation=cv2.INTER_LINEAR)
    found = verify(large, street(), CAMERA.scaled(640, 480))
    assert angle_deg(found.relative.keyframe_R_query, yaw(6.0)) < 2.0


def test_the_covariance_states_that_the_distance_is_unknown():
    found = verify(street(AWAY_M, yaw(6.0)), street(), unknown_distance_m=4.0)
    direction, covariance = found.relative.direction, found.pose.covariance
    assert direction @ covariance[:3, :3] @ direction == pytest.approx(16.0)
    assert np.linalg.eigvalsh(covariance).min() >= -1e-12
    np.testing.assert_allclose(found.pose.position_m, 4.0 * direction)


def test_a_distance_from_elsewhere_makes_the_pose_metric():
    relative = verify(street(AWAY_M, yaw(6.0)), street()).relative
    pose = relative.pose(np.linalg.norm(AWAY_M), 0.1)
    np.testing.assert_allclose(pose.position_m, AWAY_M, atol=0.25)
    along = relative.direction @ pose.covariance[:3, :3] @ relative.direction
    assert along == pytest.approx(0.01)
    assert 2.0 * np.arctan2(*pose.quaternion_xyzw[2:]) == pytest.approx(np.radians(6.0), abs=0.03)


def test_without_calibration_the_angles_are_marked_as_rough():
    known, guessed = (
        verify(street(AWAY_M, yaw(6.0)), street(), camera) for camera in (CAMERA, None)
    )
    assert guessed.is_verified
    assert not guessed.relative.is_calibrated
    spread = np.diag(guessed.pose.covariance)[3:]
    assert (spread >= np.radians(20.0) ** 2).all()
    assert (spread > 10.0 * np.diag(known.pose.covariance)[3:]).all()


def test_a_distorted_camera_finds_the_pose():
    camera = CameraIntrinsics(280.0, 280.0, 159.5, 119.5, 320, 240, 'plumb_bob', (-0.3, 0.1, 0, 0))
    rows, columns = np.mgrid[:240, :320].astype(np.float64)
    straight = camera.normalised(np.column_stack([columns.ravel(), rows.ravel()]))
    x, y = (
        (280.0 * straight + (159.5, 119.5))
        .reshape(240, 320, 2)
        .astype(np.float32)
        .transpose(2, 0, 1)
    )
    query, view = (
        cv2.remap(image, x, y, cv2.INTER_LINEAR) for image in (street(AWAY_M, yaw(6.0)), street())
    )
    found = verify(query, view, camera)
    assert angle_deg(found.relative.keyframe_R_query, yaw(6.0)) < 2.0
    assert angle_deg(found.relative.direction, AWAY_M / np.linalg.norm(AWAY_M)) < 10.0


@pytest.mark.parametrize('turn_deg', [0.0, 12.0])
def test_a_turn_on_the_spot_has_a_rotation_and_no_direction(turn_deg):
    found = verify(street(body_R=yaw(turn_deg)), street())
    assert found.is_verified
    assert found.relative.direction is None
    assert angle_deg(found.relative.keyframe_R_query, yaw(turn_deg)) < 1.0
    np.testing.assert_array_equal(found.pose.position_m, 0.0)
    assert (np.diag(found.pose.covariance)[:3] >= 25.0).all()


@pytest.mark.parametrize(
    'query',
    [
        street(seed=7),
        np.full((240, 320, 3), 128, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        street()[:, ::-1],
        np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8),
    ],
    ids=['elsewhere', 'fog', 'one pixel', 'mirrored', 'noise'],
)
@pytest.mark.parametrize('features', ['sift', 'orb'])
def test_what_does_not_show_the_place_is_not_verified(query, features):
    found = verify(np.ascontiguousarray(query), street(), None, features=features)
    assert not found.is_verified
    assert found.relative is None
    assert found.candidate.inliers < LEARNED[features].min_inliers
    assert found.likelihood_ratio < 3.0


def test_a_repeated_window_in_a_corner_is_no_proof():
    query, view = street(seed=7), street(seed=8)
    query[:60, :80] = view[:60, :80] = street()[90:150, 60:140]
    found = verify(query, view, None)
    assert found.candidate.inliers >= 8
    assert not found.is_verified


def test_a_view_of_another_shape_is_checked_but_has_no_pose():
    found = verify(street(AWAY_M, yaw(6.0)), street()[:, 20:-20])
    assert found.is_verified
    assert found.relative is None


def missing(_: int) -> None:
    return None


def damaged(_: int) -> None:
    raise ImageError('view: truncated')


@pytest.mark.parametrize('views', [missing, damaged])
def test_a_candidate_without_a_view_stays_as_it_is(views):
    verifier = GeometricVerifier(views, CAMERA, VerificationConfig())
    assert verifier.verify(street(), [candidate()]) == [VerifiedCandidate(candidate())]


def test_only_the_first_candidates_are_verified():
    views = {1: street(seed=7), 2: street(AWAY_M), 3: street(), 4: street()}
    verifier = GeometricVerifier(views.get, CAMERA, VerificationConfig(candidates=3))
    found = verifier.verify(street(), [candidate(number) for number in (1, 2, 3, 4)])
    assert [item.candidate.keyframe.keyframe_id for item in found] == [1, 2, 3, 4]
    assert [item.is_verified for item in found] == [False, True, True, False]
    assert found[3].candidate.inliers == -1


def test_without_candidates_nothing_is_verified():
    verifier = GeometricVerifier(missing, None, VerificationConfig())
    assert verifier.verify(street(), []) == []


def test_a_view_is_read_once():
    asked = []
    verifier = GeometricVerifier(
        lambda number: asked.append(number) or street(), None, VerificationConfig()
    )
    for _ in range(2):
        verifier.verify(street(), [candidate(5)])
    assert asked == [5]


def test_the_views_of_a_map_are_verified(tmp_path):
    descriptor = np.array([1.0, 0.0], np.float32)
    created = PlaceMap.create(tmp_path / 'm', 'a' * 64, 2, PreprocessingConfig(), b'none')
    with created as place_map:
        session = place_map.add_session('walk')
        seen = place_map.add(session, 0, descriptor, view_jpeg=encode_jpeg(street()))
        unseen = place_map.add(session, 1, descriptor)
        verifier = GeometricVerifier(views_of(place_map), CAMERA, VerificationConfig())
        found = verifier.verify(street(AWAY_M), [candidate(seen), candidate(unseen)])
    assert [item.is_verified for item in found] == [True, False]


def test_two_frames_of_a_real_drive(data_dir):
    """Ground truth of KITTI: poses in the optical frame of the first camera."""
    folder = data_dir / 'kitti_mini' / 'seq1'
    k = np.loadtxt(folder / 'calib.txt', max_rows=1).reshape(3, 4)[:, :3]
    a, b = (read_image(folder / 'image_l' / f'{n:06d}.jpg') for n in (10, 12))
    height, width = a.shape[:2]
    camera = CameraIntrinsics.from_camera_info(k, np.zeros(5), 'plumb_bob', width, height)
    found = verify(b, a, camera, working_width_px=640)
    poses = np.loadtxt(folder / 'poses.txt').reshape(-1, 3, 4)
    moved = poses[10, :, :3].T @ (poses[12, :, 3] - poses[10, :, 3])
    direction = np.array([moved[2], -moved[0], -moved[1]]) / np.linalg.norm(moved)
    assert angle_deg(found.relative.direction, direction) < 10.0
    assert angle_deg(found.relative.keyframe_R_query, np.eye(3)) < 2.0
