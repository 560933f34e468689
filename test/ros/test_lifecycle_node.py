"""The lifecycle node in this process."""

import pytest
from rclpy.parameter import Parameter

from ghost_vpr_ros.ros.lifecycle_node import PlaceRecognitionNode


@pytest.fixture
def node(ros):
    made = PlaceRecognitionNode()
    yield made
    made.destroy_node()


def test_the_period_of_the_diagnostics_changes_while_unconfigured(node):
    (result,) = node.set_parameters([Parameter('diagnostics_period_s', value=2.5)])
    assert result.successful
    assert [timer.timer_period_ns for timer in node.timers] == [2_500_000_000, 1_000_000_000]


def test_stopping_twice_is_harmless(node):
    node.stop()
    after_once = node._state_machine.current_state
    node.stop()
    assert node._state_machine.current_state == after_once == (4, 'finalized')
