"""By what a map decides, in words: a drive, its own keyframes, or its network in general."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig

if TYPE_CHECKING:
    from ghost_vpr_ros.core.map.reader import MapReader

_MOST_COUNTED = 5000
"""Keyframes of a map that is looked at; a larger one has enough of them."""


def deciding_text(place_map: MapReader) -> str:
    """What turns similarities into probabilities, and what a small map lacks to do it itself."""
    from ghost_vpr_ros.core.model.default_weights import default_weights_path
    from ghost_vpr_ros.core.probability.general import general_calibration
    from ghost_vpr_ros.core.probability.likelihood import MIN_SAMPLES, num_teaching

    if place_map.calibration is not None:
        return f'by a drive: {place_map.calibration.learnt_on}'
    radius_m = RecognizerConfig().group_radius_m
    if len(place_map) > _MOST_COUNTED:
        return 'by its own keyframes; ghost-vpr calibrate teaches it a drive'
    found = num_teaching(place_map.descriptors(), place_map.positions(), radius_m)
    if found >= MIN_SAMPLES:
        return 'by its own keyframes; ghost-vpr calibrate teaches it a drive'
    lacking = (
        f'{MIN_SAMPLES} keyframes that find a neighbour within {radius_m:g} m are needed to '
        f'decide by the map itself, it has {found} of them'
    )
    general = general_calibration(default_weights_path().parent, place_map.model_hash)
    if general is None:
        return f'not at all, answers stay tentative: {lacking}; use ghost-vpr calibrate'
    return f'by what its network says in general, on the safe side: {lacking}'
