"""Geometric verification: checks that the query and a stored view show the same scene.

Local features of both images are matched, and the matches that agree with one motion of the camera
(inliers) are counted. If both views come from the query camera, their relative pose is known as
well (not with cells of the network): rotation and direction, but not distance, which two images do
not determine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.camera import CameraIntrinsics
from ghost_vpr_ros.core.config.verification import VerificationConfig
from ghost_vpr_ros.core.datatypes import Candidate, Pose
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.map.cells import StoredCells
from ghost_vpr_ros.core.map.views import Views
from ghost_vpr_ros.core.probability.inlier_evidence import LEARNED
from ghost_vpr_ros.core.verification.local_features import (
    FeatureExtractor,
    FeaturesAhead,
    LocalFeatures,
    match,
)
from ghost_vpr_ros.core.verification.patch_features import (
    CELL_TOLERANCE,
    PatchExtractor,
    match_cells,
)
from ghost_vpr_ros.core.verification.two_view import (
    RelativePose,
    consistent_matches,
    in_body_frames,
    relative_motion,
)
from ghost_vpr_ros.core.verification.view_features import ViewFeatures

_GRID = 4


def _nothing_tells() -> RelativePose | None:
    return None


@dataclass(frozen=True)
class VerifiedCandidate:
    """The verification of one candidate.

    Attributes:
        candidate: with its number of inliers; -1 if it was not verified or has no view.
        cells: number of cells of a 4 x 4 grid with inliers, in the image that has fewer of them.
        is_verified: whether there are enough inliers, spread widely enough.
        likelihood_ratio: p(inliers | right place) / p(inliers | wrong place); 1: no evidence.
        tell_relative: computes `relative`, which costs more than the check itself and is seldom
            needed.
        unknown_distance_m: assumed distance of the cameras, and its standard deviation.
    """

    candidate: Candidate
    cells: int = 0
    is_verified: bool = False
    likelihood_ratio: float = 1.0
    tell_relative: Callable[[], RelativePose | None] = field(
        default=_nothing_tells, repr=False, compare=False
    )
    unknown_distance_m: float = VerificationConfig.unknown_distance_m

    @cached_property
    def relative(self) -> RelativePose | None:
        """Relative pose, if verified and the view can be from the query camera, else None."""
        return self.tell_relative()

    @property
    def pose(self) -> Pose | None:
        """`relative` with the assumed distance."""
        assumed_m = self.unknown_distance_m
        return None if self.relative is None else self.relative.pose(assumed_m, assumed_m)


class GeometricVerifier:
    """Verifies the candidates of one map; not for several threads at once."""

    def __init__(
        self,
        views: Views,
        camera: CameraIntrinsics | None,
        config: VerificationConfig,
        network: PatchExtractor | None = None,
        cells: Callable[[int], StoredCells | None] = lambda _: None,
        *,
        ahead: bool = True,
    ) -> None:
        """Create the extractor and an empty cache.

        Args:
            views: RGB uint8 (H, W, 3) of a keyframe id, or None; may raise `ImageError`.
            camera: of the query images, and of stored views with the same aspect ratio; None:
                assumed.
            config: settings.
            network: describes the images if `config.features` is `network`.
            cells: stored cells of a keyframe id, for `network`; no view is needed then.
            ahead: whether a separate thread extracts features from `expect` on.

        Raises:
            ConfigError: `config.features` is `network`, and no network is given.
        """
        self._camera = camera
        self._config = config
        self._extract = _extractor(config, network)
        self._ahead: FeaturesAhead | None = None
        if ahead and config.features != 'network':
            self._ahead = FeaturesAhead(FeatureExtractor(config))
        self._keyframes = ViewFeatures(
            views, self._extract, config.cache_keyframes, _stored(self._extract, cells)
        )
        self._evidence = LEARNED[config.features]
        self._min_inliers = config.min_inliers or self._evidence.min_inliers

    def expect(self, image: NDArray[np.uint8]) -> None:
        """Begin to extract the local features of an image, if the previous one was verified."""
        if self._ahead is not None:
            self._ahead.begin(image)

    def close(self) -> None:
        """End the thread that extracts features in advance."""
        if self._ahead is not None:
            self._ahead.close()

    def verify(
        self,
        image: NDArray[np.uint8],
        candidates: Sequence[Candidate],
        rival: int | None = None,
    ) -> list[VerifiedCandidate]:
        """The candidates, with the first `config.candidates` and the rival verified.

        Args:
            image: RGB uint8 (H, W, 3) of the query.
            candidates: best first.
            rival: number of another candidate to verify.
        """
        if not candidates:
            return []
        ahead = None if self._ahead is None else self._ahead.take(image)
        query = self._extract(image) if ahead is None else ahead
        chosen = {*range(self._config.candidates), rival}
        return [
            self._verify_one(query, each) if number in chosen else VerifiedCandidate(each)
            for number, each in enumerate(candidates)
        ]

    def _verify_one(self, query: LocalFeatures, candidate: Candidate) -> VerifiedCandidate:
        keyframe = self._keyframes.of(candidate.keyframe.keyframe_id)
        if keyframe is None:
            return VerifiedCandidate(candidate)
        a, b = self._matched(query, keyframe)
        keep = self._consistent(query, keyframe, a, b)
        a, b = a[keep], b[keep]
        inliers = len(a)
        cells = min(
            occupied_cells(points, image.width, image.height)
            for points, image in ((a, query), (b, keyframe))
        )
        is_verified = inliers >= self._min_inliers and cells >= self._config.min_cells
        return VerifiedCandidate(
            replace(candidate, inliers=inliers),
            cells,
            is_verified,
            self._evidence.likelihood_ratio(inliers),
            tell_relative=partial(self._relative, query.size, keyframe.size, a, b)
            # A cell is several degrees wide: too coarse for rotation and direction.
            if is_verified and query.kind != 'network'
            else _nothing_tells,
            unknown_distance_m=self._config.unknown_distance_m,
        )

    def _matched(
        self, query: LocalFeatures, keyframe: LocalFeatures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(M, 2) and (M, 2) matched points of the query and of the keyframe."""
        if query.kind == 'network':
            return match_cells(query, keyframe)
        pairs = match(query, keyframe, self._config.match_ratio)
        return query.points[pairs[:, 0]], keyframe.points[pairs[:, 1]]

    def _consistent(
        self,
        query: LocalFeatures,
        keyframe: LocalFeatures,
        a: NDArray[np.float64],
        b: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """(M,) which matches agree; points of a distorted camera are rectified first."""
        if query.kind == 'network':
            return consistent_matches(a, b, CELL_TOLERANCE * keyframe.cell_px)
        threshold_px = self._config.threshold_px
        camera = self._camera
        if camera is None or not _fit(camera, query.size, keyframe.size):
            return consistent_matches(a, b, threshold_px)
        scaled = camera.scaled(*query.size)
        x = scaled.fx * scaled.normalised(a)
        y = scaled.fx * camera.scaled(*keyframe.size).normalised(b)
        usable = np.isfinite(np.hstack([x, y])).all(axis=1)
        keep = np.zeros(len(a), bool)
        keep[usable] = consistent_matches(x[usable], y[usable], threshold_px)
        return keep

    def _relative(
        self,
        query_px: tuple[int, int],
        keyframe_px: tuple[int, int],
        a: NDArray[np.float64],
        b: NDArray[np.float64],
    ) -> RelativePose | None:
        """Relative pose by consistent matches (M, 2) and (M, 2) in images of these sizes."""
        camera = self._camera or CameraIntrinsics.assumed(*query_px, self._config.assumed_fov_deg)
        if not _fit(camera, query_px, keyframe_px):
            return None
        here, there = camera.scaled(*query_px), camera.scaled(*keyframe_px)
        threshold = self._config.threshold_px / here.fx
        motion = relative_motion(here.normalised(a), there.normalised(b), threshold)
        if motion is None:
            return None
        extra_rad = math.radians(self._config.assumed_error_deg) if camera.is_assumed else 0.0
        return in_body_frames(motion, extra_rad, not camera.is_assumed)


def _extractor(
    config: VerificationConfig, network: PatchExtractor | None
) -> FeatureExtractor | PatchExtractor:
    if config.features != 'network':
        return FeatureExtractor(config)
    if network is None:
        raise ConfigError(
            'features: network: expected a network that describes the images, found none; '
            'give the verifier one, or choose sift or orb'
        )
    return network


def _stored(
    extract: FeatureExtractor | PatchExtractor, cells: Callable[[int], StoredCells | None]
) -> Callable[[int], LocalFeatures | None]:
    """The features of a keyframe from the cells that the map stores; None without cells."""
    if not isinstance(extract, PatchExtractor):
        return lambda _: None

    def features(keyframe_id: int) -> LocalFeatures | None:
        found = cells(keyframe_id)
        return None if found is None else extract.features(found)

    return features


def _fit(camera: CameraIntrinsics, *sizes_px: tuple[int, int]) -> bool:
    """Whether images of these widths and heights can come from this camera."""
    return all(camera.fits(*size_px) for size_px in sizes_px)


def occupied_cells(points: NDArray[np.float64], width: int, height: int) -> int:
    """How many cells of a 4 x 4 grid over the image hold one of (n, 2) pixels x, y.

    Matches in one corner, as on repeated windows, prove nothing.
    """
    if len(points) == 0:
        return 0
    cells = np.floor((points + 0.5) * _GRID / (width, height)).astype(np.int64)
    cells = np.clip(cells, 0, _GRID - 1)
    return len(np.unique(cells @ np.array([1, _GRID])))
