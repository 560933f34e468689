"""What was accepted, with right and wrong in the same line: no command shows only the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_SHOWN = 5


def accepted_text(accepted: int, right: int, wrong: int, unjudged: int = 0) -> str:
    """`127 accepted: 125 right, 2 WRONG`; those without a position to judge by are told apart."""
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


def _reference(metrics: Mapping[str, Any]) -> list[str]:
    protocol = metrics.get('protocol', {})
    if 'positive_distance_m' not in protocol:
        return []
    judged_by = protocol.get('reference', 'the positions of the source')
    return [f'judged by {judged_by}: right within {protocol["positive_distance_m"]:g} m']


def _wrong_lines(wrong: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        f'  wrong: {each["image"]} taken for keyframe {each["keyframe_id"]} of {each["session"]} '
        f'with probability {each["probability"]:.3f}, {each["distance_m"]:.0f} m off'
        for each in wrong[:_MOST_SHOWN]
    ]
    more = len(wrong) - len(lines)
    return lines + ([f'  and {more} more, in per_query.csv'] if more > 0 else [])
