"""Sequence matching: which place the last frames lead to, along a path of the map.

Source: Milford and Wyeth, "SeqSLAM: Visual Route-Based Navigation for Sunny Summer Days and Stormy
Winter Nights" (2012), Section III: every frame is compared with the whole map, each comparison is
normalised by its neighbours on the path, and the last frames are searched for lines of constant
speed. It serves as a comparison with the Bayes filter of `temporal_filter.py`, and like SeqSLAM
it has no state "off the map" and needs a sequence of frames to change its mind.

Deviation: the axes are metres along the path and metres driven, not numbers of images, so that the
    speed ratio is about 1 with odometry. Without it a line may have any speed up to the fastest.
Deviation: places are compared by similarity, not by difference of thumbnails; higher is better.
Deviation: lines run in the direction of the mapping drive only. A camera that looks ahead does not
    see the way back, so lines in reverse could only add wrong places.
Deviation: normalised scores find the line, but plain similarities judge it, because the
    likelihood, which gives a probability, was learned on margins of similarity. It was learned on
    single frames, and means over a line scatter less, so its probabilities are conservative:
    frames that agree do not add up as they do in the filter.
Deviation: where a line leaves the path, before the mapping drive began, it counts as average.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate
from ghost_vpr_ros.core.geodesy import horizontal_distance_m
from ghost_vpr_ros.core.probability.likelihood import Likelihood
from ghost_vpr_ros.core.recognition.candidates import most_probable_first, positions_of
from ghost_vpr_ros.core.recognition.odometry import Motion

_WINDOW = 10
"""Neighbours on the path by which a similarity is normalised."""

_MIN_RATIO, _MAX_RATIO = 0.8, 1.2
"""With odometry: least and greatest distance along the map, as a share of the distance driven."""

LARGEST_GAP_M = 50.0
"""Between keyframes farther apart than this the path is unknown: one ends, another begins."""


@dataclass(frozen=True)
class PathCells:
    """All cells, one path after the other; there are about as many cells as keyframes.

    Attributes:
        rows: (G,) int64 keyframe nearest to each cell, along the path.
        first: (G,) int64 first cell of the cell's path.
        last: (G,) int64 last cell of the cell's path.
        step_m: from cell to cell, metres.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    step_m: float

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, positions: NDArray[np.float64], sessions: ArrayLike) -> PathCells:
        """The cells of a map whose rows are in driving order.

        Args:
            positions: (N, 3) float64 of the keyframes, map frame, metres; those with NaN are
                left out.
            sessions: (N,) name or number of each keyframe's session; a path does not continue in
                the next one.
        """
        located = np.flatnonzero(np.isfinite(positions).all(axis=1))
        if not len(located):
            nothing = np.empty(0, np.int64)
            return cls(nothing, nothing, nothing, 1.0)
        driven_m = horizontal_distance_m(positions[located[1:]], positions[located[:-1]])
        names = np.asarray(sessions)[located]
        breaks = (names[1:] != names[:-1]) | (driven_m > LARGEST_GAP_M)
        along_m = np.concatenate([[0.0], np.cumsum(np.where(breaks, 0.0, driven_m))])
        step_m = float(along_m[-1]) / len(located) or 1.0
        paths = np.split(np.arange(len(located)), np.flatnonzero(breaks) + 1)
        cells = [_nearest(along_m[path], step_m) + path[0] for path in paths]
        counts = np.array([len(each) for each in cells])
        first = np.repeat(np.cumsum(counts) - counts, counts)
        last = np.repeat(np.cumsum(counts) - 1, counts)
        return cls(located[np.concatenate(cells)], first, last, step_m)


def _nearest(along_m: NDArray[np.float64], step_m: float) -> NDArray[np.int64]:
    """(g,) which of the ascending (n,) metres is nearest to each step from the first on."""
    count = int((along_m[-1] - along_m[0]) / step_m) + 1
    cells_m = along_m[0] + step_m * np.arange(count)
    middles_m = 0.5 * (along_m[1:] + along_m[:-1])
    return np.searchsorted(middles_m, cells_m).astype(np.int64)


_MOST_LINES = 21
"""Most speeds that are tried."""

_LEAST_DEVIATION = 1e-6
"""Neighbours with a smaller deviation than this have no contrast."""


@dataclass(frozen=True)
class _Column:
    """One frame against all G cells.

    Attributes:
        scores: (G,) float32 similarity minus the mean of the frame; 0 where unknown.
        contrast: (G,) float32 similarity, normalised by the neighbours on the path.
        slow_m: distance along the path up to this frame at the least speed, metres.
        fast_m: the same at the greatest speed.
    """

    scores: NDArray[np.float32]
    contrast: NDArray[np.float32]
    slow_m: float
    fast_m: float


@dataclass(frozen=True)
class Lines:
    """The best line that ends at each of G cells.

    Attributes:
        contrast: (G,) mean normalised score along it, the greatest over all speeds.
        score: (G,) mean similarity along it, minus the mean of the frames.
    """

    contrast: NDArray[np.float32]
    score: NDArray[np.float32]


class SequenceMatcher:
    """The last frames against a map; keyframes without a position are ignored."""

    def __init__(self, positions: NDArray[np.float64], sessions: ArrayLike) -> None:
        """Prepare the cells of the map.

        Args:
            positions: (N, 3) float64 of the keyframes, map frame, metres; NaN where unknown.
            sessions: (N,) name or number of each keyframe's session, whose keyframes are in
                driving order.
        """
        self._cells = PathCells.of(positions, sessions)
        self._points = positions[self._cells.rows, :2]
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one belongs to another time or place."""
        self._columns: deque[_Column] = deque()
        self._lines: Lines | None = None

    def update(
        self,
        candidates: Sequence[Candidate],
        motion: Motion | None,
        config: RecognizerConfig,
        similarities: NDArray[np.float32],
        likelihood: Likelihood | None,
    ) -> tuple[Candidate, ...]:
        """The candidates with their probability given the last frames together, best first.

        Args:
            candidates: of one frame, best first, with probabilities by this frame alone.
            motion: since the last frame used as evidence; None: the two are unrelated.
            config: the matcher's settings.
            similarities: (N,) float32 of this frame to all keyframes; NaN where unknown.
            likelihood: of the map's margins.

        Returns:
            Each candidate's probability is that the camera is within `group_radius_m` of it.
            Unchanged for a first frame, without a likelihood, and if no candidate has a position.
        """
        points = positions_of([c.keyframe for c in candidates])[:, :2]
        is_known = np.isfinite(points).all(axis=1)
        if likelihood is None or not is_known.any():
            return tuple(candidates)
        if motion is None:
            self.reset()
        if self._lines is None or motion is None or not motion.repeats(config):
            self._lines = self._observe(similarities, motion, config)
        if motion is None:
            return tuple(candidates)
        margins = np.full(len(candidates), np.nan)
        margins[is_known] = self._margins(self._lines, points[is_known], config.group_radius_m)
        found = [
            replace(candidate, probability=float(value))
            for candidate, value in zip(candidates, likelihood.probability(margins), strict=True)
        ]
        return most_probable_first(found, points, config.group_radius_m)

    def _observe(
        self, similarities: NDArray[np.float32], motion: Motion | None, config: RecognizerConfig
    ) -> Lines:
        """Add a frame, forget those that are too old, and search all lines."""
        slow_m = fast_m = 0.0
        if motion is not None and self._columns:
            slow_m, fast_m = _along_path(motion, config)
            slow_m += self._columns[-1].slow_m
            fast_m += self._columns[-1].fast_m
        scores = similarities[self._cells.rows].astype(np.float64)
        scores -= np.nanmean(scores) if np.isfinite(scores).any() else 0.0
        scores = np.nan_to_num(scores)
        contrast = local_contrast(scores, self._cells, _WINDOW)
        single = np.float32
        self._columns.append(
            _Column(scores.astype(single), contrast.astype(single), slow_m, fast_m)
        )
        while len(self._columns) > config.sequence_frames:
            self._columns.popleft()
        return best_lines(
            np.stack([column.contrast for column in self._columns]),
            np.stack([column.scores for column in self._columns]),
            self._shifts(),
            self._cells,
        )

    def _shifts(self) -> NDArray[np.int64]:
        """(V, L) cells from each of L frames to the last one, at V speeds from least to greatest.

        Neighbouring speeds differ by at most one cell at the oldest frame, unless there are too
        many.
        """
        slow_m = np.array([column.slow_m for column in self._columns])
        fast_m = np.array([column.fast_m for column in self._columns])
        slow, fast = ((way[-1] - way) / self._cells.step_m for way in (slow_m, fast_m))
        count = int(min(np.ceil(np.abs(fast - slow).max()) + 1, _MOST_LINES))
        share = np.linspace(0.0, 1.0, count)[:, np.newaxis]
        return np.rint(slow + share * (fast - slow)).astype(np.int64)

    def _margins(
        self, lines: Lines, points: NDArray[np.float64], radius_m: float
    ) -> NDArray[np.float64]:
        """(n,) how much more similar the line to each place (n, 2) is than any line elsewhere.

        Of the lines that end within the radius, the one with the most contrast is used, or that to
        the nearest cell. If all cells lie within it, the margin is to the least similar one, as
        for single frames. A line that ends just outside may share places with the best one at
        another speed, which makes the margin smaller.
        """
        away_m = np.hypot(*(points[:, np.newaxis] - self._points).T).T
        nearest_m = away_m.min(axis=1, keepdims=True)
        is_near = away_m <= np.maximum(radius_m, nearest_m)
        here = np.where(is_near, lines.contrast, -np.inf).argmax(axis=1)
        elsewhere = np.where(is_near, lines.score.min(), lines.score).max(axis=1)
        return np.asarray(lines.score[here] - elsewhere, dtype=np.float64)


def local_contrast(
    scores: NDArray[np.float64], cells: PathCells, window: int
) -> NDArray[np.float64]:
    """(G,) each of the scores (G,) minus the mean of its neighbours, over their deviation.

    The neighbours are the cells within half a window on the same path, itself included. 0 if all
    are alike.
    """
    number = np.arange(len(cells))
    begin = np.maximum(number - window // 2, cells.first)
    end = np.minimum(number + window // 2, cells.last) + 1

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray((total[end] - total[begin]) / (end - begin))

    centred = scores - mean(scores)
    deviation = np.sqrt(np.maximum(mean(scores**2) - mean(scores) ** 2, 0.0))
    has_contrast = deviation > _LEAST_DEVIATION
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=has_contrast)


def best_lines(
    contrast: NDArray[np.float32],
    scores: NDArray[np.float32],
    shifts: NDArray[np.int64],
    cells: PathCells,
) -> Lines:
    """The line with the most contrast that ends at each cell.

    Args:
        contrast: (L, G) normalised scores of L frames, the last one last.
        scores: (L, G) scores.
        shifts: (V, L) cells from each frame to the last one, at V speeds.
        cells: the G cells.
    """
    # Frame by frame, because all at once would not fit into the cache of the processor.
    padded = np.pad(contrast, ((0, 0), (0, 1)))
    sums = np.zeros((len(shifts), len(cells)), np.float32)
    for frame, shift in zip(padded, shifts.T, strict=True):
        sums += frame[_cells_before(shift[:, np.newaxis], cells)]
    best = sums.argmax(axis=0)
    on_best = _cells_before(shifts[best].T, cells)
    means = np.take_along_axis(np.pad(scores, ((0, 0), (0, 1))), on_best, axis=1).mean(axis=0)
    return Lines(sums.max(axis=0) / np.float32(len(contrast)), means)


def _cells_before(shifts: NDArray[np.int64], cells: PathCells) -> NDArray[np.int64]:
    """The cell a number of cells before each of G: shifts (n, 1) or (n, G) give (n, G).

    Positions beyond the ends of the path are cell G, one more than there are, where all is
    average.
    """
    cell = np.arange(len(cells)) - shifts
    return np.where((cell >= cells.first) & (cell <= cells.last), cell, len(cells))


def _along_path(motion: Motion, config: RecognizerConfig) -> tuple[float, float]:
    """Least and greatest distance along the path of the map, metres; negative when reversing."""
    if motion.forward_left_m is None:
        return 0.0, config.max_speed_m_s * motion.seconds
    travelled_m = float(np.copysign(np.hypot(*motion.forward_left_m), motion.forward_left_m[0]))
    return _MIN_RATIO * travelled_m, _MAX_RATIO * travelled_m
