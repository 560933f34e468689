"""Any image source becomes a bag; missing time stamps are made up, and the bag records that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, Progress
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.bags.writer import BagFrame, write_bag
from ghost_vpr_ros.replay.config import BagConfig
from ghost_vpr_ros.replay.sources.image_sources import ImageSource

INVENTED_START_NS = 946_684_800 * 10**9
"""2000-01-01 00:00:00 UTC: a valid ROS time that cannot be mistaken for a recording's."""


def source_to_bag(
    source: ImageSource,
    path: str | Path,
    config: BagConfig | None = None,
    *,
    progress: Progress | None = None,
) -> int:
    """Write a source as a bag, in order of its stamps; the number of images.

    NavSatFix comes from WGS84 positions, `/ground_truth/pose` from metric poses. Without stamps
    the source's order is kept, at `config.rate_hz` from `INVENTED_START_NS`; the topic
    `/bag_info` records where the stamps come from.

    Raises:
        SourceError: some frames have a stamp and others have none.
        OutputError, BagError, ImageError: as `write_bag`.
    """
    config = config or BagConfig()
    unstamped = [frame for frame in source.frames if frame.stamp_ns == UNKNOWN_STAMP_NS]
    if unstamped and len(unstamped) < len(source):
        raise SourceError(
            f'{source.name}: {len(unstamped)} of {len(source)} images have no stamp '
            f'({unstamped[0].name} is the first); fill the stamps or leave all of them out'
        )
    invented = f'invented: {config.rate_hz:g} Hz from 2000-01-01T00:00:00Z'
    info = {'stamps': invented if unstamped else 'of the source', 'source': source.kind}
    frames = _invented(source, config.rate_hz) if unstamped else _by_stamp(source)
    return write_bag(path, frames, config, info=info, progress=progress)


def _invented(source: ImageSource, rate_hz: float) -> Iterator[BagFrame]:
    for number, frame in enumerate(source.frames):
        yield _bag_frame(frame, INVENTED_START_NS + round(number * 1e9 / rate_hz))


def _by_stamp(source: ImageSource) -> Iterator[BagFrame]:
    for frame in sorted(source.frames, key=lambda frame: frame.stamp_ns):
        yield _bag_frame(frame, frame.stamp_ns)


def _bag_frame(frame: Frame, stamp_ns: int) -> BagFrame:
    """Positions go to two topics; neither can hold an orientation without a position."""
    truth = frame.pose if frame.has_metric_position else None
    return BagFrame(stamp_ns, frame.load, geo=frame.geo, truth=truth)
