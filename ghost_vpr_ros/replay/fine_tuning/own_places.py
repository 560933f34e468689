"""The images of a user as places to learn from: photos of an area, or drives through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.config import VisitConfig
from ghost_vpr_ros.replay.places.drives import places_of_drives, visits_by_time
from ghost_vpr_ros.replay.places.images import places_of_images
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def own_places(
    sources: Sequence[ImageSource], visits: VisitConfig, queries: ImageSource | None = None
) -> PlaceSet:
    """The images of all sources that have a position, with their visits.

    Of several sources each is a visit; of a single one, images that were taken within
    `visits.revisit_after_s` of each other are of one visit, as far as their times are known.

    Args:
        sources: folders, manifests or bags of one area.
        visits: keyframes of bags, and the time between two visits.
        queries: rows of the single manifest that search, where not all do.

    Raises:
        SourceError: no image has a position, or positions are of different kinds.
        ConfigError: queries beside several sources or a bag.
    """
    if len(sources) == 1 and sources[0].kind != 'bag':
        (source,) = sources
        places = places_of_images(source, queries or source, source.short_name)
        return _with_visits(places, visits)
    if queries is not None:
        raise ConfigError(
            '--queries-where: expected one folder with manifest.csv, or one CSV, found '
            f'{len(sources)} drives; every drive is searched for in the others'
        )
    return places_of_drives(sources, visits)


def _with_visits(places: PlaceSet, config: VisitConfig) -> PlaceSet:
    visit, gap = visits_by_time([int(ns) for ns in places.stamp_ns], config)
    return replace(places, visit=visit, visit_gap=gap)
