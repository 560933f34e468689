"""Edges of pose_graph_tools: direction, stamps, robots, round trip.

The messages are stand-ins made from the real definitions: pose_graph_tools_msgs has no wheel.
"""

import numpy as np
import pytest

from ghost_vpr_ros.ros.adapters.pose_graph_node import GraphConfig, write_graph
from ghost_vpr_ros.ros.conversions import stamp_to_ns
from test.ros.adapters.closures import (
    AHEAD_AND_LEFT,
    KEYFRAME_NS,
    QUERY_NS,
    closure,
    full_covariance,
    matrix_from,
    transform,
)
from test.ros.adapters.stand_ins import PoseGraph, PoseGraphEdge


def graph_of(given, **config):
    graph = PoseGraph()
    write_graph(given, GraphConfig(**config), graph, PoseGraphEdge())
    return graph


def edge_of(given, **config):
    (edge,) = graph_of(given, **config).edges
    return edge


def pose_of(edge):
    return matrix_from(edge.pose.position, edge.pose.orientation)


def test_hydra_gets_the_pose_of_from_in_the_frame_of_to():
    # Hydra calls back with (to, from, to_T_from): the query, 2 m ahead and turned left, is `from`.
    edge = edge_of(closure(), robot_id=3, map_robot_id=5)
    assert (edge.key_from, edge.robot_from) == (QUERY_NS, 3)
    assert (edge.key_to, edge.robot_to) == (KEYFRAME_NS, 5)
    np.testing.assert_allclose(pose_of(edge), AHEAD_AND_LEFT, atol=1e-12)


def test_others_get_the_pose_of_to_in_the_frame_of_from():
    edge = edge_of(closure(), robot_id=3, map_robot_id=5, edge_pose='from_T_to')
    assert (edge.key_from, edge.robot_from) == (KEYFRAME_NS, 5)
    assert (edge.key_to, edge.robot_to) == (QUERY_NS, 3)
    np.testing.assert_allclose(pose_of(edge), AHEAD_AND_LEFT, atol=1e-12)


def test_the_inverse_closure_points_back():
    # The keyframe seen from the query: 2 m to its left, turned by 90 deg to the right.
    backwards = closure(np.linalg.inv(AHEAD_AND_LEFT))
    expected = transform(0, 2, 0, 0, 0, -90.0)
    np.testing.assert_allclose(pose_of(edge_of(backwards)), expected, atol=1e-12)


def test_edge_and_graph_carry_the_stamp_of_the_query():
    graph = graph_of(closure())
    assert stamp_to_ns(graph.header.stamp) == QUERY_NS
    assert stamp_to_ns(graph.edges[0].header.stamp) == QUERY_NS
    assert graph.edges[0].type == PoseGraphEdge.LOOPCLOSE and graph.nodes == []


@pytest.mark.parametrize('edge_pose', ['to_T_from', 'from_T_to'])
def test_a_closure_comes_back_from_an_edge(edge_pose):
    given = closure(transform(1.0, -2.0, 0.5, 10.0, -20.0, 130.0), full_covariance())
    edge = edge_of(given, edge_pose=edge_pose)
    ends = [edge.key_from, edge.key_to]
    # `a_T_b`: the first end named is the frame, the second what is seen.
    frame, seen = ends if edge_pose == 'from_T_to' else reversed(ends)
    assert (frame, seen) == (given.keyframe_stamp_ns, given.query_stamp_ns)
    np.testing.assert_allclose(pose_of(edge), given.keyframe_T_query, atol=1e-12)
    np.testing.assert_array_equal(edge.covariance.reshape(6, 6), given.covariance)
