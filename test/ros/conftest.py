"""ROS tests do not run without rclpy."""

import importlib.util

import pytest

collect_ignore_glob = ['test_*.py'] if importlib.util.find_spec('rclpy') is None else []


@pytest.fixture
def ros():
    """An initialised rclpy."""
    import rclpy

    rclpy.init(args=[])
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture(scope='session')
def place_map_path(tmp_path_factory):
    """A map of four invented places."""
    from test.ros.small_map import make_map, make_model

    return make_map(tmp_path_factory.mktemp('map') / 'places.vprmap', make_model())


@pytest.fixture(scope='session')
def query_folder(tmp_path_factory):
    """One image of each of the four places."""
    from test.ros.small_map import write_queries

    return write_queries(tmp_path_factory.mktemp('queries') / 'images')


@pytest.fixture
def listener():
    """A node that collects messages."""
    import rclpy

    from test.ros.processes import make_listener

    made = make_listener()
    yield made
    made.end()
    rclpy.try_shutdown()
