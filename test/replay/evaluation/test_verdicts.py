"""What is printed of accepted answers names right and wrong ones together."""

import pytest

from ghost_vpr_ros.replay.evaluation.verdicts import (
    accepted_text,
    evaluation_verdict,
    replay_verdict,
)


@pytest.mark.parametrize(
    ('counts', 'text'),
    [
        ((0, 0, 0), '0 accepted'),
        ((7, 0, 0, 7), '7 accepted, none of them judged'),
        ((7, 7, 0), '7 accepted: 7 right, none wrong'),
        ((7, 4, 1, 2), '7 accepted: 4 right, 1 WRONG, 2 without a position to judge by'),
    ],
)
def test_right_and_wrong_stand_beside_the_accepted(counts, text):
    assert accepted_text(*counts) == text


def test_each_wrong_answer_is_named():
    wrong = {
        'image': '/camera[94]',
        'session': 'first',
        'keyframe_id': 68,
        'probability': 0.959,
        'distance_m': 42.5,
    }
    metrics = {
        'num_frames': 5,
        'states': {'ACCEPTED': 3, 'TENTATIVE': 0, 'REJECTED': 1, 'UNKNOWN_PLACE': 1},
        'num_accepted_right': 2,
        'num_accepted_wrong': 1,
        'accepted_wrong': [wrong],
        'protocol': {'positive_distance_m': 25.0, 'reference': 'GPS on /fix'},
    }
    assert replay_verdict(metrics) == [
        '5 frames: 3 accepted: 2 right, 1 WRONG; 1 rejected, 1 unknown place',
        'judged by GPS on /fix: right within 25 m',
        '  wrong: /camera[94] matched to keyframe 68 of first with probability 0.959, 42 m off',
    ]


def test_more_wrong_answers_than_fit_are_counted():
    wrong = {'image': 'a', 'session': 's', 'keyframe_id': 1, 'probability': 1, 'distance_m': 1}
    states = {'ACCEPTED': 7}
    lines = replay_verdict({'num_frames': 7, 'states': states, 'accepted_wrong': [wrong] * 7})
    assert lines[-1] == '  and 2 more, in per_query.csv'


def test_a_replay_without_positions_is_not_judged():
    lines = replay_verdict({'num_frames': 2, 'states': {'ACCEPTED': 2, 'REJECTED': 0}})
    assert lines == ['2 frames: 2 accepted, none of them judged; no other']


def test_an_evaluation_is_told_in_words():
    metrics = {'num_queries': 60, 'num_queries_without_positives': 2, 'num_database': 90}
    metrics['recall'] = {'1': 100.0 * 53 / 58}
    lines = evaluation_verdict(metrics, '25 m')
    assert lines[0] == '53 of 58 queries found their place first, among 90 images'
    nothing = {**metrics, 'num_queries_without_positives': 60}
    assert 'none of 60 queries' in evaluation_verdict(nothing, '25 m')[0]
