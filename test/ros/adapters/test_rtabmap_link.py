"""Links of RTAB-Map: direction, information, round trip, and node ids by stamp.

The messages are stand-ins made from the real definitions: rtabmap_msgs has no wheel.
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.ros.adapters.closure_message import ClosureError
from ghost_vpr_ros.ros.adapters.rtabmap_link import (
    LinkConfig,
    NodeStamps,
    WaitingClosures,
    link_of_closure,
    write_link,
)
from test.ros.adapters.closures import (
    KEYFRAME_NS,
    QUERY_NS,
    closure,
    full_covariance,
    matrix_from,
    numeric_jacobian,
    perturbed,
    transform,
)
from test.ros.adapters.stand_ins import AddLinkRequest, map_data

SECOND_NS = 1_000_000_000
STAMPS_NS = {9: QUERY_NS, 4: KEYFRAME_NS}


def request_of(given):
    request = AddLinkRequest()
    write_link(link_of_closure(given, query_id=9, keyframe_id=4), request)
    return request


def test_the_link_goes_from_the_query_to_the_keyframe():
    # The query heads north, 2 m east of the keyframe: it sees the keyframe 2 m to its left,
    # turned by 90 deg to the right.
    link = request_of(closure()).link
    assert (link.from_id, link.to_id, link.type) == (9, 4, 1)
    from_T_to = matrix_from(link.transform.translation, link.transform.rotation)
    np.testing.assert_allclose(from_T_to, transform(0, 2, 0, 0, 0, -90.0), atol=1e-12)


def test_the_inverse_closure_gives_the_inverse_link():
    backwards = closure(transform(0, 2, 0, 0, 0, -90.0))
    link = request_of(backwards).link
    from_T_to = matrix_from(link.transform.translation, link.transform.rotation)
    np.testing.assert_allclose(from_T_to, transform(2, 0, 0, 0, 0, 90.0), atol=1e-12)


def test_without_distance_information_is_the_inverse_variance_in_the_order_of_ros():
    variances = [4.0, 2.0, 0.5, 0.01, 0.02, 0.1]
    given = closure(transform(0, 0, 0, 0, 0, 30.0), np.diag(variances))
    information = request_of(given).link.information.reshape(6, 6)
    expected = np.diag([0.25, 0.5, 2.0, 100.0, 50.0, 10.0])
    np.testing.assert_allclose(information, expected, atol=1e-12)


def test_the_information_is_that_of_the_error_in_the_axes_of_the_keyframe():
    keyframe_T_query = transform(3.0, 1.0, -0.5, 4.0, -8.0, 50.0)
    covariance = full_covariance()
    link = link_of_closure(closure(keyframe_T_query, covariance), 9, 4)

    def error_of_factor(error):
        """Of BetweenFactor(from, to): measured^-1 * true."""
        true = np.linalg.inv(perturbed(keyframe_T_query, error))
        between = np.linalg.inv(link.from_T_to) @ true
        turn = Rotation.from_matrix(between[:3, :3]).as_rotvec()
        return np.concatenate([between[:3, 3], turn])

    jacobian = numeric_jacobian(error_of_factor)
    expected = jacobian @ covariance @ jacobian.T
    np.testing.assert_allclose(np.linalg.inv(link.information), expected, rtol=1e-6, atol=1e-8)


def closure_of_request(request):
    """The closure that a request stands for, by RTAB-Map's conventions."""
    link = request.link
    from_T_to = matrix_from(link.transform.translation, link.transform.rotation)
    keyframe_T_query = np.linalg.inv(from_T_to)
    x, y, z = keyframe_T_query[:3, 3]
    back = np.eye(6)
    back[:3, 3:] = [[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]]
    covariance = back @ np.linalg.inv(link.information.reshape(6, 6)) @ back.T
    return closure(
        keyframe_T_query,
        covariance,
        query_stamp_ns=STAMPS_NS[link.from_id],
        keyframe_stamp_ns=STAMPS_NS[link.to_id],
    )


def test_a_closure_comes_back_from_a_request():
    given = closure(transform(1.0, -2.0, 0.5, 10.0, -20.0, 130.0), full_covariance())
    found = closure_of_request(request_of(given))
    assert found.query_stamp_ns == given.query_stamp_ns
    assert found.keyframe_stamp_ns == given.keyframe_stamp_ns
    np.testing.assert_allclose(found.keyframe_T_query, given.keyframe_T_query, atol=1e-12)
    np.testing.assert_allclose(found.covariance, given.covariance, rtol=1e-9, atol=1e-12)


def nodes(**stamps_s):
    made = NodeStamps()
    made.add_map_data(map_data(**stamps_s))
    return made


@pytest.mark.parametrize(
    ('stamp_ns', 'expected'),
    [
        (1_000_000_000, 1),
        (1_090_000_000, 1),
        (1_200_000_000, None),
        (1_960_000_000, 2),
        (2_100_000_000, 2),
        (2_100_000_500, 2),
        (2_100_001_001, None),
        (900_000_000, 1),
        (0, None),
    ],
)
def test_the_nearest_node_within_the_limit_is_found(stamp_ns, expected):
    assert nodes(n1=1.0, n2=2.0).nearest(stamp_ns, 0.1) == expected


def test_nodes_may_come_in_any_order():
    known = nodes(n5=5.0, n1=1.0, n3=3.0)
    assert [known.nearest(s * SECOND_NS, 0.1) for s in (1, 3, 5)] == [1, 3, 5]
    assert known.newest_ns == 5 * SECOND_NS


def test_an_id_that_is_given_again_stands_for_its_newest_stamp():
    known = nodes(n1=1.0, n2=2.0)
    known.add_map_data(map_data(n2=2.5))
    assert known.nearest(2 * SECOND_NS, 0.1) is None
    assert known.nearest(2_500_000_000, 0.1) == 2


def test_landmarks_and_nodes_without_stamp_are_passed_over():
    known = NodeStamps()
    known.add(-3, SECOND_NS)
    known.add(3, 0)
    assert known.newest_ns == 0 and known.nearest(SECOND_NS, 1.0) is None


def waiting(known, **config):
    return WaitingClosures(LinkConfig(**config), known)


def at(query_s, keyframe_s):
    return closure(
        query_stamp_ns=int(query_s * SECOND_NS), keyframe_stamp_ns=int(keyframe_s * SECOND_NS)
    )


def test_a_closure_waits_for_a_node_as_new_as_its_query():
    known = nodes(n1=1.0, n2=8.95)
    closures = waiting(known)
    closures.add(at(9.0, 1.0))
    assert list(closures.ready()) == []
    # This one is nearer than the node that was there first.
    known.add(3, 9_010_000_000)
    (found,) = closures.ready()
    assert (found.query_id, found.keyframe_id) == (3, 1)
    assert list(closures.ready()) == []


def test_stamps_that_float64_rounds_down_keep_no_closure_waiting():
    stamp_ns = 1_760_000_000_123_456_789
    known = NodeStamps()
    for node_id, node_ns in ((1, stamp_ns - 5 * SECOND_NS), (2, stamp_ns)):
        # The next float64 below: what RTAB-Map may have made of it.
        known.add(node_id, round(np.nextafter(node_ns * 1e-9, 0.0) * 1e9))
    assert known.newest_ns < stamp_ns
    closures = waiting(known)
    closures.add(closure(query_stamp_ns=stamp_ns, keyframe_stamp_ns=stamp_ns - 5 * SECOND_NS))
    (found,) = closures.ready()
    assert (found.query_id, found.keyframe_id) == (2, 1)


@pytest.mark.parametrize(
    ('query_s', 'keyframe_s', 'sentence'),
    [
        (8.5, 1.0, 'of the query at 8500000000 ns'),
        (9.0, 4.0, 'of the keyframe at 4000000000 ns'),
        (9.0, 9.0, 'the same node 2'),
    ],
)
def test_a_closure_without_nodes_is_given_up_with_a_sentence(query_s, keyframe_s, sentence):
    closures = waiting(nodes(n1=1.0, n2=9.0))
    closures.add(at(query_s, keyframe_s))
    (fault,) = closures.ready()
    assert isinstance(fault, ClosureError) and sentence in str(fault)
    assert list(closures.ready()) == []


def test_the_oldest_closure_goes_where_too_many_wait():
    known = nodes(n1=1.0)
    closures = waiting(known, max_waiting=2)
    for second in (5.0, 6.0, 7.0):
        closures.add(at(second, 1.0))
    known.add_map_data(map_data(n5=5.0, n6=6.0, n7=7.0))
    assert [found.query_id for found in closures.ready()] == [6, 7]
