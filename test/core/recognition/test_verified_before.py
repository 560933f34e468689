"""What was verified stays verified while the camera hardly moves, and not longer."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Pose
from ghost_vpr_ros.core.poses import yaw_to_quaternion
from ghost_vpr_ros.core.recognition.verified_before import VerifiedBefore
from ghost_vpr_ros.core.verification.geometric import GeometricVerifier, VerifiedCandidate
from test.core.calibrations import calibration
from test.core.model.tiny_model import pictures, tiny_model
from test.core.scripted import candidate, keyframe, scripted_recognizer


def found(number: int, inliers: int = 40, *, passed: bool = True) -> VerifiedCandidate:
    each = replace(candidate(), keyframe=keyframe(number, (0.0, 0.0, 0.0)), inliers=inliers)
    return VerifiedCandidate(each, cells=6, is_verified=passed, likelihood_ratio=9.0)


def seen(*numbers: int):
    return [replace(found(number).candidate, inliers=-1) for number in numbers]


def test_the_same_candidates_keep_what_was_found() -> None:
    before = VerifiedBefore()
    before.keep([found(1), found(2, passed=False)])
    first, second, third = before.again(seen(1, 5, 2), None)
    assert (first.candidate.inliers, first.is_verified, first.likelihood_ratio) == (40, True, 9.0)
    assert first.relative is None
    assert (second.candidate.inliers, second.is_verified) == (-1, False)
    assert (third.candidate.inliers, third.is_verified) == (40, False)


@pytest.mark.parametrize(
    ('numbers', 'rival'),
    [((2, 1), None), ((3, 1), None), ((1, 3), 1)],
    ids=['best did not pass', 'best is new', 'rival is new'],
)
def test_what_is_not_known_is_verified_anew(numbers, rival) -> None:
    before = VerifiedBefore()
    before.keep([found(1), found(2, passed=False)])
    assert before.again(seen(*numbers), rival) is None


def test_nothing_is_known_after_forgetting_or_without_a_check() -> None:
    before = VerifiedBefore()
    before.keep([found(1, inliers=-1, passed=False)])
    assert before.again(seen(1), None) is None
    before.keep([found(1)])
    before.forget()
    assert before.again(seen(1), None) is None


@pytest.fixture
def street(tmp_path):
    """Ten places, 10 m apart, in the frames' order; the camera stands at the first one."""
    rng = np.random.default_rng(4)
    looks = rng.standard_normal((10, 64))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    positions = np.column_stack([10.0 * np.arange(10), np.zeros(10), np.zeros(10)])
    script = np.repeat(looks[:1], 20, axis=0)
    config = RecognizerConfig(top_k=4, verify_from=0.0)
    with scripted_recognizer(
        tmp_path / 'street.map', tiny_model(images=16), looks, positions, script, config
    ) as opened:
        opened.use_calibration(calibration())
        yield opened


@pytest.fixture
def verified_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the best keyframe's id whenever local features are compared."""
    frames: list[int] = []

    def verify(_, image, candidates, rival=None):
        frames.append(candidates[0].keyframe.keyframe_id)
        best = replace(candidates[0], inliers=60)
        others = [VerifiedCandidate(replace(each, inliers=2)) for each in candidates[1:]]
        return [VerifiedCandidate(best, 9, True, 50.0), *others]

    monkeypatch.setattr(GeometricVerifier, 'verify', verify)
    return frames


def show(recognizer, number: int, x_m: float, **changes: object):
    recognizer.config = replace(recognizer.config, **changes)
    image = pictures(1, seed=3)[0] + np.uint8(number % 7)
    odometry = Pose(np.array([x_m, 0.0, 0.0]), yaw_to_quaternion(0.0))
    return recognizer.recognize(image, (number + 1) * 100_000_000, odometry)


def test_a_camera_at_rest_is_verified_once(street, verified_frames) -> None:
    answers = [show(street, number, 0.0) for number in range(6)]
    assert len(verified_frames) == 1
    assert [each.candidates[0].inliers for each in answers] == [60] * 6
    assert len({each.candidates[0].probability for each in answers[1:]}) == 1


def test_each_frame_that_counts_is_verified(street, verified_frames) -> None:
    for number in range(6):
        show(street, number, 1.2 * number)
    # 2 m of travel count as evidence: frames 0, 2 and 4.
    assert len(verified_frames) == 3


def test_single_images_are_always_verified(street, verified_frames) -> None:
    for number in range(4):
        show(street, number, 0.0, temporal='none')
    assert len(verified_frames) == 4


def test_a_reset_verifies_anew(street, verified_frames) -> None:
    show(street, 0, 0.0)
    street.reset()
    show(street, 1, 0.0)
    assert len(verified_frames) == 2
