"""The source of a map's probabilities, in words: a drive, its keyframes, or its network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig

if TYPE_CHECKING:
    from ghost_vpr_ros.core.map.reader import MapReader

_MOST_COUNTED = 5000
"""Keyframes up to which a map is checked; a larger one has enough of them."""


def deciding_text(place_map: MapReader) -> str:
    """The source of probabilities, and why a small map has none of its own."""
    from ghost_vpr_ros.core.model.default_weights import default_weights_path
    from ghost_vpr_ros.core.probability.general import general_calibration

    if place_map.calibration is not None:
        return f'by a drive: {place_map.calibration.learnt_on}'
    lacking = _lacking(place_map)
    if not lacking:
        return 'by its own keyframes; ghost-vpr calibrate learns from a drive'
    general = general_calibration(default_weights_path().parent, place_map.model_hash)
    if general is None:
        return f'not at all, answers are tentative: {lacking}; {_step(place_map)}'
    return f'by its network in general, conservatively: {lacking}'


def _step(place_map: MapReader) -> str:
    """The next step towards probabilities; a calibration also needs positions."""
    if _has_no_positions(place_map):
        return 'build it from a source that has some (GPS, a manifest, make-bag --poses)'
    return 'use ghost-vpr calibrate'


def _has_no_positions(place_map: MapReader) -> bool:
    return len(place_map) > 0 and place_map.map_frame == 'none'


def _lacking(place_map: MapReader) -> str:
    """Why a map has no probabilities from its own keyframes; empty if it has."""
    from ghost_vpr_ros.core.probability.likelihood import (
        MIN_SAMPLES,
        fit_likelihood,
        margins_within,
        num_teaching,
    )

    if _has_no_positions(place_map):
        return 'its keyframes have no positions'
    if len(place_map) > _MOST_COUNTED:
        return ''
    radius_m = RecognizerConfig().group_radius_m
    margins = margins_within(place_map.descriptors(), place_map.positions(), radius_m)
    found = num_teaching(margins)
    if found < MIN_SAMPLES:
        return (
            f'{MIN_SAMPLES} keyframes that find a neighbour within {radius_m:g} m are needed to '
            f'decide by the map itself, it has {found} of them'
        )
    if fit_likelihood(margins) is None:
        return (
            f'to its network, keyframes within {radius_m:g} m of each other look hardly more '
            'alike than others, and the map cannot decide by itself'
        )
    return ''
