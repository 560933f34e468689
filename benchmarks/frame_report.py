"""The section of the page on the stages of a frame, from `benchmarks.frame_profile`."""

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
            f'From a JPEG message of {report["size"]} to the published hypothesis, in one process '
            'without transport between processes; milliseconds, medians over '
            f'{rows[0]["frames"]} frames, with cached keyframe features. "Bare" is the engine '
            'alone on the same image, just before the frame; "ratio" is the median of whole / '
            'bare. Verification starts during "describe" on a separate thread; "verify" is its '
            'remaining time. The last column is the load average of each row.'
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
