"""The section of the page on kinds of layers, from `benchmarks.layer_profile`."""

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
            "OpenVINO's counters, one thread, one image at a time, medians; fused layers count as "
            'one. Limits of the machine, best of the same rounds, one thread: '
            f'{report["macs_s"] / 1e9:.0f} G MACs/s in a matrix product (float32), '
            f'{report["bytes_s"] / 1e9:.1f} GB/s in a copy. "of product" and "of copy" are the '
            'shares of these limits that a kind of layer reaches; bytes are counted as float32, '
            'each tensor once, so shares above 100 % of a copy mean cached data. Load average '
            f'{report["load"]:.1f} at the end.'
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
