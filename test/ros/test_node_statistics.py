"""Counters and percentiles as `/diagnostics` shows them."""

from diagnostic_msgs.msg import DiagnosticStatus

from ghost_vpr_ros.core.datatypes import Hypothesis, Reason, State
from ghost_vpr_ros.ros.conversions import header_at
from ghost_vpr_ros.ros.node_statistics import Statistics, diagnostics_message, memory_mib


def answer(state=State.ACCEPTED, reason=Reason.NONE, inference_ms=10.0):
    return Hypothesis(0, state, reason, stage_ms={'describe': inference_ms})


def test_the_input_rate_is_that_of_the_time_that_passed():
    times_s = iter([10.0, 12.0, 17.0, 18.0])
    statistics = Statistics(now_s=lambda: next(times_s))
    statistics.count('received', 40)
    first = statistics.values()
    statistics.count('received', 10)
    second = statistics.values()
    assert (first['input rate [Hz]'], second['input rate [Hz]']) == ('20.0', '2.0')
    assert statistics.values()['input rate [Hz]'] == '0.0'


def test_answers_are_counted_by_state_and_reason():
    statistics = Statistics()
    for _ in range(2):
        statistics.add_answer(answer(), 5.0)
    statistics.add_answer(answer(State.REJECTED, Reason.AMBIGUOUS), 5.0)
    values = statistics.values()
    assert values['answers ACCEPTED NONE'] == '2'
    assert values['answers REJECTED AMBIGUOUS'] == '1'
    assert values['frames answered'] == '3'


def test_percentiles_cover_the_inference_times():
    statistics = Statistics()
    for inference_ms in range(101):
        statistics.add_answer(answer(inference_ms=float(inference_ms)), 5.0)
    values = statistics.values()
    assert (values['inference p50 [ms]'], values['inference p95 [ms]']) == ('50.0', '95.0')


def test_a_problem_is_a_warning():
    message = diagnostics_message(header_at(1, 'map'), 'node', {'a': 'b'}, 'no image')
    assert message.status[0].level == DiagnosticStatus.WARN
    assert message.status[0].message == 'no image'
    assert message.header.frame_id == 'map'


def test_this_process_uses_some_memory():
    assert 1.0 < memory_mib() < 100_000.0
