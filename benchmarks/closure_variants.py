"""What `benchmarks/closures.py` compares, and the targets that it checks: plain tables."""

from __future__ import annotations

from typing import Any

_NOTHING = {'temporal': 'none', 'verify': False, 'consistency': False}

VARIANTS: dict[str, dict[str, Any]] = {
    'image alone': _NOTHING,
    'filter': {**_NOTHING, 'temporal': 'filter'},
    'verification': {**_NOTHING, 'verify': True},
    'consistency': {**_NOTHING, 'consistency': True},
    'filter and verification': {**_NOTHING, 'temporal': 'filter', 'verify': True},
    'filter, verification, consistency': {
        'temporal': 'filter',
        'verify': True,
        'consistency': True,
    },
    'sequence': {**_NOTHING, 'temporal': 'sequence'},
    'sequence, verification, consistency': {
        'temporal': 'sequence',
        'verify': True,
        'consistency': True,
    },
}
"""Fields of `RecognizerConfig` by the name of the variant; every other field has its default."""

HEADLINE = 'filter, verification, consistency'
"""The variant that the targets are checked for."""

MAP_ALONE = 'map alone'
TOWNS = 'towns'
GSV_VAL = 'gsv val'
TOWNS_AND_GSV_VAL = 'towns and gsv val'

SOURCES = {TOWNS: ('towns',), GSV_VAL: ('gsv',), TOWNS_AND_GSV_VAL: ('towns', 'gsv')}
"""Drives that a calibration is learned on; each variant learns its own."""

CALIBRATIONS = {
    'town': (MAP_ALONE, TOWNS),
    'gardens': (MAP_ALONE, GSV_VAL, TOWNS_AND_GSV_VAL),
    'unknown': (MAP_ALONE, GSV_VAL, TOWNS_AND_GSV_VAL),
}
"""Calibrations of each part; the last one is checked against the targets."""

PARTS = tuple(CALIBRATIONS)

PRECISION = {'town': 0.995, 'gardens': 0.99}
RECALL = {'town': 0.60, 'gardens': 0.80}
MOST_UNKNOWN_ACCEPTED = 0.005
MOST_ECE = 0.05
NEES_RANGE = (0.5, 2.0)
MOST_CHAIN_SHARE = 0.10
MOST_VERIFY_MS = 60.0

POSITIVE_DISTANCE_M = 25.0
"""On the town and on gsv_cambridge an answer this near is right."""

TOLERANCE = 2
"""On gardens_point an answer whose number differs by this is right."""

GARDENS_STEP_M = 10.0
"""Distance that is assumed between two frames of gardens_point, which has no positions.

So the radius within which candidates support each other, 25 m, is what the protocol calls one
place: two frames to either side, not three.
"""

STAMP_RATE_HZ = 1.0
"""Rate that is assumed for images without stamps: each frame counts as new evidence."""
