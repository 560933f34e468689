"""The small parts of `image_publisher` and `answer_printer`."""

from ghost_vpr_ros.ros.node_runner import StopRequest
from ghost_vpr_ros.ros.tools.answer_printer import answer_line

VALUES = {
    'stamp_ns': '1500000000',
    'state': 'ACCEPTED',
    'reason': 'NONE',
    'session': 'morning',
    'keyframe': 'a.jpg',
    'keyframe_id': '7',
    'similarity': '0.9000',
    'probability': '0.9500',
    'position_m': '1.00 2.00 0.00',
}


def test_a_line_names_time_state_candidate_and_age():
    words = answer_line(VALUES, 12.4).split()
    assert words[:3] == ['1.500', 'ACCEPTED', 'morning/a.jpg']
    assert words[-2:] == ['12', 'ms']


def test_a_keyframe_without_name_goes_by_its_number():
    assert 'morning/7 ' in answer_line({**VALUES, 'keyframe': ''}, 0.0)


def test_an_answer_without_candidate_reports_it():
    line = answer_line(
        {'stamp_ns': '0', 'state': 'UNKNOWN_PLACE', 'reason': 'EMPTY_MAP'}, age_ms=3.0
    )
    assert 'UNKNOWN_PLACE EMPTY_MAP' in line and 'no candidate' in line


def test_the_first_request_to_stop_decides():
    stop = StopRequest()
    stop.put(1)
    stop.put(0)
    assert stop.wait() == 1
