"""Edit the provenance of weights when parts of a network are replaced."""

from __future__ import annotations

import re

_PARTS = {
    'clusters': r'[,;] clusters initialised on .*?(?=; |$)',
    'whitening': r'; whitening to .*?(?=; |$)',
    'projection': r'; projection trained on .*?(?=; |$)',
}
"""Part of a network -> pattern of its sentence in a provenance."""


def without(provenance: str, *parts: str) -> str:
    """The provenance without the sentences of these parts (keys of `_PARTS`)."""
    for part in parts:
        provenance = re.sub(_PARTS[part], '', provenance)
    return provenance


def clusters_sentence(where: str) -> str:
    """The sentence to append to a provenance after initialising the clusters."""
    return f', clusters initialised on {where}'
