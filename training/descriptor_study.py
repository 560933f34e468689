"""Measure recall by network, descriptor size D and storage format.

python -m training.descriptor_study --config training/configs/NAME.yaml --out FOLDER
    --weights A B C [--dims 64 128 256 512 4096] [--only gsv_test ...] [--images SOURCE ...]

The whitening of each network is learned on the same training images, those of the configuration or
of --images; a smaller D is the prefix of a larger one. Unwhitened descriptors are measured as
well. FOLDER gets a table, the figures as JSON, and a picture.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.principal_components import SpanError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from ghost_vpr_ros.core.model.whitening import Whitening
from ghost_vpr_ros.replay.evaluation.plots import png_of
from ghost_vpr_ros.replay.output_files import output_folder, write_file, write_json
from training.entry import finish, new_parser
from training.evaluate import DATA_VARIABLE
from training.experiment import Experiment
from training.head.unwhitened import unwhitened_descriptors
from training.head.whitening import WhiteningConfig, whitened
from training.loop.schedule import ScheduleConfig
from training.measure.protocols import PROTOCOLS, Protocol, open_protocol, read_protocols
from training.measure.storage_formats import FORMATS
from training.places.selection import recall_of
from training.whiten import (
    add_whitening_options,
    input_of,
    read_whitening_experiment,
    training_descriptors,
)

DIMS = (64, 128, 256, 512, 4096)

StudyRow = dict[str, Any]
"""Recall and bytes of one network, protocol, D and format."""


@dataclass(frozen=True)
class Study:
    """The conditions under which all networks are compared.

    Attributes:
        experiment: training images of the whitening, its settings, seed.
        protocols: to measure.
        dims: sizes D.
        folder: for cached descriptors.
        device: to run the networks on.
    """

    experiment: Experiment
    protocols: Sequence[Protocol]
    dims: Sequence[int]
    folder: Path
    device: str

    def rows_of(self, name: str, model: VprModel) -> list[StudyRow]:
        """The figures of one network.

        Raises:
            GhostVprError: images cannot be read, or the disk is too small.
        """
        config = self.experiment.section(WhiteningConfig)
        model.preprocessing = input_of(model, self.experiment)
        folder = self.folder / name / 'training'
        examples, _ = training_descriptors(model, self.experiment, folder, self.device)
        layers = [
            layer
            for dims in shared_fits(self.dims, config)
            for layer in self._layers(name, model, examples, dims)
        ]
        rows: list[StudyRow] = []
        for protocol in self.protocols:
            sides = [
                self._describe(name, model, frames, root, f'{protocol.name}-{side}')
                for side, frames, root in (
                    ('queries', protocol.queries, protocol.roots[1]),
                    ('database', protocol.database, protocol.roots[0]),
                )
            ]
            rows += _rows(name, protocol, sides, layers)
        return rows

    def _layers(
        self,
        name: str,
        model: VprModel,
        examples: Sequence[NDArray[np.float16]],
        dims: Sequence[int],
    ) -> Iterator[tuple[int, Whitening]]:
        """A whitening for each size, all prefixes of the largest one that can be learned.

        Raises:
            ConfigError: the memory is too small.
        """
        config, (first, *changed) = self.experiment.section(WhiteningConfig), examples
        fit = partial(whitened, model.cpu(), first, config=config, seed=self.experiment.seed)
        possible = [dim for dim in dims if dim <= model.pooling.out_dim]
        while possible:
            try:
                largest = fit(dim=possible[-1], changed=changed[0] if changed else None).whitening
            except SpanError as error:
                possible = [dim for dim in possible if dim <= error.found]
                continue
            assert isinstance(largest, Whitening)
            yield from ((dim, largest.prefix(dim)) for dim in possible)
            break
        for dim in sorted(set(dims) - set(possible)):
            sys.stderr.write(
                f'note: {name}: D = {dim} is left out, the training images span fewer directions\n'
            )

    def _describe(
        self, name: str, model: VprModel, frames: Sequence[Frame], source: str, what: str
    ) -> NDArray[np.float16]:
        schedule = self.experiment.section(ScheduleConfig)
        folder = self.folder / name / what
        return unwhitened_descriptors(model, frames, source, folder, schedule, self.device)


def shared_fits(dims: Sequence[int], config: WhiteningConfig) -> list[list[int]]:
    """Groups of sizes whose whitenings are prefixes of the largest in the group.

    With `light_pairs`, sizes above `pair_subspace` each need a fit of their own.
    """
    if not config.light_pairs:
        return [sorted(dims)]
    within = [dim for dim in sorted(dims) if dim <= config.pair_subspace]
    beyond = [[dim] for dim in sorted(dims) if dim > config.pair_subspace]
    return [within, *beyond] if within else beyond


def _rows(
    name: str,
    protocol: Protocol,
    sides: Sequence[NDArray[np.float16]],
    layers: Sequence[tuple[int, Whitening]],
) -> Iterator[StudyRow]:
    """Recall of the unwhitened descriptor, then of every D and format."""
    raw = [side.astype(np.float32) for side in sides]
    yield _row(name, protocol, 'float32', raw, is_whitened=False)
    for _, layer in layers:
        with torch.no_grad():
            short = [layer(torch.from_numpy(side)).numpy() for side in raw]
        for storage in FORMATS:
            yield _row(name, protocol, storage, short, is_whitened=True)


def _row(
    name: str,
    protocol: Protocol,
    storage: str,
    sides: Sequence[NDArray[np.float32]],
    *,
    is_whitened: bool,
) -> StudyRow:
    queries, database = (FORMATS[storage].stored(side) for side in sides)
    dim = queries.shape[1]
    return {
        'weights': name,
        'protocol': protocol.name,
        'descriptor_dim': dim,
        'whitened': is_whitened,
        'format': storage,
        'bytes_per_place': FORMATS[storage].bytes_per_place(dim),
        'recall': {str(n): v for n, v in recall_of(queries, database, protocol.truth).items()},
        'num_queries': len(queries),
        'num_database': len(database),
    }


def study_table(rows: Sequence[StudyRow]) -> str:
    """The rows as a Markdown table, one line per network, D and format."""
    protocols = list(dict.fromkeys(row['protocol'] for row in rows))
    lines = [
        f'| weights | D | format | bytes | {" | ".join(protocols)} |',
        '|---|--:|---|--:|' + '--:|' * len(protocols),
    ]
    cells: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in rows:
        dim = f'{row["descriptor_dim"]}' + ('' if row['whitened'] else ', not whitened')
        key = (row['weights'], dim, row['format'], row['bytes_per_place'])
        text = ' / '.join(f'{value:.1f}' for value in row['recall'].values())
        cells.setdefault(key, {})[row['protocol']] = text
    for key, found in cells.items():
        lines.append(f'| {" | ".join(map(str, (*key, *(found[p] for p in protocols))))} |')
    return '\n'.join([*lines, ''])


def _run(args: argparse.Namespace) -> str:
    experiment = read_whitening_experiment(args)
    names = [_name_of(path) for path in args.weights]
    if len(set(names)) < len(names):
        raise ConfigError(
            f'--weights: expected files with different names, found {", ".join(names)}; the '
            'tables list networks by name, so rename one'
        )
    configs = read_protocols(args.protocols, args.only)
    protocols = [open_protocol(name, config) for name, config in configs.items()]
    with output_folder(args.out) as folder:
        return _studied(args, experiment, protocols, names, folder)


def _studied(
    args: argparse.Namespace,
    experiment: Experiment,
    protocols: Sequence[Protocol],
    names: Sequence[str],
    folder: Path,
) -> str:
    """Measure, write the results after each network, and return the table."""
    study = Study(experiment, protocols, sorted(args.dims), folder / 'descriptors', args.device)
    rows: list[StudyRow] = []
    networks = []
    for name, path in zip(names, args.weights, strict=True):
        model = load_model(path)
        described = {'name': model.name, 'hash': model.model_hash, 'origin': model.provenance}
        networks.append({'weights': name, **described})
        rows += study.rows_of(name, model)
        write_json(folder / 'study.json', {'networks': networks, 'rows': rows})
    table = study_table(rows)
    write_file(folder / 'study.md', table)
    write_file(folder / 'study.png', draw_study(rows))
    return table


def _name_of(path: Path) -> str:
    """The file's name without suffix, or its folder's name for `RUN/weights.safetensors`."""
    return path.parent.name if path.stem == 'weights' else path.stem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('descriptor_study', __doc__)
    add_whitening_options(parser)
    parser.add_argument('--weights', type=Path, nargs='+', required=True, help='weights files')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    parser.add_argument('--dims', type=int, nargs='+', default=DIMS, help='sizes D')
    parser.add_argument('--protocols', type=Path, default=PROTOCOLS, help='YAML; default: ours')
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME', help='these protocols')
    parser.add_argument('--data', type=Path, help=f'value of ${DATA_VARIABLE} in the protocols')
    args = parser.parse_args(arguments)
    if min(args.dims) < 1:
        parser.error('--dims: expected sizes from 1')
    if args.data is not None:
        os.environ[DATA_VARIABLE] = str(args.data)
    return finish('descriptor_study', lambda: _run(args))


_MARKERS = dict(zip(FORMATS, 'osDx', strict=True))

_PANEL_INCHES = (5.5, 4.5)


def draw_study(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG with one panel per protocol, a colour per network and a marker per format.

    Args:
        rows: of `training.descriptor_study`.
    """
    protocols = list(dict.fromkeys(row['protocol'] for row in rows))
    width, height = _PANEL_INCHES
    figure = Figure((width * len(protocols), height), layout='constrained')
    panels = figure.subplots(1, len(protocols), squeeze=False)[0]
    for panel, protocol in zip(panels, protocols, strict=True):
        _draw_panel(panel, [row for row in rows if row['protocol'] == protocol])
        panel.set_title(protocol)
    panels[0].set_ylabel('recall@1 (%)')
    panels[-1].legend(fontsize='small')
    return png_of(figure)


def _draw_panel(panel: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    networks = list(dict.fromkeys(row['weights'] for row in rows))
    for number, network in enumerate(networks):
        for storage, marker in _MARKERS.items():
            points = [
                (row['bytes_per_place'], row['recall']['1'])
                for row in rows
                if (row['weights'], row['format'], row['whitened']) == (network, storage, True)
            ]
            if points:
                label = f'{network}, {storage}'
                panel.plot(
                    *zip(*points, strict=True), f'{marker}-', color=f'C{number}', label=label
                )
    panel.set_xscale('log', base=2)
    panel.set_xlabel('bytes per place')
    panel.grid(alpha=0.3)


if __name__ == '__main__':
    sys.exit(main())
