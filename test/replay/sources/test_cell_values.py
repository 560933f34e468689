"""Cells as spreadsheets write them: read where there is one meaning, refused with two."""

import time
from decimal import Decimal

import pytest

from ghost_vpr_ros.replay.sources.cell_values import (
    decimal_of,
    degrees_of,
    nanoseconds_of_date,
    number_of,
)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('52.2', 52.2),
        ('-.5', -0.5),
        ('1e3', 1000.0),
        ('52,2', 52.2),
        ('52,200000', 52.2),
        ('334873,1', 334_873.1),
        ('334,873.1', 334_873.1),
        ('334.873,1', 334_873.1),
        ('6,252,266.0', 6_252_266.0),
        ('334 873,1', 334_873.1),
        ("334'873.1", 334_873.1),
        ('334\u202f873', 334_873.0),
        ('0,120', 0.12),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert number_of(text, comma_is_decimal=False) == pytest.approx(value)


def test_a_comma_before_three_digits_depends_on_the_separator() -> None:
    assert number_of('334,873', comma_is_decimal=True) == pytest.approx(334.873)
    with pytest.raises(ValueError, match='decimal comma or thousands'):
        number_of('334,873', comma_is_decimal=False)


@pytest.mark.parametrize(
    'text', ['abc', 'inf', '1_000', '1e999999', '9' * 400, '٣', '1.2.3', '5 m', '0x10', '1e400']
)
def test_what_is_no_finite_number_is_refused_in_a_short_sentence(text: str) -> None:
    with pytest.raises(ValueError, match='expected a finite number') as error:
        number_of(text, comma_is_decimal=False)
    assert len(str(error.value)) < 100


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('-33.85', -33.85),
        ('33.85S', -33.85),
        ('33,85 s', -33.85),
        ('S 33.85', -33.85),
        ('-33.85 S', -33.85),
        ('52.2°', 52.2),
        ('52.2° N', 52.2),
        ('52 12 00 N', 52.2),
        ('52°12\'00.0"N', 52.2),
        ('52:12:00', 52.2),
        ('-0 30 0', -0.5),
    ],
)
def test_degrees(text: str, value: float) -> None:
    assert degrees_of(text, 'NS', comma_is_decimal=False) == pytest.approx(value)


@pytest.mark.parametrize('text', ['-33.85 N', '52 75 00 N', '1 2 3 4', '12 O', 'N', '52.2 E'])
def test_angles_that_contradict_themselves_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r'contradict|minutes|degrees|finite number'):
        degrees_of(text, 'NS', comma_is_decimal=False)


@pytest.mark.parametrize(
    ('text', 'nanoseconds'),
    [
        ('2024-05-06T10:05:00Z', 1_714_989_900_000_000_000),
        ('2024-05-06 12:05:00.123456789+02:00', 1_714_989_900_123_456_789),
        ('2024-05-06T05:05:00,5-0500', 1_714_989_900_500_000_000),
        ('1714989900', None),
        ('6.5.2024', None),
    ],
)
def test_dates_with_a_time_zone(text: str, nanoseconds: int | None) -> None:
    assert nanoseconds_of_date(text) == nanoseconds


@pytest.mark.parametrize(
    'text', ['2024-05-06T10:00:00', '2024-13-06T10:00:00Z', '2024-05-06T25:00:00Z']
)
def test_dates_that_are_open_or_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r'time zone|month|time of day'):
        nanoseconds_of_date(text)


@pytest.mark.parametrize('text', ['1e6000000', '1e999999', '-1e-999999', '9' * 5000])
def test_numbers_that_would_take_hours_are_none(text: str) -> None:
    start = time.monotonic()
    assert decimal_of(text) is None
    assert time.monotonic() - start < 1.0
    assert decimal_of('1714989900.123456789') == Decimal('1714989900.123456789')
