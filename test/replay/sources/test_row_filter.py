"""Rows chosen by value or by a range of numbers; otherwise the remedy is named."""

from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.manifest import filter_rows
from ghost_vpr_ros.replay.sources.manifest_columns import TableRow

TIMES = ['060000', '175959', '180000', '235959', '000000', '055959', '']


def rows_of(**columns):
    lines = zip(*columns.values(), strict=True)
    return [
        TableRow(Path('m.csv'), line, dict(zip(columns, cells, strict=True)))
        for line, cells in enumerate(lines, start=2)
    ]


def times_with(condition):
    return [row.text('time') for row in filter_rows(rows_of(time=TIMES), {'time': condition})]


@pytest.mark.parametrize(
    ('condition', 'expected'),
    [
        ('060000..175959', ['060000', '175959']),
        ('180000..055959', ['180000', '235959', '000000', '055959']),  # over midnight
        ('180000 .. 180000', ['180000']),
        ('-1..0', ['000000']),
        ('235958.5..2.4e5', ['235959']),
        ('175959', ['175959']),
        ('', ['']),
    ],
)
def test_a_range_holds_both_ends_and_goes_over_the_end(condition, expected):
    assert times_with(condition) == expected


def test_all_conditions_must_hold():
    rows = rows_of(split=['test', 'test', 'train'], heading_deg=['350', '90', '10'])
    kept = filter_rows(rows, {'split': 'test', 'HEADING_DEG': '315..45'})
    assert [row.line for row in kept] == [2]


def test_a_text_that_occurs_is_no_range():
    rows = rows_of(frames=['1..2', '1', '3..4'])
    assert [row.text('frames') for row in filter_rows(rows, {'frames': '1..2'})] == ['1..2']


@pytest.mark.parametrize(
    ('where', 'message'),
    [
        ({'when': '1..2'}, "m.csv: no column 'when' to filter by; known: split, time"),
        ({'tim': '1..2'}, "m.csv: no column 'tim' to filter by; did you mean 'time'?"),
        ({'time': '1..2'}, 'm.csv: no row with time=1..2; time goes from 94711 to 180000'),
        ({'time': '6..'}, "m.csv: no row with time=6..; time is one of '094711', '180000'"),
        ({'time': 'nan..2'}, "m.csv: no row with time=nan..2; time is one of '094711', '180000'"),
        ({'split': 'val'}, "m.csv: no row with split=val; split is one of 'test', 'train'"),
        (
            {'split': '6..17'},
            "m.csv row 2: expected a finite number in split, found 'test'; the range split=6..17 "
            'needs numbers',
        ),
    ],
)
def test_what_cannot_be_chosen_is_said_with_what_exists(where, message):
    rows = rows_of(split=['test', 'train'], time=['094711', '180000'])
    with pytest.raises(SourceError) as caught:
        filter_rows(rows, where)
    assert str(caught.value) == message


def test_a_range_over_empty_cells_only():
    with pytest.raises(SourceError, match=r'no row with time=1\.\.2; time is empty$'):
        filter_rows(rows_of(time=['', '']), {'time': '1..2'})
