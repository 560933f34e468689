"""Sentences on where weights come from: what a network that takes a part over still owes to it."""

from __future__ import annotations

import re

_PARTS = {
    'clusters': r'[,;] clusters initialised on .*?(?=; |$)',
    'whitening': r'; whitening to .*?(?=; |$)',
    'projection': r'; projection trained on .*?(?=; |$)',
}
"""Part of a network -> what a provenance states about it."""


def without(provenance: str, *parts: str) -> str:
    """The provenance of a network whose parts (see `_PARTS`) were left behind or made anew."""
    for part in parts:
        provenance = re.sub(_PARTS[part], '', provenance)
    return provenance


def clusters_sentence(where: str) -> str:
    """How a provenance goes on after the clusters were set."""
    return f', clusters initialised on {where}'
