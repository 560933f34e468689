"""Photos and drives of a user as places: which images are of one visit, and who searches."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, Pose
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.replay.config import TupleConfig, VisitConfig
from ghost_vpr_ros.replay.fine_tuning.own_places import own_places
from ghost_vpr_ros.replay.places.positives import revisited
from ghost_vpr_ros.replay.sources.image_sources import ImageSource

VISITS = VisitConfig()


def no_image() -> np.ndarray:
    raise AssertionError('these tests read no image')


def source(kind: str, metres: Sequence[float], seconds: Sequence[float] = ()) -> ImageSource:
    """Images at these metres eastwards, at these seconds or at unknown times."""
    stamps = [round(s * 1e9) for s in seconds] or [UNKNOWN_STAMP_NS] * len(metres)
    frames = [
        Frame(f'{n}.jpg', no_image, stamp_ns, pose=Pose(np.array([x, 0.0, 0.0])))
        for n, (x, stamp_ns) in enumerate(zip(metres, stamps, strict=True))
    ]
    return ImageSource(frames, kind, kind)


def test_photos_of_one_moment_do_not_match_those_of_another_time_do() -> None:
    photos = source('exif', [0.0, 1.0, 0.5, 90.0], [0.0, 5.0, 600.0, 700.0])
    places = own_places([photos], VISITS)
    assert revisited(places, TupleConfig()).tolist() == [0, 1, 2]
    alone = own_places([source('exif', [0.0, 1.0, 90.0], [0.0, 5.0, 700.0])], VISITS)
    assert revisited(alone, TupleConfig()).tolist() == []


def test_photos_without_times_match_by_position_alone() -> None:
    places = own_places([source('folder', [0.0, 1.0, 90.0])], VISITS)
    assert revisited(places, TupleConfig()).tolist() == [0, 1]


def test_photos_of_one_place_are_all_kept_images_of_a_drive_thinned_out() -> None:
    assert len(own_places([source('exif', [0.0, 0.1, 0.2, 9.0])], VISITS)) == 4
    assert len(own_places([source('bag', [0.0, 0.1, 0.2, 9.0], range(4))], VISITS)) == 2


def test_each_of_several_sources_is_a_visit() -> None:
    first, second = source('bag', [0.0, 5.0], [0, 1]), source('bag', [0.0, 90.0], [0, 1])
    places = own_places([first, replace(second, name='other')], VISITS)
    assert places.visit is not None and places.visit.tolist() == [0, 0, 1, 1]
    assert revisited(places, TupleConfig()).tolist() == [0, 1, 2]


def test_a_manifest_may_name_who_searches_drives_may_not() -> None:
    manifest = source('manifest', [0.0, 1.0, 2.0])
    asked = replace(manifest, frames=manifest.frames[:1])
    places = own_places([manifest], VISITS, asked)
    assert (places.queries.tolist(), places.database.tolist()) == ([0], [0, 1, 2])
    with pytest.raises(ConfigError, match='found 1 drives'):
        own_places([source('bag', [0.0])], VISITS, asked)


def test_images_without_positions_are_refused() -> None:
    bare = ImageSource([Frame('a.jpg', no_image)], 'folder', 'photos')
    with pytest.raises(SourceError, match='photos: expected images with positions'):
        own_places([bare], VISITS)
