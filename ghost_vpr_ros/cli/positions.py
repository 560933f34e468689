"""Which images of a source a command can place, shared by those that need positions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.progress import say

if TYPE_CHECKING:
    from ghost_vpr_ros.replay.image_sources import ImageSource


def located(source: ImageSource) -> ImageSource:
    """The source without images that lack a position while others have one; says how many.

    A GPS gap leaves images that can neither be judged nor tell where a camera is. A source
    without any position is left as it is.
    """
    from ghost_vpr_ros.replay.ground_truth import has_position

    frames = [frame for frame in source.frames if has_position(frame)]
    if not frames or len(frames) == len(source):
        return source
    without = len(source) - len(frames)
    say(f'warning: {source.name}: {without} of {len(source)} images lack a position, left out')
    return replace(source, frames=frames)
