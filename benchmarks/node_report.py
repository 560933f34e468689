"""The section of the page on the node, from `benchmarks.node_latency`."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.markdown import machine_lines, paragraph, table


def section(report: dict[str, Any]) -> list[str]:
    """The lines of the section."""
    starts_s = report['starts_s']
    given = ', '.join(f'`{name}: {value}`' for name, value in report.get('parameters', {}).items())
    engines = ', '.join(dict.fromkeys(row['engine'] for row in report['rows']))
    return [
        f'## From an image message to its hypothesis{f", {given}" if given else ""}',
        '',
        *machine_lines(report),
        *paragraph(
            f'Publisher of {report["size"]} images, node and listener are three processes on one '
            f'machine; {report["seconds"]:g} s for each row, after one pass over all '
            f'{report["num_images"]} images; {engines}, `OMP_NUM_THREADS` {report["threads"]}. '
            'Latency is from the stamp of the image to the arrival of the hypothesis in the '
            'listener. "Lost" frames were missed by DDS; "overtaken" frames were replaced by a '
            "newer one, in the reader's queue of length 1 or in the node. CPU is in percent of "
            f'one core{_span_of_cpu(report)}; load is the average of the last minute.'
            f'{_left_out(report)}'
        ),
        '',
        *table(
            [
                'variant',
                'Hz',
                'published',
                'answered',
                'lost',
                'overtaken',
                'p50 ms',
                'p95 ms',
                'inference p50 ms',
                'CPU %',
                'RSS MiB',
                'load',
            ],
            [_cells(row) for row in report['rows']],
        ),
        '',
        *paragraph(
            f'From the start of the node to its first hypothesis ({report["start_variant"]}, '
            f'while images are published): median {np.median(starts_s):.1f} s, longest '
            f'{max(starts_s):.1f} s of {len(starts_s)} starts.'
        ),
    ]


def _span_of_cpu(report: dict[str, Any]) -> str:
    """The time span of the CPU figures; reports without `left_out` include the start-up."""
    return (
        ', while images are published'
        if 'left_out' in report
        else ', including the start of the publisher'
    )


def _left_out(report: dict[str, Any]) -> str:
    """A sentence on the runs that were left out for time."""
    names = report.get('left_out', [])
    return f' Left out for time: {", ".join(names)}.' if names else ''


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row['variant'],
        f'{row["rate_hz"]:g}',
        *(str(row[key]) for key in ('published', 'answered', 'lost_in_transport', 'overtaken')),
        *(f'{row[key]:.0f}' for key in ('latency_p50_ms', 'latency_p95_ms', 'inference_p50_ms')),
        f'{row["node_cpu_percent"]:.0f}',
        f'{row["node_memory_mib"]:.0f}',
        f'{row["load"]:.1f}',
    ]
