"""The page's section on layers, from the figures of `benchmarks.layer_profile`."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import machine_lines, paragraph, significant, table


def section(report: dict[str, Any]) -> list[str]:
    """The lines of the section."""
    return [
        "## Where the engine's time goes",
        '',
        *machine_lines(report),
        *paragraph(
            "OpenVINO's counters, one thread, one image at a time, medians; layers that the "
            'engine fused into another one count with it. The machine itself, best of the same '
            f'rounds, one thread: {report["macs_s"] / 1e9:.0f} G MACs a second in a matrix '
            f'product (float32), {report["bytes_s"] / 1e9:.1f} GB a second in a copy. The shares '
            'of these two that a kind of layer reaches are "of product" and "of copy"; bytes are '
            'counted as float32, each tensor once, so that more than all of a copy means that '
            f'caches held them. Load average {report["load"]:.1f} at the end.'
        ),
        '',
        *table(
            [
                'network',
                'kind of layer',
                'layers',
                'ms',
                'share',
                'G MACs',
                'MB',
                'of product',
                'of copy',
            ],
            [line for row in report['rows'] for line in _lines(row, report)],
        ),
    ]


def _lines(row: dict[str, Any], report: dict[str, Any]) -> list[list[str]]:
    name = f'{row["network"]}, {row["size"]}, {row["precision"]}'
    counted_ms = sum(kind['ms'] for kind in row['kinds'].values())
    lines = [[name, 'all, as timed from outside', '', f'{row["whole_ms"]:.1f}', *[''] * 5]]
    for kind, found in row['kinds'].items():
        seconds = found['ms'] / 1000.0
        of_product = found['macs'] / seconds / report['macs_s']
        of_copy = found['moved_bytes'] / seconds / report['bytes_s']
        lines.append(
            [
                '',
                kind,
                f'{found["layers"]:.0f}',
                f'{found["ms"]:.2f}',
                f'{100.0 * found["ms"] / counted_ms:.0f} %',
                significant(found['macs'] / 1e9),
                significant(found['moved_bytes'] / 1e6),
                f'{100.0 * of_product:.0f} %' if found['macs'] else '',
                f'{100.0 * of_copy:.0f} %' if found['moved_bytes'] else '',
            ]
        )
    return lines
