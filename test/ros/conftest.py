"""ROS tests run on a domain of their own, on this machine only, and not at all without rclpy."""

import importlib.util
import os

import pytest

collect_ignore_glob = ['test_*.py'] if importlib.util.find_spec('rclpy') is None else []

# Before any participant exists; processes that the tests start inherit both.
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


@pytest.fixture
def ros():
    """An initialised rclpy."""
    import rclpy

    rclpy.init(args=[])
    yield rclpy
    rclpy.try_shutdown()
