"""Finds images that show nothing, such as a lens cap or a white-out, while they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Frame, ScalableLoad
from ghost_vpr_ros.core.recognition.image_quality import shows_something
from ghost_vpr_ros.replay.sources.plausible_positions import some_of


class PlainImages:
    """Counts the frames whose image the node would reject for lack of contrast.

    Attributes:
        names: of these frames, in the order in which they were read.
    """

    def __init__(self) -> None:
        self.names: list[str] = []

    def watched(self, frames: Sequence[Frame]) -> list[Frame]:
        """The same frames, whose images are checked when they are loaded."""
        return [replace(frame, load=ScalableLoad(partial(self._load, frame))) for frame in frames]

    def remark(self, num_frames: int) -> str:
        """A sentence for the user; `num_frames` is how many there are."""
        return (
            f'{some_of(self.names)} of {num_frames} nearly of one colour (lens cap, white-out?); '
            'they show no place, and the node would reject them: leave them out'
        )

    def _load(self, frame: Frame, least_side_px: int) -> NDArray[np.uint8]:
        image = frame.at_least(least_side_px)
        is_plain = not shows_something(image, RecognizerConfig.min_contrast)
        if is_plain and frame.name not in self.names:
            self.names.append(frame.name)
        return image
