"""Tables of network costs: parameters, and multiply-accumulates (MACs) per image."""

from __future__ import annotations

from typing import Any

from ghost_vpr_ros.core.model.blank_network import blank_network
from ghost_vpr_ros.core.model.complexity import count_macs, count_parameters
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.experiment import read_experiment
from training.tables.plan import PlanRow, Table

_BINARY_MEGA = 2**20


def sizes_report(table: Table, command: str) -> dict[str, Any]:
    """Rows of the table, and their Markdown with the published figures.

    Raises:
        ConfigError: contradictory settings of a row.
    """
    rows = [network_size(table, row) for row in table.rows]
    return {
        'table': table.name,
        'question': table.question,
        'rows': rows,
        'markdown': _markdown(table, rows, command),
    }


def network_size(table: Table, row: PlanRow) -> dict[str, Any]:
    """The cost of a row's network at the table's input.

    Returns:
        `parameters` of all trained layers; `parameters_m` in 10^6 and `parameters_binary_m` in
        2^20, the latter without centres, as in Ghost-dil-NetVLAD; `gmacs` in 10^9.
    """
    experiment = read_experiment(table.base, row.changes)
    with blank_network():  # Nothing is computed, so no weights are needed.
        model = VprModel(experiment.model, experiment.preprocessing)
    model.pooling.initialised = True
    if isinstance(model.reduction, Reduction):
        model.reduction.initialised = True
    total = count_parameters(model)
    centres = getattr(model.pooling, 'centres', None)
    without = total - (0 if centres is None else centres.numel())
    size = experiment.preprocessing
    return {
        'row': row.name,
        'parameters': total,
        'parameters_m': round(total / 1e6, 3),
        'parameters_binary_m': round(without / _BINARY_MEGA, 2),
        'gmacs': round(count_macs(model, size.height_px, size.width_px) / 1e9, 3),
        'input': f'{size.width_px}x{size.height_px}',
    }


def _markdown(table: Table, rows: list[dict[str, Any]], command: str) -> str:
    first = rows[0]
    reference = table.reference
    lines = [
        f'### {table.name}\n\n{table.question}\n\n    {command}\n',
        f'Ours, counted at {first["input"]} with 64 clusters unless the row says otherwise.\n',
        '| network | parameters, 10^6 | in 2^20 without centres | MACs, 10^9 | of the first row |',
        '|---|--:|--:|--:|--:|',
    ]
    for row in rows:
        share = 100.0 * row['gmacs'] / first['gmacs']
        lines.append(
            f'| {row["row"]} | {row["parameters_m"]:.3f} | {row["parameters_binary_m"]:.2f} | '
            f'{row["gmacs"]:.3f} | {share:.2f} % |'
        )
    if reference is not None:
        lines += [
            f'\n#### Published ({table.published}): {reference.what}\n',
            'Copied from the paper, not measured here.\n',
            '| network | MACs, 10^9 | parameters, millions |',
            '|---|--:|--:|',
        ]
        data_set = next(iter(reference.sets))
        for name in (row.published for row in table.rows if row.published):
            macs, parameters = reference.row(data_set, name)
            lines.append(f'| {name} | {macs:g} | {parameters:g} |')
    return '\n'.join([*lines, ''])
