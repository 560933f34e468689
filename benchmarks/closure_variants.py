"""Variants and targets of `benchmarks/closures.py`."""

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
"""Variant -> changed fields of `RecognizerConfig`."""

HEADLINE = 'filter, verification, consistency'
"""The variant that is checked against the targets."""

MAP_ALONE = 'map alone'
TOWNS = 'towns'
GSV_VAL = 'gsv val'
TOWNS_AND_GSV_VAL = 'towns and gsv val'

SOURCES = {TOWNS: ('towns',), GSV_VAL: ('gsv',), TOWNS_AND_GSV_VAL: ('towns', 'gsv')}
"""Drives to learn a calibration on; each variant has its own."""

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
"""Largest distance of a right answer in the town and in gsv_cambridge."""

TOLERANCE = 2
"""Largest difference of frame numbers of a right answer in gardens_point."""

GARDENS_STEP_M = 10.0
"""Assumed distance between two frames of gardens_point, which has no positions.

With it, the 25 m radius within which candidates support each other equals the protocol's place:
two frames to either side.
"""

STAMP_RATE_HZ = 1.0
"""Assumed rate of images without stamps, slow enough that each frame counts as new evidence."""
