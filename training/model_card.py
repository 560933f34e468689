"""The model card of finished weights: every number in it comes from a file of the run.

python -m training.model_card --weights W --config training/configs/NAME.yaml
    --stages distill train whiten --figures FIGURES.json --out MODEL_CARD.md
    [--study STUDY.json] [--runs RUN ...] [--command 'python -m training...' ...]

FIGURES.json is what `python -m training.evaluate --out` wrote for these weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from ghost_vpr_ros.replay.output_files import write_file
from training.card_sources import (
    NOTES,
    Notes,
    Source,
    check_held_out,
    counted,
    read_notes,
    sources_of,
)
from training.command import add_experiment_options, finish, new_parser
from training.experiment import Experiment, read_experiment
from training.measure.protocols import PROTOCOLS, open_protocol, read_protocols
from training.tables.plan import STAGES

LICENCE = 'Apache-2.0'


@dataclass(frozen=True)
class CardFacts:
    """Everything that a model card says.

    Attributes:
        model: the network.
        file_name: of the weights.
        file_bytes: size of that file.
        experiment: the recipe and the seed.
        sources: what it was trained on.
        notes: what people know about data and use.
        figures: rows of `training.evaluate` for these weights.
        held_out: evaluation images that were compared with those of the training; None: not done.
        runs: metrics of its runs by name, as in their metrics.json.
        study: table of several seeds, Markdown; may be empty.
        commands: that made it, in order.
    """

    model: VprModel
    file_name: str
    file_bytes: int
    experiment: Experiment
    sources: Sequence[Source]
    notes: Notes
    figures: Sequence[Mapping[str, Any]] = ()
    held_out: int | None = None
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    study: str = ''
    commands: Sequence[str] = ()


def model_card(facts: CardFacts) -> str:
    """The card as Markdown; sections about which nothing is known are left out."""
    sections = (
        ('Weights', _weights(facts)),
        ('Intended use', _list(facts.notes.intended_use)),
        ('Limits', _list(facts.notes.limits)),
        ('Figures', _figures(facts)),
        ('Several seeds', facts.study.strip()),
        ('Trained on', _sources(facts)),
        ('Never trained on', _never(facts)),
        ('Recipe', _recipe(facts)),
        ('Runs', _runs(facts)),
        ('Licence', f'The weights are {LICENCE}, as the code is. Images are not part of them.'),
    )
    parts = [f'## {title}\n\n{text}\n' for title, text in sections if text]
    return '\n'.join([f'# {facts.file_name}\n', *parts])


def run_card(experiment: Experiment, weights: Path, metrics: Mapping[str, Any]) -> str:
    """The card that a training leaves beside its weights.

    Args:
        experiment: of the run.
        weights: its result.
        metrics: content of its metrics.json.
    """
    notes = Notes(read_notes().data, (), (), ())
    recall = {f'validation recall@{n}': v for n, v in metrics.get('val_recall', {}).items()}
    facts = CardFacts(
        model=load_model(weights),
        file_name=weights.name,
        file_bytes=weights.stat().st_size,
        experiment=experiment,
        sources=sources_of(experiment, ['train'], notes),
        notes=notes,
        runs={'train': {**recall, **metrics}},
    )
    return model_card(facts)


def _weights(facts: CardFacts) -> str:
    model, size = facts.model, facts.model.preprocessing
    rows = {
        'network': model.name,
        'input': f'{size.width_px}x{size.height_px} px, RGB',
        'descriptor': f'{model.descriptor_dim} numbers, unit norm',
        'parameters': f'{sum(p.numel() for p in model.parameters()):,}',
        'file': f'{facts.file_name}, {facts.file_bytes / 1e6:.1f} MB',
        'hash': model.model_hash,
        'origin': model.provenance,
        'seed': facts.experiment.seed,
    }
    return _two_columns(rows)


def _figures(facts: CardFacts) -> str:
    if not facts.figures:
        return ''
    ranks = list(facts.figures[0]['recall'])
    head = ['protocol', 'D', *(f'r@{n}' for n in ranks), 'queries', 'database']
    rows = [
        [
            row['protocol'],
            row['descriptor_dim'],
            *(f'{row["recall"][n]:.1f}' for n in ranks),
            f'{row["num_queries"]} ({row["num_queries_without_positives"]} without positives)',
            row['num_database'],
        ]
        for row in facts.figures
    ]
    return 'Recall@N in percent of the queries with positives.\n\n' + _table(head, rows)


def _sources(facts: CardFacts) -> str:
    rows = [
        [
            source.use,
            f'`{source.text}`',
            '' if source.images is None else source.images,
            source.note,
        ]
        for source in facts.sources
    ]
    return _table(['stage', 'source', 'images', 'what it is'], rows) if rows else ''


def _never(facts: CardFacts) -> str:
    text = _list(facts.notes.never_trained_on)
    if facts.held_out is None:
        return text
    checked = (
        f'None of the {facts.held_out} images behind the figures above is among the images of '
        'training; this was compared file by file.'
    )
    return f'{text}\n\n{checked}'.strip()


def _recipe(facts: CardFacts) -> str:
    commands = '\n'.join(facts.commands)
    shown = f'```bash no-run\n{commands}\n```\n\n' if commands else ''
    recipe = yaml.safe_dump(facts.experiment.to_dict(), sort_keys=False, width=95)
    return f'{shown}```yaml\n{recipe}```'


def _runs(facts: CardFacts) -> str:
    plain = {
        name: {key: value for key, value in metrics.items() if not isinstance(value, dict | list)}
        for name, metrics in facts.runs.items()
    }
    return '\n\n'.join(f'{name}:\n\n{_two_columns(rows)}' for name, rows in plain.items())


def _list(sentences: Sequence[str]) -> str:
    return '\n'.join(f'- {sentence}' for sentence in sentences)


def _two_columns(rows: Mapping[str, Any]) -> str:
    shown = ([key, f'{v:.6g}' if isinstance(v, float) else v] for key, v in rows.items())
    return _table(['', ''], list(shown))


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(map(_cell, line)) + ' |' for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace('|', '\\|').replace('\n', ' ')


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SourceError(f'{path}: not readable as JSON ({error}); check the path') from error


def _figures_of(path: Path, model: VprModel) -> list[Mapping[str, Any]]:
    """The rows that were measured with exactly these weights.

    Raises:
        SourceError: not such a file.
        WeightsError: the file is about other weights.
    """
    results = _read_json(path)
    try:
        hashes = [result['hash'] for result in results]
        rows = [row for result in results if result['hash'] == model.model_hash
                for row in result['rows']]  # fmt: skip
    except (TypeError, KeyError) as error:
        raise SourceError(
            f'{path}: expected the output of `training.evaluate --out`, found something else '
            f'({error})'
        ) from error
    if not rows:
        raise WeightsError(
            f'{path}: expected figures of weights {model.model_hash[:12]}, found those of '
            f'{", ".join(each[:12] for each in hashes)}; evaluate these weights'
        )
    return rows


def _facts(args: argparse.Namespace) -> CardFacts:
    model = load_model(args.weights)
    experiment, notes = read_experiment(args.config, args.set), read_notes(args.notes)
    figures = _figures_of(args.figures, model)
    pairs = [counted(source) for source in sources_of(experiment, args.stages, notes)]
    training = {file for _, files in pairs for file in files}
    configs = read_protocols(args.protocols, list(dict.fromkeys(r['protocol'] for r in figures)))
    protocols = [open_protocol(name, config) for name, config in configs.items()]
    return CardFacts(
        model=model,
        file_name=args.out_name or args.weights.name,
        file_bytes=args.weights.stat().st_size,
        experiment=experiment,
        sources=[source for source, _ in pairs],
        notes=notes,
        figures=figures,
        held_out=check_held_out(training, protocols),
        runs={run.name: _read_json(run / 'metrics.json') for run in args.runs},
        study='' if args.study is None else _read_json(args.study)['markdown'],
        commands=args.command,
    )


def _run(args: argparse.Namespace) -> str:
    write_file(args.out, model_card(_facts(args)))
    return f'{args.out}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('model_card', __doc__)
    add_experiment_options(parser)
    parser.add_argument('--weights', type=Path, required=True, help='finished weights')
    parser.add_argument('--stages', nargs='+', required=True, choices=STAGES, help='that were run')
    parser.add_argument('--figures', type=Path, required=True, help='of training.evaluate')
    parser.add_argument('--out', type=Path, required=True, help='Markdown file to write')
    parser.add_argument('--study', type=Path, help='JSON of a table with several seeds')
    parser.add_argument('--runs', type=Path, nargs='+', default=[], help='folders of its runs')
    parser.add_argument('--notes', type=Path, default=NOTES, help='YAML; default: ours')
    parser.add_argument('--protocols', type=Path, default=PROTOCOLS, help='YAML; default: ours')
    parser.add_argument('--out-name', help='what the weights file is called in the package')
    parser.add_argument('--command', action='append', default=[], help='that made it; repeatable')
    args = parser.parse_args(arguments)
    return finish('model_card', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
