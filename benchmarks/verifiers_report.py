"""The section of the page on local features, from `benchmarks.verifiers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import machine_lines, paragraph, table


def section(report: dict[str, Any]) -> list[str]:
    """The lines of the section."""
    rows = report['rows']
    lines = [
        '## Which local features verify best',
        '',
        *machine_lines(report),
        *paragraph(
            'Right pairs show one place (on bgu_campus a photo by night and the most similar one '
            'by day within 10 m, which may face another direction), wrong ones are the most '
            'similar images of other places. Accepted right / wrong pairs in percent. The least '
            f'number of inliers is reached by at most {100 * report["false_rate"]:.0f} % of the '
            f'wrong pairs of {" and ".join(report["learned_on"])}.'
        ),
        '',
        *_shares(rows),
        '',
        *paragraph(
            'Cost per frame: local features of an image, multiplications to compare them with '
            "one candidate, bytes of a keyframe's cached features, and of its stored view. The "
            "network's features come from the run that describes the image; a candidate without "
            'cached features needs another run.'
        ),
        '',
        *_work(rows),
    ]
    timed = [row for row in rows if 'ms' in row]
    return lines + ['', *_times(timed)] if timed else lines


def _shares(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = list(rows[0]['sets'])
    sizes = rows[0]['sets']
    heads = [f'{name} ({sizes[name]["right"]} / {sizes[name]["wrong"]})' for name in names]
    return table(
        ['`verify_features`', 'inliers', *heads],
        [
            [
                row['features'],
                str(row['evidence']['min_inliers']),
                *(_share(row['sets'][name]) for name in names),
            ]
            for row in rows
        ],
    )


def _share(counts: dict[str, int]) -> str:
    parts = ('right', 'wrong')
    shares = [100.0 * counts[f'{part}_accepted'] / max(counts[part], 1) for part in parts]
    return f'{shares[0]:.1f} / {shares[1]:.1f}'


def _work(rows: Sequence[dict[str, Any]]) -> list[str]:
    return table(
        ['`verify_features`', 'features', 'multiplications, 10^6', 'cached, kB', 'view, kB'],
        [
            [
                row['features'],
                f'{row["work"]["features"]:.0f}',
                f'{row["work"]["products_per_candidate"] / 1e6:.1f}',
                f'{row["work"]["remembered_bytes"] / 1e3:.0f}',
                f'{row["work"]["view_bytes"] / 1e3:.1f}',
            ]
            for row in rows
        ],
    )


def _times(rows: Sequence[dict[str, Any]]) -> list[str]:
    parts = ('new', 'remembered', 'load')
    return table(
        ['`verify_features`', 'three candidates, new, ms', 'cached, ms', 'load'],
        [
            [
                row['features'],
                *(f'{row["ms"][part]:.1f}' for part in parts),
            ]
            for row in rows
        ],
    )
