"""The page's section on the node, from the figures of `benchmarks.node_latency`."""

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
            f'Images of {report["size"]} from one process, the node in a second, a listener in a '
            f'third, all on the same machine; {report["seconds"]:g} s for each row, after all '
            f'{report["num_images"]} images once; {engines}, `OMP_NUM_THREADS` '
            f'{report["threads"]}. Latency is from the stamp of the image to the arrival of the '
            'hypothesis in the listener. "Lost" is what DDS missed, '
            '"overtaken" gave way to a newer image, in the queue of one of the reader or in the '
            f'node. CPU in percent of one core{_span_of_cpu(report)}; load is the average of the '
            f'last minute.{_left_out(report)}'
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
            f'images are coming already): median {np.median(starts_s):.1f} s, longest '
            f'{max(starts_s):.1f} s of {len(starts_s)} starts.'
        ),
    ]


def _span_of_cpu(report: dict[str, Any]) -> str:
    """Earlier reports, which name no runs that were left out, counted the waiting before, too."""
    return (
        ', while images come' if 'left_out' in report else ', the start of the publisher included'
    )


def _left_out(report: dict[str, Any]) -> str:
    """A sentence on the runs that there was no time for."""
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
