"""Sequences over a street of keyframes 2 m apart: similarities are 0.2 where not given."""

from dataclasses import replace

import numpy as np
import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Candidate
from ghost_vpr_ros.core.probability.likelihood import PlaceLikelihood
from ghost_vpr_ros.core.recognition.candidates import make_candidates
from ghost_vpr_ros.core.recognition.odometry import Motion
from ghost_vpr_ros.core.recognition.sequence_matching import (
    PathCells,
    SequenceMatcher,
    best_lines,
    local_contrast,
)
from test.core.scripted import keyframe

CONFIG = RecognizerConfig(temporal='sequence', group_radius_m=5.0)
LENGTH = 200
LIKELIHOOD = PlaceLikelihood(
    right_margin=0.3, wrong_margin=0.05, deviation=0.05, right_similarity=0.5
)


def positions() -> np.ndarray:
    along_m = 2.0 * np.arange(LENGTH)
    return np.column_stack([along_m, np.zeros(LENGTH), np.zeros(LENGTH)])


def street() -> SequenceMatcher:
    return SequenceMatcher(positions(), ['walk'] * LENGTH)


def look(seen: dict[int, float]) -> np.ndarray:
    """(LENGTH,) similarities: those of some rows, 0.2 for all others."""
    similarities = np.full(LENGTH, 0.2, np.float32)
    similarities[list(seen)] = list(seen.values())
    return similarities


def found_alone(similarities: np.ndarray, points: np.ndarray | None = None):
    """The four best keyframes, judged alone."""
    points = positions() if points is None else points
    order = np.argsort(-similarities, kind='stable')
    frames = [keyframe(int(row), points[row]) for row in order[:4]]
    ranked = similarities[order]
    return make_candidates(frames, points[order], ranked, LIKELIHOOD, CONFIG.group_radius_m)


def show(
    places: SequenceMatcher,
    seen: dict[int, float],
    motion: Motion | None,
    config: RecognizerConfig = CONFIG,
) -> tuple[Candidate, ...]:
    similarities = look(seen)
    return places.update(found_alone(similarities), motion, config, similarities, LIKELIHOOD)


def step(forward_m: float) -> Motion:
    return Motion(1.0, np.array([forward_m, 0.0]))


def drive(places: SequenceMatcher, rows, similarity: float = 0.5, forward_m: float = 2.0):
    """One frame for each row, which is what it sees; the answer to the last."""
    for number, row in enumerate(rows):
        found = show(places, {int(row): similarity}, step(forward_m) if number else None)
    return found


def probability_of(margin: float) -> float:
    return float(LIKELIHOOD.probability(np.array([margin]))[0])


def told(candidates) -> list[tuple[int, float]]:
    return [(row_of(candidate), candidate.probability) for candidate in candidates]


def row_of(candidate: Candidate) -> int:
    return candidate.keyframe.keyframe_id


@pytest.mark.parametrize('similarity', [0.25, 0.37, 0.5])
def test_the_first_frame_is_judged_on_its_own(similarity: float) -> None:
    found = show(street(), {50: similarity}, None)
    assert told(found) == told(found_alone(look({50: similarity})))


@pytest.mark.parametrize('similarity', [0.3, 0.37, 0.5])
def test_a_sequence_of_one_frame_is_as_that_frame(similarity: float) -> None:
    places, config = street(), replace(CONFIG, sequence_frames=1)
    show(places, {120: 0.9}, None, config)
    best = show(places, {50: similarity}, step(2.0), config)[0]
    assert best.probability == pytest.approx(best.by_itself, abs=1e-4)


def test_a_look_alike_that_only_one_frame_sees_counts_as_one_of_all() -> None:
    places = street()
    drive(places, range(20, 23))
    found = show(places, {23: 0.5, 150: 0.6}, step(2.0))
    assert row_of(found[0]) == 23
    # The line to 150 has 0.2 three times and 0.6 once, 0.3 on average: the margin is 0.2.
    assert found[0].probability == pytest.approx(probability_of(0.2), abs=1e-4)
    other = next(candidate for candidate in found if row_of(candidate) == 150)
    assert other.probability == pytest.approx(probability_of(-0.2), abs=1e-4)


def test_what_no_frame_sees_best_is_found_by_all_together() -> None:
    """Each frame finds another place more similar than the right one."""
    places, rng = street(), np.random.default_rng(0)
    wrong = rng.choice(np.arange(60, LENGTH), 10, replace=False)
    for number, row in enumerate(wrong):
        seen = {20 + number: 0.5, int(row): 0.55}
        assert row_of(found_alone(look(seen))[0]) == row
        found = show(places, seen, step(2.0) if number else None)
    assert row_of(found[0]) == 29
    assert found[0].probability > 0.95


def test_a_camera_that_stands_still_learns_nothing_and_forgets_nothing() -> None:
    places = street()
    moving = drive(places, range(20, 26), 0.4)
    for _ in range(300):
        standing = show(places, {25: 0.4, 150: 0.9}, step(0.01))
    place = next(candidate for candidate in standing if row_of(candidate) == 25)
    assert place.probability == moving[0].probability > 0.5
    assert max(c.probability for c in standing if row_of(c) == 150) < 1e-3


@pytest.mark.parametrize('is_told', [True, False])
def test_frames_that_do_not_belong_together_are_forgotten(is_told: bool) -> None:
    places = street()
    drive(places, range(20, 26))
    if is_told:
        places.reset()
    fresh = show(places, {150: 0.35}, None)
    assert told(fresh) == told(found_alone(look({150: 0.35})))
    assert row_of(show(places, {151: 0.35}, step(2.0))[0]) == 151


def test_only_the_last_frames_count() -> None:
    places, config = street(), replace(CONFIG, sequence_frames=3)
    drive(places, range(20, 30))
    for row in (150, 151, 152):
        found = show(places, {row: 0.5}, step(2.0), config)
    assert row_of(found[0]) == 152
    assert found[0].probability == pytest.approx(probability_of(0.3), abs=1e-4)


def test_matches_all_over_the_map_make_nothing_sure() -> None:
    places, rng = street(), np.random.default_rng(1)
    seen = [int(row) for row in rng.choice(LENGTH, 40, replace=False)]
    assert found_alone(look({seen[0]: 0.45}))[0].by_itself > 0.95
    found = [show(places, {row: 0.45}, step(2.0) if n else None) for n, row in enumerate(seen)]
    assert max(frame[0].probability for frame in found[9:]) < 0.05


def test_coming_back_to_the_map_is_noticed() -> None:
    places, rng = street(), np.random.default_rng(2)
    drive(places, rng.choice(LENGTH, 15, replace=False), 0.3)
    for row in range(60, 70):
        found = show(places, {row: 0.5}, step(2.0))
    assert row_of(found[0]) == 69
    assert found[0].probability == pytest.approx(probability_of(0.3), abs=1e-4)


@pytest.mark.parametrize(('ratio', 'fits'), [(0.85, True), (1.15, True), (0.4, False), (2, False)])
def test_the_way_may_be_longer_or_shorter_within_the_ratios(ratio: float, fits: bool) -> None:
    # Lines that end 14 m away and more are at none of the speeds at the same places before.
    places, config = street(), replace(CONFIG, group_radius_m=15.0)
    for number, row in enumerate(np.rint(20 + 2 * ratio * np.arange(10)).astype(int)):
        seen = {int(row) - 1: 0.49, int(row): 0.5, int(row) + 1: 0.49}
        best = show(places, seen, step(4.0) if number else None, config)[0]
    assert best.by_itself > 0.99
    assert (best.probability > 0.99) is fits


def test_the_way_back_is_no_sequence_but_driving_backwards_is() -> None:
    rows = range(40, 30, -1)
    assert drive(street(), rows, forward_m=2.0)[0].probability < 0.1
    assert drive(street(), rows, forward_m=-2.0)[0].probability > 0.99


@pytest.mark.parametrize(('rows_per_s', 'fits'), [(0, True), (1, True), (3, True), (8, False)])
def test_without_odometry_any_speed_up_to_the_fastest_fits(rows_per_s: int, fits: bool) -> None:
    places, config = street(), replace(CONFIG, max_speed_m_s=8.0)
    for number in range(8):
        motion = Motion(1.0) if number else None
        found = show(places, {20 + rows_per_s * number: 0.5}, motion, config)
    assert (found[0].probability > 0.9) is fits


def test_what_lies_before_the_path_counts_as_average() -> None:
    """Four frames, of which the map begins with the last: a line of 0.5 once, the mean thrice."""
    places = street()
    for number in range(3):
        show(places, {}, step(2.0) if number else None)
    best = show(places, {0: 0.5}, step(2.0))[0]
    assert row_of(best) == 0
    assert best.probability == pytest.approx(probability_of(0.3 / 4), abs=1e-4)


def test_a_line_does_not_run_from_one_session_into_the_next() -> None:
    sessions = ['first'] * 25 + ['second'] * (LENGTH - 25)
    together = drive(street(), range(20, 30))[0]
    parted = drive(SequenceMatcher(positions(), sessions), range(20, 30))[0]
    assert together.probability > 0.99
    assert parted.probability < 0.5


def test_keyframes_without_a_position_take_no_part() -> None:
    points = positions()
    points[[25, 29]] = np.nan
    places = SequenceMatcher(points, ['walk'] * LENGTH)
    for row in range(20, 31):
        similarities = look({row: 0.5})
        alone = found_alone(similarities, points)
        motion = None if row == 20 else step(2.0)
        found = places.update(alone, motion, CONFIG, similarities, LIKELIHOOD)
        unknown = [c for c in found if row_of(c) in (25, 29)]
        assert all(np.isnan(c.probability) for c in unknown)
        assert row_of(found[0]) not in (25, 29) or row == 25
    assert row_of(found[0]) == 30
    assert found[0].probability > 0.9


def test_keyframes_that_were_not_compared_say_nothing() -> None:
    hidden = np.zeros(LENGTH, bool)
    hidden[100:] = True
    places = street()
    for row in range(20, 30):
        similarities = np.where(hidden, np.nan, look({row: 0.5})).astype(np.float32)
        motion = None if row == 20 else step(2.0)
        alone = found_alone(look({row: 0.5}))
        found = places.update(alone, motion, CONFIG, similarities, LIKELIHOOD)
    assert row_of(found[0]) == 29
    assert found[0].probability == pytest.approx(probability_of(0.3), abs=0.01)


def test_what_cannot_be_told_stays_as_it_is() -> None:
    nowhere = np.full((LENGTH, 3), np.nan)
    similarities = look({50: 0.5})
    lost = SequenceMatcher(nowhere, ['walk'] * LENGTH)
    unknown = found_alone(similarities, nowhere)
    assert lost.update(unknown, None, CONFIG, similarities, LIKELIHOOD) is unknown
    alone = found_alone(similarities)
    assert street().update(alone, step(2.0), CONFIG, similarities, None) == alone
    assert street().update((), None, CONFIG, similarities, LIKELIHOOD) == ()


def random_cells(rng: np.random.Generator) -> PathCells:
    """Three paths of 1 to 12 cells."""
    lengths = rng.integers(1, 13, 3)
    ends = np.cumsum(lengths)
    first, last = np.repeat(ends - lengths, lengths), np.repeat(ends - 1, lengths)
    return PathCells(np.arange(ends[-1]), first, last, 1.0)


@pytest.mark.parametrize('seed', range(5))
def test_lines_are_those_of_a_search_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = random_cells(rng)
    shape = (4, len(cells))
    contrast, scores = rng.standard_normal((2, *shape)).astype(np.float32)
    shifts = np.sort(rng.integers(-2, 9, (5, 4)))[:, ::-1]
    lines = best_lines(contrast, scores, shifts, cells)
    for end in range(len(cells)):
        best = (-np.inf, 0.0)
        for speed in shifts:
            sums = [0.0, 0.0]
            for frame in range(4):
                cell = end - speed[frame]
                if cells.first[end] <= cell <= cells.last[end]:
                    sums[0] += contrast[frame, cell]
                    sums[1] += scores[frame, cell]
            best = max(best, (sums[0] / 4, sums[1] / 4))
        assert lines.contrast[end] == pytest.approx(best[0], abs=1e-5)
        # Two lines may be equal up to rounding only where they are the same.
        assert lines.score[end] == pytest.approx(best[1], abs=1e-5)


@pytest.mark.parametrize('window', [2, 5, 10])
def test_contrast_is_that_of_the_neighbours_on_the_path(window: int) -> None:
    rng = np.random.default_rng(window)
    cells = random_cells(rng)
    scores = rng.random(len(cells))
    found = local_contrast(scores, cells, window)
    for cell, value in enumerate(found):
        begin = max(cell - window // 2, cells.first[cell])
        near = scores[begin : min(cell + window // 2, cells.last[cell]) + 1]
        spread = near.std()
        expected = (scores[cell] - near.mean()) / spread if len(near) > 1 else 0.0
        assert value == pytest.approx(expected, abs=1e-6)
    assert not local_contrast(np.full(len(cells), 0.7), cells, window).any()
