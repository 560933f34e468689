"""The page's section on one frame, from the figures of `benchmarks.frame_profile`."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import machine_lines, paragraph, table

STAGES = ('decode', 'preprocess', 'describe', 'search', 'decide', 'verify', 'publish and the rest')
"""In the order in which they run."""


def section(report: dict[str, Any]) -> list[str]:
    """The lines of the section."""
    rows = report['rows']
    return [
        '## Where the time of a frame goes',
        '',
        *machine_lines(report),
        *paragraph(
            f'From a JPEG message of {report["size"]} to the published hypothesis, in one '
            'process, so without transport between processes; milliseconds, medians over '
            f'{rows[0]["frames"]} frames, the keyframes of which were met before. "Bare" is the '
            'engine alone on the same image, just before the frame; "ratio" the median of whole '
            'by bare. Verification begins during "describe" on its own thread, and "verify" '
            'is its remaining time. Load average of each row in the last column.'
        ),
        '',
        *table(
            ['variant', 'bare', 'whole', 'p95', 'ratio', *STAGES, 'load'],
            [_cells(row) for row in rows],
        ),
    ]


def _cells(row: dict[str, Any]) -> list[str]:
    medians = row['median_ms']
    return [
        row['variant'],
        f'{medians["bare engine"]:.1f}',
        f'{medians["whole frame"]:.1f}',
        f'{row["p95_ms"]:.1f}',
        f'{row["ratio"]:.2f}',
        *(f'{medians[stage]:.2f}' if stage in medians else '' for stage in STAGES),
        f'{row["load"]:.1f}',
    ]
