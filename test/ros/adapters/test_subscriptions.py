"""`~/loop_closure` as plain values, and what is refused."""

import math

import numpy as np
import pytest

from ghost_vpr_ros.ros.adapters.subscriptions import (
    ClosureError,
    closure_from_message,
    parse_frame_id,
)
from ghost_vpr_ros.ros.conversions import keyframe_frame_id
from test.ros.adapters.closures import closure, closure_message, full_covariance, transform


@pytest.mark.parametrize('session', ['morning', 'town/morning', 'a/7/b', '/keyframe/', ' '])
def test_a_frame_id_keeps_any_session(session):
    assert parse_frame_id(keyframe_frame_id(session, 12)) == (session, 12)


def test_the_frame_id_is_the_documented_one():
    assert keyframe_frame_id('morning', 1_700_000_000_000_000_001) == (
        'keyframe/morning/1700000000000000001'
    )


@pytest.mark.parametrize(
    'frame_id',
    ['', 'map', 'keyframe/morning', 'keyframe//5', 'keyframe/a/', 'keyframe/a/1.5', 'key/a/5'],
)
def test_other_frame_ids_are_refused(frame_id):
    with pytest.raises(ClosureError, match='expected a frame_id of the form'):
        parse_frame_id(frame_id)


@pytest.mark.parametrize('stamp_ns', [-1, 0])
def test_a_keyframe_without_stamp_is_refused(stamp_ns):
    with pytest.raises(ClosureError, match="session 'a' has no stamp"):
        parse_frame_id(f'keyframe/a/{stamp_ns}')


def test_a_message_keeps_stamps_transform_and_covariance():
    given = closure(transform(1.0, -2.0, 0.5, 10.0, -20.0, 130.0), full_covariance())
    found = closure_from_message(closure_message(given))
    assert (found.session, found.keyframe_stamp_ns) == (given.session, given.keyframe_stamp_ns)
    assert found.query_stamp_ns == given.query_stamp_ns
    np.testing.assert_allclose(found.keyframe_T_query, given.keyframe_T_query, atol=1e-12)
    np.testing.assert_array_equal(found.covariance, given.covariance)


def without_variance(index):
    covariance = full_covariance()
    covariance[index] = covariance[:, index] = 0.0
    return covariance


@pytest.mark.parametrize(
    'covariance',
    [
        np.zeros((6, 6)),
        without_variance(2),
        np.diag([1.0, 1.0, 1.0, 1.0, 1.0, -1.0]),
        np.full((6, 6), math.nan),
        np.eye(6) + np.eye(6, k=1),
    ],
    ids=['zero', 'singular', 'negative', 'nan', 'not_symmetric'],
)
def test_a_covariance_without_inverse_is_an_error_in_a_sentence(covariance):
    with pytest.raises(ClosureError, match='expected a symmetric covariance that is positive'):
        closure_from_message(closure_message(closure(covariance=covariance)))


def test_a_query_without_stamp_is_refused():
    with pytest.raises(ClosureError, match='stamp of the query image'):
        closure_from_message(closure_message(closure(query_stamp_ns=0)))


def test_a_pose_that_is_no_number_is_refused():
    message = closure_message(closure())
    message.pose.pose.position.y = math.nan
    with pytest.raises(ClosureError, match='a pose that is not finite'):
        closure_from_message(message)
