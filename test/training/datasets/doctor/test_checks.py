"""Each check of the doctor: silent on a good set, one sentence on a set with that one fault."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame, GeoPoint
from ghost_vpr_ros.core.errors import ConfigError, ImageError
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from training.datasets.doctor import file_checks, place_checks, position_checks, split_checks
from training.datasets.doctor.findings import Finding, Severity
from training.datasets.doctor.order_checks import check_order
from training.datasets.doctor.published_sizes import (
    PUBLISHED_SIZES,
    equal_reference,
    reference_of,
    resolved_reference,
)

PITTSBURGH_M = np.array([584_745.0, 4_476_710.0])


def no_image() -> np.ndarray:
    raise AssertionError('read')


def street(count: int = 8, step_m: float = 10.0, **changes: object) -> PlaceSet:
    """Images along a street; even rows are queries, odd ones database."""
    places = PlaceSet(
        name='street',
        frames=[Frame(f'{row:04d}.jpg', no_image) for row in range(count)],
        positions_m=PITTSBURGH_M + np.stack([step_m * np.arange(count), np.zeros(count)], axis=1),
        queries=np.arange(0, count, 2),
        database=np.arange(1, count, 2),
        panorama=np.full(count, NO_PLACE, np.int64),
        heading_deg=np.full(count, np.nan),
        stamp_ns=np.full(count, UNKNOWN_STAMP_NS, np.int64),
        facts={'format': 'lists', 'posDistThr': 25.0},
    )
    return replace(places, **changes)


def moved(places: PlaceSet, row: int, position_m: list[float]) -> PlaceSet:
    positions_m = places.positions_m.copy()
    positions_m[row] = position_m
    return replace(places, positions_m=positions_m)


def only(findings: Iterable[Finding], severity: Severity = Severity.PROBLEM) -> str:
    """The sentence of the one finding."""
    (finding,) = findings
    assert finding.severity is severity
    return finding.sentence


def test_published_counts_are_those_of_the_paper() -> None:
    assert sum(PUBLISHED_SIZES[f'pitts250k_{s}'].database for s in ('train', 'val', 'test')) == (
        254_064
    )
    assert equal_reference(10_000, 6_816) == 'pitts30k_test'
    assert equal_reference(75_984, 315) == 'tokyo247'
    assert equal_reference(10_000, 1) is None


@pytest.mark.parametrize(
    ('name', 'reference'),
    [
        ('pitts30k_test', 'pitts30k_test'),
        ('Pitts30k test', 'pitts30k_test'),
        ('pitts250k_train', 'pitts250k_train'),
        ('Tokyo_24_7', 'tokyo247'),
        ('tokyoTM_val', 'tokyotm_val'),
        ('pitts30k', None),
        ('gsv_cambridge test', None),
    ],
)
def test_the_name_of_a_set_states_what_to_compare_with(name: str, reference: str | None) -> None:
    assert reference_of(name) == reference


def test_an_unknown_reference_is_refused_with_the_nearest_one() -> None:
    assert resolved_reference('none', 'pitts30k_test') is None
    assert resolved_reference(None, 'pitts30k_test') == 'pitts30k_test'
    with pytest.raises(ConfigError, match="did you mean 'tokyo247'"):
        resolved_reference('tokyo24', 'street')


def test_other_counts_than_published_are_a_problem() -> None:
    assert not list(place_checks.check_counts(street(), None))
    sentence = only(place_checks.check_counts(street(), 'tokyo247'))
    assert sentence.startswith(
        'tokyo247 has 315 queries and 75,984 database images as published, found 4 queries and 4'
    )
    assert '1,125 photos' in sentence


def test_counts_as_published_are_noted() -> None:
    rows = np.zeros(6_816, np.int64), np.zeros(10_000, np.int64)
    places = street(queries=rows[0], database=rows[1])
    assert 'as published for pitts30k_test' in only(
        place_checks.check_counts(places, None), Severity.NOTE
    )
    assert '`--reference pitts30k_test`' in only(place_checks.check_counts(places, 'pitts30k_val'))


@pytest.mark.parametrize(
    ('facts', 'reference', 'said'),
    [
        ({'posDistThr': 0.0}, None, 'a distance above 0 m'),
        ({'posDistThr': 25.0, 'posDistSqThr': 25.0}, None, 'the square 625 of posDistThr'),
        ({'posDistThr': 10.0}, 'pitts30k_test', '25 m as published for pitts30k_test'),
    ],
)
def test_thresholds(facts: dict, reference: str | None, said: str) -> None:
    good = {'posDistThr': 25.0, 'posDistSqThr': 625.0}
    assert not list(place_checks.check_thresholds(street(facts=good), reference))
    assert said in only(place_checks.check_thresholds(street(facts=facts), reference))


def test_positives_are_counted_by_distance() -> None:
    counts = place_checks.count_positives(street(), 30.0)
    # Queries at 0, 20, 40, 60 m; database at 10, 30, 50, 70 m: 2, 3, 4, 3 of them within 30 m.
    assert (counts.least, counts.median, counts.most, counts.without) == (2, 3.0, 4, 0)


def test_few_queries_without_positives_are_a_note_most_of_them_a_problem() -> None:
    places = moved(street(40), 0, [0.0, 0.0])
    counts = place_checks.count_positives(places, 12.0)
    assert only(place_checks.check_positives(places, counts), Severity.NOTE).startswith('1 of 20')
    counts = place_checks.count_positives(places, 5.0)
    sentence = only(place_checks.check_positives(places, counts))
    assert sentence.startswith('20 of 20 queries')
    assert 'expected at most half of them' in sentence
    assert list(place_checks.check_positives(places, place_checks.count_positives(places, 1e9)))
    good = street(40)
    assert not list(place_checks.check_positives(good, place_checks.count_positives(good, 12.0)))


@pytest.mark.parametrize(
    ('position_m', 'said'),
    [
        ([np.nan, 0.0], r'1 image \(0003.jpg\) without a finite position'),
        ([4_476_710.0, 584_745.0], 'outside the UTM grid'),
        ([784_745.0, 4_476_710.0], 'more than 100 km from the middle'),
    ],
)
def test_impossible_coordinates_are_named(position_m: list[float], said: str) -> None:
    assert not list(position_checks.check_coordinates(street()))
    found = list(position_checks.check_coordinates(moved(street(), 3, position_m)))
    assert any(re.search(said, finding.sentence) for finding in found)
    assert all('0003.jpg' in finding.sentence for finding in found)


def test_degrees_where_metres_should_be() -> None:
    degrees = np.tile([40.44, -80.0], (8, 1))
    sentence = only(position_checks.check_coordinates(street(positions_m=degrees)))
    assert 'these are degrees' in sentence


def test_a_receiver_without_a_fix() -> None:
    frames = [Frame(f'{row}.jpg', no_image, geo=GeoPoint(40.0, -80.0)) for row in range(8)]
    frames[5] = replace(frames[5], geo=GeoPoint(0.0, 0.0))
    places = street(frames=frames, facts={'format': 'source'})
    assert '(5.jpg) with latitude 0' in only(position_checks.check_coordinates(places))


def test_images_without_position_are_noted() -> None:
    places = street(facts={'format': 'source', 'images_without_position': 3})
    assert only(position_checks.check_coordinates(places), Severity.NOTE).startswith('3 further')


def test_a_zone_that_contradicts_the_degrees() -> None:
    right = '@584744.97@4476709.92@17@T@40.436719@-80.000815@.jpg'
    wrong = right.replace('@17@', '@18@')
    frames = [Frame(name, no_image) for name in (right, wrong)]
    places = street(2, frames=frames)
    sentence = only(position_checks.check_zone(places))
    assert sentence.startswith(f'1 image ({wrong})')


def test_two_zones_are_noted() -> None:
    frames = [Frame(f'{n}', no_image, geo=GeoPoint(52.0, n * 6.0)) for n in (0, 1)]
    assert '2 UTM zones (31N, 32N)' in only(
        position_checks.check_zone(street(2, frames=frames)), Severity.NOTE
    )


def views(order: list[int]) -> PlaceSet:
    """Two views of each of four panoramas, with the positions of the given panoramas."""
    names = [f'000/00{n}_pitch1_yaw{y}.jpg' for n in range(4) for y in (1, 2)]
    places = street(8, frames=[Frame(name, no_image) for name in names])
    return replace(places, positions_m=PITTSBURGH_M + 100.0 * np.array(order)[:, None])


def test_views_of_one_panorama_at_several_positions_are_a_wrong_order() -> None:
    assert not list(check_order(views([0, 0, 1, 1, 2, 2, 3, 3])))
    sentence = only(check_order(views([0, 1, 1, 0, 2, 2, 3, 3])))
    assert sentence.startswith('2 of 4 panoramas have images at several positions, up to 141 m')
    assert '000/000_pitch1_yaw2.jpg' in sentence


def test_numbered_panoramas_are_checked_in_every_format() -> None:
    places = street(facts={'format': 'source'}, panorama=np.array([0, 1, 2, 2, 4, 5, 6, 7]))
    assert 'panoramas have images at several positions' in only(check_order(places))


def test_positions_in_names_are_compared_with_the_list() -> None:
    names = [f'@{584_745 + 10 * n}@4476710@.jpg' for n in range(8)]
    places = street(frames=[Frame(name, no_image) for name in names])
    assert not list(check_order(places))
    swapped = replace(places, positions_m=places.positions_m[[1, 0, *range(2, 8)]])
    assert only(check_order(swapped)).startswith('2 of 8 names contain other positions')


def test_a_shuffled_list_is_noted() -> None:
    rng = np.random.default_rng(1)
    assert not list(check_order(street(400)))
    shuffled = street(400)
    order = rng.permutation(400)
    found = list(check_order(replace(shuffled, positions_m=shuffled.positions_m[order])))
    assert [finding.severity for finding in found] == [Severity.NOTE] * 2
    assert 'may be shuffled' in found[0].sentence


def with_files(folder: Path, contents: list[bytes], **changes: object) -> PlaceSet:
    folder.mkdir(exist_ok=True)
    files = [folder / f'{row:04d}.jpg' for row in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return street(len(contents), files=files, **changes)


def nothing(count: int) -> None:
    assert count == 1


def test_missing_files_are_counted(tmp_path: Path) -> None:
    places = with_files(tmp_path / 'a', [b'0', b'1', b'2', b'3'])
    assert file_checks.check_missing(places) == ([], True)
    places.files[1].unlink()
    found, has_images = file_checks.check_missing(places)
    assert only(found).startswith(f'1 of 4 image files are missing ({places.files[1]})')
    assert has_images
    for file in places.files:
        file.unlink(missing_ok=True)
    found, has_images = file_checks.check_missing(places)
    assert only(found, Severity.NOTE).startswith('none of the 4 image files exists')
    assert not has_images


def test_equal_bytes_are_duplicates_unless_of_one_panorama(tmp_path: Path) -> None:
    places = with_files(tmp_path / 'a', [b'same', b'else', b'same', b'longer'])
    hashes = file_checks.hashes_of(places.files, nothing)
    assert len(hashes) == 3
    sentence = only(file_checks.check_duplicates(places, hashes))
    assert sentence.startswith('1 images have the same bytes as another one')
    assert '0000.jpg = 0002.jpg' in sentence
    assert 'up to 20 m apart' in sentence
    one_panorama = replace(places, panorama=np.array([5, 6, 5, 7]))
    assert not list(file_checks.check_duplicates(one_panorama, hashes))


def test_images_shared_by_two_parts(tmp_path: Path) -> None:
    train = with_files(tmp_path / 'a', [b'one', b'two'])
    test = with_files(tmp_path / 'b', [b'six', b'two'], name='test')
    hashes = file_checks.hashes_of([*train.files, *test.files], nothing)
    sentence = only(split_checks.check_shared_images(train, test, hashes))
    assert sentence.startswith('1 images have the same bytes as an image of street')
    linked = replace(test, files=[train.files[0], test.files[0]])
    assert '0000.jpg = 0000.jpg' in only(split_checks.check_shared_images(train, linked, {}))


def test_places_shared_by_two_parts() -> None:
    train, test = street(4), street(4, name='test')
    assert only(split_checks.check_shared_places(train, test, 10.0)).startswith('4 of 4 images')
    beyond = replace(test, positions_m=test.positions_m + [35.0, 0.0])
    assert only(split_checks.check_shared_places(train, beyond, 10.0)).startswith('1 of 4 images')
    away = replace(test, positions_m=test.positions_m + [41.0, 0.0])
    assert not list(split_checks.check_shared_places(train, away, 10.0))


def test_unreadable_and_plain_images_are_named() -> None:
    def broken() -> np.ndarray:
        raise ImageError('0001.jpg: the JPEG is truncated')

    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    loads = [lambda: noise, broken, lambda: np.full((16, 16, 3), 7, np.uint8), lambda: noise]
    frames = [Frame(f'{row}.jpg', load) for row, load in enumerate(loads)]
    found = list(file_checks.check_readable(street(4, frames=frames), nothing))
    assert [finding.severity for finding in found] == [Severity.PROBLEM, Severity.NOTE]
    assert found[0].sentence.startswith('1 of 4 images cannot be read (1.jpg)')
    assert 'the JPEG is truncated' in found[0].sentence
    assert found[1].sentence.startswith('1 images are nearly uniform (2.jpg)')
