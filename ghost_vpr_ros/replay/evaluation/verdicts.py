"""Accepted answers with right and wrong in the same line, so that no command omits the latter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_SHOWN = 5


def accepted_text(accepted: int, right: int, wrong: int, unjudged: int = 0) -> str:
    """`127 accepted: 125 right, 2 WRONG`; those without ground truth are counted separately."""
    if not right + wrong:
        return f'{accepted} accepted' + (', none of them judged' if accepted else '')
    parts = [f'{right} right', f'{wrong} WRONG' if wrong else 'none wrong']
    parts += [f'{unjudged} without a position to judge by'] if unjudged else []
    return f'{accepted} accepted: {", ".join(parts)}'


def replay_verdict(metrics: Mapping[str, Any]) -> list[str]:
    """The states of a replay in one line, what it was judged by, and each wrong answer."""
    states: dict[str, int] = metrics['states']
    accepted = states['ACCEPTED']
    right, wrong = (metrics.get(f'num_accepted_{kind}', 0) for kind in ('right', 'wrong'))
    others = [
        f'{count} {state.lower().replace("_", " ")}'
        for state, count in states.items()
        if count and state != 'ACCEPTED'
    ]
    line = accepted_text(accepted, right, wrong, accepted - right - wrong)
    line = f'{metrics["num_frames"]} frames: ' + '; '.join([line, ', '.join(others) or 'no other'])
    return [line, *_reference(metrics), *_wrong_lines(metrics.get('accepted_wrong', ()))]


def evaluation_verdict(metrics: Mapping[str, Any], limit: str) -> list[str]:
    """How many queries were found, what counts as found, and how many could not be.

    Args:
        metrics: content of `metrics.json` of an evaluation.
        limit: up to where an answer is right, with its unit.
    """
    without = metrics['num_queries_without_positives']
    count, database = metrics['num_queries'] - without, metrics['num_database']
    lines = [f'right within {limit}'] if count else []
    if without and count:
        lines.append(f'{without} more queries show no place of the database')
    if not count:
        return [f'none of {without} queries shows a place of the {database} database images']
    found = round(metrics['recall']['1'] * count / 100.0)
    return [f'{found} of {count} queries found their place first, among {database} images', *lines]


def _reference(metrics: Mapping[str, Any]) -> list[str]:
    protocol = metrics.get('protocol', {})
    if 'positive_distance_m' not in protocol:
        return []
    judged_by = protocol.get('reference', 'the positions of the source')
    return [f'judged by {judged_by}: right within {protocol["positive_distance_m"]:g} m']


def _wrong_lines(wrong: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        f'  wrong: {each["image"]} matched to keyframe {each["keyframe_id"]} of {each["session"]} '
        f'with probability {each["probability"]:.3f}, {each["distance_m"]:.0f} m off'
        for each in wrong[:_MOST_SHOWN]
    ]
    more = len(wrong) - len(lines)
    return lines + ([f'  and {more} more, in per_query.csv'] if more > 0 else [])
