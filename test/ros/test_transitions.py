"""Lifecycle transitions at the wrong moment, requested from the real node process."""

import signal

from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetState

from test.ros.camera import ACTIVE, NODE, SECOND_NS, Camera, image_of
from test.ros.processes import PATIENCE_S, Executable, holds_soon


def change_request(transition):
    return ChangeState.Request(transition=Transition(id=transition))


def change_state(listener, transition):
    return listener.ask(ChangeState, f'{NODE}/change_state', change_request(transition)).success


def state_of(listener):
    return listener.ask(GetState, f'{NODE}/get_state').current_state.label


def test_an_impossible_transition_is_refused_and_the_node_lives_on(place_map_path, listener):
    with Executable('place_recognition_node', map=place_map_path) as node:
        node.wait_for(ACTIVE)
        assert not change_state(listener, Transition.TRANSITION_CONFIGURE)
        assert not change_state(listener, Transition.TRANSITION_CLEANUP)
        assert not change_state(listener, 99)
        assert state_of(listener) == 'active'
        assert Camera(listener).show(image_of(0, SECOND_NS))['state'] == 'ACCEPTED'
        assert node.stop() == 0
    errors = [line for line in node.lines if '[ERROR]' in line]
    assert len(errors) == 3 and 'Traceback' not in node.text
    assert all('is not possible in the present state' in line for line in errors)


def test_a_signal_after_a_shutdown_over_the_service_ends_with_status_0(place_map_path, listener):
    with Executable('place_recognition_node', map=place_map_path) as node:
        node.wait_for(ACTIVE)
        assert change_state(listener, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert state_of(listener) == 'finalized'
        assert node.stop(signal.SIGTERM) == 0
    assert 'Traceback' not in node.text and '[ERROR]' not in node.text


def test_a_signal_waits_for_a_transition_that_came_over_the_service(place_map_path, listener):
    parameters = {'map': place_map_path, 'autostart': 'false'}
    with Executable('place_recognition_node', **parameters) as node:
        assert state_of(listener) == 'unconfigured'
        client = listener.create_client(ChangeState, f'{NODE}/change_state')
        assert client.wait_for_service(PATIENCE_S)
        events = listener.listen(TransitionEvent, f'{NODE}/transition_event')
        client.call_async(change_request(Transition.TRANSITION_CONFIGURE))
        # The event shows that the transition runs; it is lost where discovery is late.
        holds_soon(lambda: any(e.goal_state.label == 'configuring' for e in events))
        assert node.stop() == 0
    assert 'Traceback' not in node.text and '[ERROR]' not in node.text
