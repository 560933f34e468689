"""How the nodes for RTAB-Map and Hydra are wired.

Their messages are stand-ins, which rclpy cannot send: the test catches what the nodes create from
them, and calls the callbacks itself.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node

from ghost_vpr_ros.core.model.default_weights import load_default_model
from ghost_vpr_ros.ros.adapters import pose_graph_node, rtabmap_descriptor_node, rtabmap_node
from ghost_vpr_ros.ros.adapters.executable import make_adapter
from ghost_vpr_ros.ros.conversions import header_at
from ghost_vpr_ros.ros.image_conversions import raw_message
from test.ros.adapters import stand_ins
from test.ros.adapters.closures import closure, closure_message, matrix_from, transform
from test.ros.adapters.test_rtabmap_descriptor import unpacked
from test.ros.small_map import view

SECOND_NS = 1_000_000_000
CLOSURES = 'place_recognition/loop_closure'
MESSAGES = SimpleNamespace(
    MapData=stand_ins.MapData,
    PoseGraph=stand_ins.PoseGraph,
    PoseGraphEdge=stand_ins.PoseGraphEdge,
    RGBDImage=stand_ins.RGBDImage,
    AddLink=SimpleNamespace(Request=stand_ins.AddLinkRequest),
)


class Wires:
    """What the node under test created from stand-ins."""

    def __init__(self):
        self.callbacks = {}
        self.sent = {}
        self.service_is_there = True

    def sender(self, name):
        sent = self.sent.setdefault(name, [])
        return SimpleNamespace(
            publish=sent.append,
            call_async=sent.append,
            service_is_ready=lambda: self.service_is_there,
        )

    def subscribe(self, _, topic, callback, qos):
        self.callbacks[topic] = callback


@pytest.fixture
def wires(monkeypatch, ros):
    made = Wires()
    for module in (pose_graph_node, rtabmap_descriptor_node, rtabmap_node):
        monkeypatch.setattr(module, 'load_interfaces', lambda *_: MESSAGES)
    create_publisher = Node.create_publisher

    def advertise(node, kind, topic, *rest, **options):
        if kind in vars(MESSAGES).values():
            return made.sender(topic)
        return create_publisher(node, kind, topic, *rest, **options)

    monkeypatch.setattr(Node, 'create_subscription', made.subscribe)
    monkeypatch.setattr(Node, 'create_publisher', advertise)
    monkeypatch.setattr(Node, 'create_client', lambda _, kind, name: made.sender(name))
    return made


def start(name):
    node = make_adapter(name)
    assert node.get_name() == name
    return node


def at(query_s, keyframe_s):
    return closure_message(
        closure(query_stamp_ns=query_s * SECOND_NS, keyframe_stamp_ns=keyframe_s * SECOND_NS)
    )


def test_rtabmap_is_asked_for_a_link_when_it_has_both_nodes(wires):
    node = start('rtabmap_adapter')
    requests = wires.sent['rtabmap/rtabmap/add_link']
    wires.callbacks['rtabmap/mapData'](stand_ins.map_data(n4=10.0))
    wires.callbacks[CLOSURES](at(20, 10))
    assert requests == []
    wires.callbacks['rtabmap/mapData'](stand_ins.map_data(n9=20.0))
    (request,) = requests
    assert (request.link.from_id, request.link.to_id) == (9, 4)
    found = matrix_from(request.link.transform.translation, request.link.transform.rotation)
    np.testing.assert_allclose(found, transform(0, 2, 0, 0, 0, -90.0), atol=1e-12)
    node.destroy_node()


def test_odometry_carries_an_image_to_rtabmaps_node(wires):
    node = start('rtabmap_adapter')
    for tenth in range(190, 210):
        message = Odometry(header=header_at(tenth * SECOND_NS // 10, 'odom'))
        message.pose.pose.position.x = tenth / 10.0
        wires.callbacks['odom'](message)
    wires.callbacks['rtabmap/mapData'](stand_ins.map_data(n4=10.0, n9=20.4))
    wires.callbacks[CLOSURES](at(20, 10))
    (request,) = wires.sent['rtabmap/rtabmap/add_link']
    assert (request.link.from_id, request.link.to_id) == (9, 4)
    found = matrix_from(request.link.transform.translation, request.link.transform.rotation)
    # The node is 0.4 m further along the way of the query, which heads north of the keyframe.
    np.testing.assert_allclose(found, transform(-0.4, 2, 0, 0, 0, -90.0), atol=1e-9)
    node.destroy_node()


def test_what_cannot_be_linked_is_told_and_left_out(wires, capfd):
    node = start('rtabmap_adapter')
    wires.callbacks['rtabmap/mapData'](stand_ins.map_data(n4=10.0, n9=20.0))
    wires.callbacks[CLOSURES](at(20, 12))
    wires.callbacks[CLOSURES](PoseWithCovarianceStamped())
    wires.service_is_there = False
    wires.callbacks[CLOSURES](at(20, 10))
    assert wires.sent['rtabmap/rtabmap/add_link'] == []
    text = capfd.readouterr().err
    assert 'of the keyframe at 12000000000 ns' in text
    assert 'expected a frame_id of the form' in text
    assert 'add_link is not there' in text
    node.destroy_node()


def test_hydra_gets_a_graph_of_one_edge(wires):
    node = start('pose_graph_adapter')
    wires.callbacks[CLOSURES](at(20, 10))
    (graph,) = wires.sent['external_loop_closures']
    assert graph.edges[0].key_from == 20 * SECOND_NS
    assert graph.edges[0].key_to == 10 * SECOND_NS
    node.destroy_node()


def test_images_for_rtabmap_get_the_descriptor_of_their_colours(wires):
    node = start('rtabmap_descriptor_adapter')
    message = stand_ins.RGBDImage()
    message.header = header_at(SECOND_NS, 'camera')
    message.rgb = raw_message(view(0, 6), message.header)
    wires.callbacks['rgbd_image'](message)
    (described,) = wires.sent['rgbd_image_described']
    assert described is message and described.global_descriptor.header == message.header
    (descriptor,) = unpacked(described.global_descriptor.data.tobytes())
    assert descriptor.shape == (load_default_model().descriptor_dim,)
    assert np.linalg.norm(descriptor) == pytest.approx(1.0, abs=1e-5)
    node.destroy_node()


def test_an_image_without_pixels_is_not_handed_on(wires):
    node = start('rtabmap_descriptor_adapter')
    wires.callbacks['rgbd_image'](stand_ins.RGBDImage())
    assert wires.sent['rgbd_image_described'] == []
    node.destroy_node()
