"""The lifecycle node in this process."""

import shutil

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from ghost_vpr_ros.core.map.place_map import PlaceMap
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


def test_a_map_that_cannot_be_written_any_more_does_not_keep_the_node_from_ending(
    node, place_map_path, tmp_path
):
    path = shutil.copy(place_map_path, tmp_path / 'places.map')
    node.set_parameters(
        [Parameter('map', value=str(path)), Parameter('mode', value='localize_and_map')]
    )
    success = TransitionCallbackReturn.SUCCESS
    assert node.trigger_configure() == success and node.trigger_activate() == success
    path.unlink()
    assert node.trigger_deactivate() == success
    assert node.trigger_cleanup() == success


def test_activated_again_a_mapping_node_goes_on_with_its_map(node, place_map_path, tmp_path):
    path = shutil.copy(place_map_path, tmp_path / 'places.map')
    with PlaceMap.open(path) as place_map:
        count = len(place_map)
    node.set_parameters(
        [Parameter('map', value=str(path)), Parameter('mode', value='localize_and_map')]
    )
    success = TransitionCallbackReturn.SUCCESS
    assert node.trigger_configure() == success
    for _ in range(2):
        assert node.trigger_activate() == success
        assert node.trigger_deactivate() == success
    assert node.trigger_cleanup() == success
    with PlaceMap.open(path) as again:
        assert again.keyframes() and len(again) == count
