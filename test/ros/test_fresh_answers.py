"""`~/localize`: only images that arrived after the question count."""

import time

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Candidate, Hypothesis, Keyframe, Pose, Reason, State
from ghost_vpr_ros.ros.fresh_answers import FreshAnswers, judge


def accepted(x=0.0, with_pose=True):
    pose = Pose(np.array([x, 0.0, 0.0]), None, np.eye(6)) if with_pose else None
    best = Candidate(Keyframe(4, 'morning', 0, 'f.jpg', pose), 0.9, 0.95)
    return Hypothesis(0, State.ACCEPTED, Reason.NONE, (best,), pose)


REFUSED = Hypothesis(0, State.REJECTED, Reason.LOW_SCORE)


def ask(answers, count):
    """Send a request; the list gets its answer, once."""
    handed_over = []
    answers.ask(count, handed_over.append)
    return handed_over


def test_answers_to_older_images_do_not_count():
    answers = FreshAnswers()
    before_ns = time.monotonic_ns() - 1
    result = ask(answers, 1)
    answers.add(REFUSED, before_ns)
    assert result == []
    answers.add(accepted(), time.monotonic_ns())
    assert [answer.state for answer in result[0]] == [State.ACCEPTED]


def test_a_question_is_answered_once():
    answers = FreshAnswers()
    result = ask(answers, 2)
    for _ in range(5):
        answers.add(accepted(), time.monotonic_ns())
    answers.end()
    assert [len(found) for found in result] == [2]


def test_the_end_of_the_time_hands_over_what_there_is():
    answers = FreshAnswers()
    result = ask(answers, 2)
    answers.add(REFUSED, time.monotonic_ns())
    answers.end()
    assert result == [[REFUSED]]


def test_close_ends_the_question_and_those_that_follow():
    answers = FreshAnswers()
    before = ask(answers, 1)
    answers.close()
    assert before == [[]] and ask(answers, 1) == [[]]


@pytest.mark.parametrize('with_pose', [True, False])
def test_agreeing_answers_are_reliable(with_pose):
    reliable, message = judge([accepted(with_pose=with_pose)] * 3, 3, 25.0)
    assert reliable
    assert message.startswith('reliable: 3 of 3') and "keyframe 4 of session 'morning'" in message


@pytest.mark.parametrize(
    ('answers', 'reason'),
    [
        ([accepted()], '1 of 3 fresh images'),
        ([accepted(), REFUSED, accepted()], '2 of 3 accepted (1 x LOW_SCORE)'),
        ([accepted(), accepted(40.0), accepted()], '40.0 m apart'),
    ],
)
def test_other_answers_are_not_reliable_and_say_why(answers, reason):
    reliable, message = judge(answers, 3, 25.0)
    assert not reliable
    assert reason in message


def test_a_reset_drops_what_was_collected():
    answers = FreshAnswers()
    result = ask(answers, 2)
    answers.add(REFUSED, time.monotonic_ns())
    answers.forget()
    answers.add(accepted(1.0), time.monotonic_ns())
    answers.add(accepted(2.0), time.monotonic_ns())
    assert [answer.state for answer in result[0]] == [State.ACCEPTED, State.ACCEPTED]
