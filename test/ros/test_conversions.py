"""Hypotheses to messages: fields, stamps, frames and covariances."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import NavSatFix, NavSatStatus

from ghost_vpr_ros.core.datatypes import (
    Candidate,
    GeoPoint,
    Hypothesis,
    Keyframe,
    Pose,
    Reason,
    State,
)
from ghost_vpr_ros.ros import conversions
from ghost_vpr_ros.ros.conversions import CANDIDATE_DTYPE, stamp_to_ns

STAMP_NS = 1_700_000_000_123_456_789
SESSIONS = {'morning': 0, 'evening': 1}
COVARIANCE = np.diag([4.0, 9.0, 1.0, 0.01, 0.02, 0.03])


def pose(x=1.0, y=2.0, z=3.0, quaternion=(0.0, 0.0, 0.6, 0.8)):
    heading = None if quaternion is None else np.array(quaternion)
    return Pose(np.array([x, y, z]), heading, COVARIANCE)


def candidate(keyframe_id=7, session='evening', with_pose=True, stamp_ns=5_000_000_006):
    keyframe = Keyframe(
        keyframe_id, session, stamp_ns, 'f.jpg', pose=pose() if with_pose else None
    )
    return Candidate(keyframe, 0.75, 0.5, 12)


def hypothesis(state=State.ACCEPTED, reason=Reason.NONE, **fields):
    fields = {'candidates': (candidate(), candidate(8, 'morning')), **fields}
    return Hypothesis(STAMP_NS, state, reason, map_revision=3, **fields)


def values_of(message):
    return {item.key: item.value for item in message.values}


def test_stamps_keep_every_nanosecond():
    assert stamp_to_ns(conversions.ns_to_stamp(STAMP_NS)) == STAMP_NS


def test_an_unknown_stamp_is_zero():
    assert stamp_to_ns(conversions.ns_to_stamp(-1)) == 0


@pytest.mark.parametrize('second', [2**31 - 1, 2**31, 2**32 - 1])
def test_stamps_after_2038_come_back(second):
    stamp_ns = second * 10**9 + 5
    assert stamp_to_ns(conversions.ns_to_stamp(stamp_ns)) == stamp_ns


def test_stamps_that_no_message_can_carry_are_not_set():
    assert stamp_to_ns(conversions.ns_to_stamp(2**32 * 10**9)) == 0


def test_candidates_carry_image_stamp_and_map_frame():
    message = conversions.candidates_message(hypothesis(), SESSIONS, 'town')
    assert (stamp_to_ns(message.header.stamp), message.header.frame_id) == (STAMP_NS, 'town')


def test_candidates_hold_one_row_each():
    message = conversions.candidates_message(hypothesis(), SESSIONS, 'map')
    rows = np.frombuffer(message.data, CANDIDATE_DTYPE)
    assert rows[0].item() == (1.0, 2.0, 3.0, 0.75, 0.5, 7, 1, 5, 6, 12)
    assert rows[1]['keyframe_id'] == 8 and rows[1]['session'] == 0
    assert (message.height, message.width, message.point_step) == (1, 2, 40)
    assert message.row_step == len(message.data) == 80


def test_candidate_fields_describe_the_bytes():
    message = conversions.candidates_message(hypothesis(), SESSIONS, 'map')
    offsets = {field.name: field.offset for field in message.fields}
    assert offsets == {name: CANDIDATE_DTYPE.fields[name][1] for name in CANDIDATE_DTYPE.names}


def test_candidates_without_position_are_nan_and_not_dense():
    unknown = hypothesis(candidates=(candidate(with_pose=False),))
    message = conversions.candidates_message(unknown, SESSIONS, 'map')
    assert not message.is_dense
    assert np.isnan(np.frombuffer(message.data, CANDIDATE_DTYPE)['x']).all()


def test_an_answer_without_candidates_is_an_empty_cloud():
    empty = hypothesis(State.UNKNOWN_PLACE, Reason.EMPTY_MAP, candidates=())
    message = conversions.candidates_message(empty, SESSIONS, 'map')
    assert (message.width, len(message.data)) == (0, 0)
    assert message.header.frame_id == 'map'


def test_status_holds_the_threshold_and_what_is_missing_to_it():
    near = hypothesis(State.TENTATIVE, Reason.LOW_SCORE, min_probability=0.9931)
    values = values_of(conversions.status_message(near, 'front', 1.0))
    assert values['min_probability'] == '0.9931'
    assert values['missing'].startswith('probability ') and values['missing'].endswith(' of 0.99')
    unusable = hypothesis(State.REJECTED, Reason.IMAGE_QUALITY, detail='front is black')
    values = values_of(conversions.status_message(unusable, 'front', 1.0))
    assert values['missing'] == 'front is black' and 'min_probability' not in values


def test_status_names_state_reason_and_best_candidate():
    message = conversions.status_message(
        hypothesis(State.REJECTED, Reason.AMBIGUOUS), 'front', 12.34
    )
    values = values_of(message)
    assert message.message == 'REJECTED: AMBIGUOUS'
    assert values['stamp_ns'] == str(STAMP_NS) and values['frame_id'] == 'front'
    assert (values['keyframe_id'], values['session']) == ('7', 'evening')
    assert (values['map_revision'], values['latency_ms']) == ('3', '12.3')


@pytest.mark.parametrize(('is_calibrated', 'word'), [(True, 'yes'), (False, 'no')])
def test_status_states_whether_the_map_is_calibrated(is_calibrated, word):
    message = conversions.status_message(hypothesis(is_calibrated=is_calibrated), 'front', 1.0)
    assert values_of(message)['calibrated'] == word


@pytest.mark.parametrize(
    ('reason', 'level'),
    [(Reason.LOW_SCORE, DiagnosticStatus.OK), (Reason.STALE, DiagnosticStatus.WARN)],
)
def test_only_a_degraded_input_is_a_warning(reason, level):
    message = conversions.status_message(hypothesis(State.REJECTED, reason), 'camera', 1.0)
    assert message.level == level


def test_pose_has_the_covariance_of_the_hypothesis():
    message = conversions.pose_message(pose(), STAMP_NS, 'map')
    np.testing.assert_array_equal(message.pose.covariance, COVARIANCE.reshape(-1))
    assert message.pose.pose.position.y == 2.0
    assert message.pose.pose.orientation.w == 0.8
    assert (stamp_to_ns(message.header.stamp), message.header.frame_id) == (STAMP_NS, 'map')


def test_a_pose_without_heading_has_no_rotation():
    message = conversions.pose_message(pose(quaternion=None), STAMP_NS, 'map')
    assert message.pose.pose.orientation.w == 1.0
    np.testing.assert_array_equal(message.pose.covariance, COVARIANCE.reshape(-1))


def test_a_pose_without_covariance_is_refused():
    with pytest.raises(ValueError, match='covariance'):
        conversions.pose_message(Pose(np.zeros(3)), STAMP_NS, 'map')


def test_fix_has_a_known_covariance():
    geo = GeoPoint(52.2, 0.12, 15.0)
    message = conversions.fix_message(hypothesis(pose=pose(), geo=geo), 'camera')
    assert (message.latitude, message.longitude, message.altitude) == (52.2, 0.12, 15.0)
    assert message.position_covariance_type == NavSatFix.COVARIANCE_TYPE_KNOWN
    assert message.status.status == NavSatStatus.STATUS_FIX
    np.testing.assert_array_equal(message.position_covariance, COVARIANCE[:3, :3].reshape(-1))
    assert (stamp_to_ns(message.header.stamp), message.header.frame_id) == (STAMP_NS, 'camera')


def test_a_fix_without_geographic_position_is_refused():
    with pytest.raises(ValueError, match='geographic'):
        conversions.fix_message(hypothesis(pose=pose()), 'camera')


def test_keyframes_without_pose_are_left_out_of_the_path():
    keyframes = [candidate(stamp_ns=n).keyframe for n in (3, 9, 6)]
    keyframes.append(candidate(with_pose=False).keyframe)
    path = conversions.keyframes_message(keyframes, 'map')
    assert [stamp_to_ns(p.header.stamp) for p in path.poses] == [3, 9, 6]
    assert {p.header.frame_id for p in path.poses} == {'map'}
    assert (stamp_to_ns(path.header.stamp), path.header.frame_id) == (9, 'map')


def test_a_pose_comes_back_from_its_message():
    given = pose()
    back = conversions.pose_from_message(conversions.to_pose(given))
    np.testing.assert_allclose(back.position_m, given.position_m)
    np.testing.assert_allclose(back.quaternion_xyzw, given.quaternion_xyzw)


@pytest.mark.parametrize('number', [float('nan'), float('inf')])
def test_a_pose_message_that_is_not_finite_is_no_pose(number):
    message = conversions.to_pose(pose())
    message.position.x = number
    assert conversions.pose_from_message(message) is None


def test_a_pose_message_without_rotation_is_no_pose():
    message = conversions.to_pose(pose())
    message.orientation.x = message.orientation.y = 0.0
    message.orientation.z = message.orientation.w = 0.0
    assert conversions.pose_from_message(message) is None


def test_a_fix_that_nobody_filled_in_is_none():
    status = NavSatStatus(status=NavSatStatus.STATUS_FIX)
    assert conversions.geo_from_fix(NavSatFix(status=status)) is None
    on_the_equator = conversions.geo_from_fix(NavSatFix(status=status, longitude=9.5))
    assert on_the_equator.longitude_deg == 9.5
