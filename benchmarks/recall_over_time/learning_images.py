"""The training images for vocabularies, components and int8 ranges.

They have no images of the panel: its corners of two training sets are left out.
"""

from __future__ import annotations

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.sampling import evenly_spaced
from training.trunk.photo_views import open_unweighted

SOURCES = (
    '$GHOST_VPR_DATA/gsv_cambridge split=train latitude=52.2000..52.2073',
    '$GHOST_VPR_DATA/bgu_campus split=train longitude=34.80000..34.80190',
    '$GHOST_VPR_DATA/camvid/train',
    '$GHOST_VPR_DATA/webcams',
)
IMAGES = 1600
"""Number of images of all sources, spread evenly."""


def learning_frames(count: int = IMAGES) -> list[Frame]:
    """At most `count` training images, in order.

    Raises:
        SourceError: the data is missing.
    """
    frames = open_unweighted(SOURCES)
    return [frames[i] for i in evenly_spaced(len(frames), count)]
