"""The section of the page on speed, from `benchmarks.speed`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import machine_lines, paragraph, significant, table

TITLES = {
    'torch': 'PyTorch',
    'torch-compile': 'torch.compile',
    'onnxruntime': 'ONNX Runtime',
    'openvino': 'OpenVINO',
    'openvino-bf16': 'OpenVINO, bfloat16',
    'openvino-int8': 'OpenVINO, int8',
}


def section(report: dict[str, Any]) -> list[str]:
    """The lines of the section."""
    return [
        '## From an image to its descriptor',
        '',
        *machine_lines(report),
        *_how(report),
        '',
        '### Nominal cost of the networks',
        '',
        *_networks(report),
        '',
        '### Milliseconds per image',
        '',
        *_overview(report),
        '',
        *_engines(report),
    ]


def _how(report: dict[str, Any]) -> list[str]:
    before, after = report['load_average']
    return paragraph(
        f'One image at a time, {report["threads"]} threads. The time is from the pixels of an '
        "image, in the network's input size, to a descriptor of unit norm, without resizing. "
        'Networks named NetVLAD have the same head: NetVLAD with 64 clusters and a whitening to '
        '512 dimensions. All but the shipped one have random weights. Every network runs in a '
        f'separate process; they take turns, {report["rounds"]} rounds of blocks of up to '
        f'{report["repetitions"]} repetitions. "Head" is the median minus the median of the trunk '
        'alone, measured in the same rounds. "Times" is the median over the rounds of the ratio '
        f'to {_reference(report)}. Memory is the peak resident size of the process. "Start" is '
        'loading, compiling and the first image. "Cosine" compares the descriptor with that of '
        f'the first engine. Load average {before:.1f} before, {after:.1f} after.'
    )


def _reference(report: dict[str, Any]) -> str:
    return next((row['ratio_to'] for row in report['rows'] if 'ratio_to' in row), 'the first one')


def _networks(report: dict[str, Any]) -> list[str]:
    rows = [
        [
            known['network'],
            f'{known["width_px"]}x{known["height_px"]}',
            *(f'{known[key] / 1e6:.2f}' for key in ('trunk_parameters', 'parameters')),
            *(f'{known[key] / 1e9:.3f}' for key in ('trunk_macs', 'macs')),
        ]
        for known in report['networks']
    ]
    columns = ['network', 'input', 'trunk, M parameters', 'all', 'trunk, G MACs', 'all']
    counted = paragraph(
        'A MAC is one multiply-accumulate of a convolution or a matrix product; norms, '
        'activations, poolings, biases and additions are not counted '
        '(`ghost_vpr_ros/core/model/complexity.py`).'
    )
    return [*table(columns, rows), '', *counted]


def _overview(report: dict[str, Any]) -> list[str]:
    engines = list(dict.fromkeys(row['engine'] for row in report['rows']))
    by_both = {(row['network'], row['engine']): row for row in report['rows']}
    rows = [
        [
            known['network'],
            *(_median(by_both.get((known['network'], engine), {})) for engine in engines),
        ]
        for known in report['networks']
    ]
    return table(['median, ms', *(TITLES[engine] for engine in engines)], rows)


def _median(row: dict[str, Any]) -> str:
    return significant(row['p50_ms']) if 'p50_ms' in row else '-'


def _engines(report: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for engine in dict.fromkeys(row['engine'] for row in report['rows']):
        rows = [row for row in report['rows'] if row['engine'] == engine]
        lines += [f'### {TITLES[engine]}', '', *_engine(rows), '']
    return lines[:-1]


def _engine(rows: Sequence[dict[str, Any]]) -> list[str]:
    measured = [row for row in rows if 'p50_ms' in row]
    skipped = [row for row in rows if 'skipped' in row]
    if not measured:
        reasons = dict.fromkeys(row['skipped'] for row in skipped)
        return paragraph(f'Not measured: {"; ".join(reasons)}.')
    columns = ['network', 'p50 ms', 'p95 ms', 'times', 'head ms', 'D', 'MiB', 'start s', 'cosine']
    lines = table(columns, [_cells(row) for row in measured])
    for row in skipped:
        lines += ['', *paragraph(f'Not measured: {row["network"]} ({row["skipped"]}).')]
    return lines


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row['network'],
        significant(row['p50_ms']),
        significant(row['p95_ms']),
        f'{row["ratio"]:.2f}',
        significant(row['p50_ms'] - row['trunk_p50_ms'], 2),
        str(row['descriptor_dim']),
        f'{row["peak_mib"]:.0f}',
        f'{row["start_s"]:.1f}',
        f'{row["cosine"]:.5f}',
    ]
