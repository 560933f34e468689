"""Links of RTAB-Map: direction, information, round trip, and node ids by stamp.

The messages are stand-ins made from the real definitions: rtabmap_msgs has no wheel.
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ghost_vpr_ros.core.poses import pose_of
from ghost_vpr_ros.ros.adapters.rtabmap_link import (
    LinkConfig,
    WaitingClosures,
    closure_of_nodes,
    link_of_closure,
    write_link,
)
from ghost_vpr_ros.ros.adapters.rtabmap_nodes import Bridge, NodeInfo, NodeStamps
from ghost_vpr_ros.ros.adapters.subscriptions import ClosureError
from test.ros.adapters.closures import (
    KEYFRAME_NS,
    QUERY_NS,
    closure,
    difference,
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
    """The closure that a request represents, by RTAB-Map's conventions."""
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


def nearest(known, stamp_ns):
    """Id of the node that stands for an image where no odometry is known."""
    found = known.bridge(stamp_ns, max_difference_s=0.1, max_gap_s=0.0)
    return None if found is None else found.node_id


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
    assert nearest(nodes(n1=1.0, n2=2.0), stamp_ns) == expected


def test_nodes_may_come_in_any_order():
    known = nodes(n5=5.0, n1=1.0, n3=3.0)
    assert [nearest(known, s * SECOND_NS) for s in (1, 3, 5)] == [1, 3, 5]
    assert known.reaches(5 * SECOND_NS) and not known.reaches(6 * SECOND_NS)


def test_an_id_that_is_given_again_stands_for_its_newest_stamp():
    known = nodes(n1=1.0, n2=2.0)
    known.add_map_data(map_data(n2=2.5))
    assert nearest(known, 2 * SECOND_NS) is None
    assert nearest(known, 2_500_000_000) == 2


def test_landmarks_and_nodes_without_stamp_are_passed_over():
    known = NodeStamps()
    known.add(NodeInfo(-3, SECOND_NS))
    known.add(NodeInfo(3, 0))
    assert not known.reaches(0) and nearest(known, SECOND_NS) is None


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
    known.add(NodeInfo(3, 9_010_000_000))
    (found,) = closures.ready()
    assert (found.query_id, found.keyframe_id) == (3, 1)
    assert list(closures.ready()) == []


def test_stamps_that_float64_rounds_down_keep_no_closure_waiting():
    stamp_ns = 1_760_000_000_123_456_789
    known = NodeStamps()
    for node_id, node_ns in ((1, stamp_ns - 5 * SECOND_NS), (2, stamp_ns)):
        # The next float64 below: what RTAB-Map may have made of it.
        known.add(NodeInfo(node_id, round(np.nextafter(node_ns * 1e-9, 0.0) * 1e9)))
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


def driven(stamp_ns):
    """(4, 4) of a robot that drives a circle of 20 m at 1 m/s, round after round."""
    turn = (stamp_ns - START_NS) / SECOND_NS / 20.0
    return transform(20.0 * np.sin(turn), 20.0 - 20.0 * np.cos(turn), 0, 0, 0, np.degrees(turn))


START_NS = 1_700_000_000 * SECOND_NS
ROUND_NS = round(2 * np.pi * 20.0 * SECOND_NS)


def simulated(hears_odometry):
    """Closures of a second round with the first, and RTAB-Map's nodes once a second."""
    known = NodeStamps()
    if hears_odometry:
        for number in range(3 * 5_000):
            stamp_ns = START_NS + number * SECOND_NS // 50
            known.odometry.add(stamp_ns, pose_of(driven(stamp_ns)))
    for number in range(260):
        stamp_ns = START_NS + 370_000_000 + number * SECOND_NS
        known.add(NodeInfo(1 + number, round(stamp_ns * 1e-9 * 1e9), 0, driven(stamp_ns)))
    closures = waiting(known)
    for number in range(100):
        # Images at 30 Hz: none of them at a node.
        query_ns = START_NS + ROUND_NS + round((40 + 33 * number) / 30 * SECOND_NS)
        keyframe_ns = query_ns - ROUND_NS + 700_000_000
        motion = np.linalg.inv(driven(keyframe_ns)) @ driven(query_ns)
        closures.add(closure(motion, query_stamp_ns=query_ns, keyframe_stamp_ns=keyframe_ns))
    return list(closures.ready())


@pytest.mark.parametrize('hears_odometry', [True, False])
def test_rtabmap_at_1_hz_uses_the_closures_between_its_nodes(hears_odometry):
    found = simulated(hears_odometry)
    links = [each for each in found if not isinstance(each, ClosureError)]
    assert len(links) >= 95
    for link in links:
        stamps_ns = {START_NS + 370_000_000 + (node - 1) * SECOND_NS for node in link[1:]}
        assert len(stamps_ns) == 2
        query, keyframe = (
            driven(START_NS + 370_000_000 + (node - 1) * SECOND_NS) for node in link[1:]
        )
        expected = np.linalg.inv(keyframe) @ query
        off_m = np.linalg.norm(link.closure.keyframe_T_query[:3, 3] - expected[:3, 3])
        assert off_m < 0.015


def test_a_bridge_across_another_map_or_too_long_a_gap_is_none():
    known = NodeStamps()
    for number, (stamp_s, map_id) in enumerate([(10, 0), (11, 0), (12, 1), (20, 1)], start=1):
        stamp_ns = START_NS + stamp_s * SECOND_NS
        known.add(NodeInfo(number, stamp_ns, map_id, driven(stamp_ns)))
    stamps_s = (10.4, 11.4, 15.0, 20.5)
    found = [known.bridge(START_NS + round(s * SECOND_NS), 0.1, 3.0) for s in stamps_s]
    assert [bridge is not None for bridge in found] == [True, False, False, False]


def test_the_covariance_of_a_closure_grows_with_the_ways_between():
    given = closure(transform(3.0, 1.0, -0.5, 4.0, -8.0, 50.0), full_covariance())
    still = Bridge(1, np.eye(4))
    unmoved = closure_of_nodes(given, still, still, 0.1)
    np.testing.assert_allclose(unmoved.covariance, given.covariance, atol=1e-12)
    query = Bridge(1, transform(0.4, 0.1, 0.0, 0, 0, 12.0))
    keyframe = Bridge(2, transform(-0.3, 0.0, 0.05, 0, 3.0, -5.0))
    found = closure_of_nodes(given, query, keyframe, 0.1)

    def moved(errors):
        """The link with errors (18,) of the bridge to the keyframe, the closure, the query's."""
        a, b, c = (
            perturbed(matrix, part)
            for matrix, part in zip(
                (keyframe.node_T_image, given.keyframe_T_query, query.node_T_image),
                np.split(errors, 3),
                strict=True,
            )
        )
        return a @ b @ np.linalg.inv(c)

    steps = 1e-6 * np.eye(18)
    columns = [(difference(moved(s), found.keyframe_T_query)) / 1e-6 for s in steps]
    jacobian = np.stack(columns, axis=1)
    joint = np.zeros((18, 18))
    joint[:6, :6], joint[6:12, 6:12] = keyframe.covariance(0.1), given.covariance
    joint[12:, 12:] = query.covariance(0.1)
    np.testing.assert_allclose(found.covariance, jacobian @ joint @ jacobian.T, atol=1e-6)
