"""The page of parameters, topics and services says what the code does."""

from pathlib import Path

import pytest
import rclpy
from rclpy.parameter import Parameter

from ghost_vpr_ros.ros.lifecycle_node import PlaceRecognitionNode
from ghost_vpr_ros.ros.reference import PUBLISHED, SERVICES, SUBSCRIBED, reference_page

PAGE = Path(__file__).parents[2] / 'docs' / 'reference.md'
OF_EVERY_NODE = ('/rosout', '/parameter_events')


def test_the_page_is_current():
    assert PAGE.read_text() == reference_page(), 'python -m ghost_vpr_ros.ros.reference'


def named(found, node):
    """Full names and types as the graph has them, without those that every node has."""
    prefix = node.get_fully_qualified_name()
    return {
        (name.replace(prefix, '~'), *types)
        for name, types in found
        if not name.startswith(OF_EVERY_NODE)
    }


def wanted(rows):
    return {(r.name if r.name[0] in '~/' else f'/{r.name}', r.type) for r in rows}


@pytest.fixture
def node():
    """A node whose name no other has: the graph finds names, of two it tells the older one's."""
    rclpy.init(args=['--ros-args', '-r', '__node:=node_of_the_reference'])
    made = PlaceRecognitionNode()
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def test_topics_and_services_are_those_of_the_active_node(node, place_map_path):
    node.set_parameters([Parameter('map', value=str(place_map_path))])
    assert node.start()
    name, space = node.get_name(), node.get_namespace()
    published = named(node.get_publisher_names_and_types_by_node(name, space), node)
    subscribed = named(node.get_subscriber_names_and_types_by_node(name, space), node)
    services = named(node.get_service_names_and_types_by_node(name, space), node)
    lifecycle = {each for each in published if each[0] == '~/transition_event'}
    assert published - lifecycle == wanted(PUBLISHED)
    raw = [row for row in SUBSCRIBED if row.name != 'image/compressed']
    assert subscribed - {('/clock', 'rosgraph_msgs/msg/Clock')} == wanted(raw)
    assert wanted(SERVICES) <= services
    own = {each for each in services if each[1].startswith('std_srvs/')}
    assert own == wanted(SERVICES)
