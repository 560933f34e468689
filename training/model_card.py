"""Write the model card of finished weights; every number comes from a file of the run.

python -m training.model_card --weights W --config training/configs/NAME.yaml
    --stages distill train whiten --figures FIGURES.json --out MODEL_CARD.md
    [--study STUDY.json] [--runs RUN ...] [--command 'python -m training...' ...]

FIGURES.json is what `python -m training.evaluate --out` wrote for these weights.

Licences and remarks come from a hand-written YAML file of notes, with a mapping `data` (folder
name: one sentence) and the lists `never_trained_on`, `intended_use`, `limits`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError, WeightsError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from ghost_vpr_ros.replay.output_files import write_file
from training.command import add_experiment_options
from training.datasets.data_config import DataConfig, expanded
from training.datasets.open_place_set import open_place_set
from training.entry import finish, new_parser
from training.experiment import Experiment, read_experiment, read_mapping
from training.head.whitening import WhiteningConfig
from training.measure.protocols import PROTOCOLS, Protocol, open_protocol, read_protocols
from training.refinement.refinement import RefinementConfig
from training.tables.plan import STAGES
from training.trunk.classification import ClassificationConfig
from training.trunk.distillation import DistillationConfig
from training.trunk.photo_views import open_unweighted

LICENCE = 'Apache-2.0'


NOTES = Path(__file__).parent / 'configs' / 'data_notes.yaml'


@dataclass(frozen=True)
class Source:
    """Images used in one stage of the recipe.

    Attributes:
        use: name of the stage.
        text: as in the configuration.
        note: description and licence; empty if there is no note.
        images: number of images; None if unknown.
        config: of a data set; None for photos without positions.
    """

    use: str
    text: str
    note: str = ''
    images: int | None = None
    config: DataConfig | None = None


@dataclass(frozen=True)
class Notes:
    """Notes on data and network.

    Attributes:
        data: sentence by folder name.
        never_trained_on: sentences.
        intended_use: sentences.
        limits: sentences.
    """

    data: dict[str, str]
    never_trained_on: tuple[str, ...]
    intended_use: tuple[str, ...]
    limits: tuple[str, ...]


def read_notes(path: Path = NOTES) -> Notes:
    """The notes of a YAML file.

    Raises:
        ConfigError: not readable, or not of this form.
    """
    values = read_mapping(path)
    lists = [values.get(key, []) for key in ('never_trained_on', 'intended_use', 'limits')]
    data = values.get('data', {})
    if not isinstance(data, dict) or not all(isinstance(each, list) for each in lists):
        raise ConfigError(
            f'{path}: expected a mapping `data` and lists `never_trained_on`, `intended_use` and '
            '`limits`, found something else'
        )
    return Notes(data, *(tuple(map(str, each)) for each in lists))


def sources_of(experiment: Experiment, stages: Sequence[str], notes: Notes) -> list[Source]:
    """The image sources of the stages that were run, in order.

    Args:
        experiment: configuration of the stages.
        stages: some of pretrain, distill, train, whiten, refine.
        notes: descriptions of the sources.
    """
    whitening = experiment.section(WhiteningConfig).images
    sets: tuple[DataConfig, ...] = experiment.data.get('train', ())
    photos = experiment.section(DistillationConfig).photos
    places = experiment.section(RefinementConfig).places
    used: dict[str, Sequence[str | DataConfig]] = {
        'pretrain': experiment.section(ClassificationConfig).folders,
        'distill': [text.partition(' ')[2] for text in photos],
        'train': sets,
        'whiten': whitening or sets,
        'refine': [_images_of(text) for text in places],
    }
    return [
        _source(stage, each, notes)
        for stage, found in used.items()
        if stage in stages
        for each in found
    ]


def _images_of(places: str) -> str:
    """`PATH [COLUMN=VALUE ...]` of a source of places, queries and database alike."""
    words = places.split()[2:]
    return ' '.join(word for word in words if not word.startswith(('queries:', 'database:')))


def _source(stage: str, what: str | DataConfig, notes: Notes) -> Source:
    """A source with its note; data sets are written `PATH [split=SPLIT] [COLUMN=VALUE ...]`."""
    if isinstance(what, str):
        return Source(stage, what, _note_of(what, notes))
    split = [f'split={what.split}'] if what.split else []
    text = ' '.join([*what.path, *split, *what.where])
    return Source(stage, text, _note_of(text, notes), config=what)


def _note_of(text: str, notes: Notes) -> str:
    """The note of the innermost folder of the path that has one."""
    folders = reversed(Path(text.split(' ')[0]).parts)
    return next((notes.data[name] for name in folders if name in notes.data), '')


def counted(source: Source) -> tuple[Source, set[Path]]:
    """The source with its number of images, and their files.

    Raises:
        SourceError: it cannot be read.
        ConfigError: no note describes it.
    """
    if not source.note:
        raise ConfigError(
            f'{source.text}: expected a note on its content and licence, found none; add its '
            f'folder to `data` in {NOTES.name}'
        )
    if source.config is not None:
        files = {file.resolve() for file in open_place_set(source.config).files}
    else:
        path = expanded(source.text.split(' ')[0])
        root = path if path.is_dir() else path.parent
        files = files_of(root, open_unweighted([source.text]))
    return replace(source, images=len(files)), files


def files_of(root: Path, frames: Iterable[Frame]) -> set[Path]:
    """The files of frames whose names are relative to `root`."""
    return {(root / frame.name).resolve() for frame in frames}


def check_held_out(training: set[Path], protocols: Sequence[Protocol]) -> int:
    """Check that no evaluation image was used in training; return the number of these images.

    Raises:
        SourceError: an image of a protocol was used in training.
    """
    evaluated: set[Path] = set()
    for protocol in protocols:
        for root, frames in zip(
            protocol.roots, (protocol.database, protocol.queries), strict=True
        ):
            files = files_of(Path(root), frames)
            shared = sorted(files & training)
            if shared:
                raise SourceError(
                    f'{protocol.name}: expected images that were not trained on, found '
                    f'{len(shared)} of {len(files)} in the training data, first {shared[0]}; '
                    'measure by another protocol, or train without them'
                )
            evaluated |= files
    return len(evaluated)


@dataclass(frozen=True)
class CardFacts:
    """The content of a model card.

    Attributes:
        model: the network.
        file_name: of the weights.
        file_bytes: size of that file.
        experiment: the recipe and the seed.
        sources: of its training.
        notes: on data and use.
        figures: rows of `training.evaluate` for these weights.
        held_out: number of evaluation images checked against the training data; None: unchecked.
        runs: metrics of its runs by name, as in their metrics.json.
        study: table of several seeds, Markdown; may be empty.
        commands: that produced it, in order.
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
    """The card as Markdown, without empty sections."""
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
    """The card that a training run writes next to its weights.

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
        'input': f'{size.width_px}x{size.height_px} px, RGB{_light(size)}',
        'descriptor': f'{model.descriptor_dim} numbers, unit norm',
        'parameters': f'{sum(p.numel() for p in model.parameters()):,}',
        'file': f'{facts.file_name}, {facts.file_bytes / 1e6:.1f} MB',
        'hash': model.model_hash,
        'origin': model.provenance,
        'seed': facts.experiment.seed,
    }
    return _two_columns(rows)


def _light(config: PreprocessingConfig) -> str:
    """Preprocessing of an image's brightness and contrast, as the end of a sentence."""
    changes = [('brightness', 'brightened to'), ('local_contrast', 'local contrast')]
    return ''.join(
        f', {words} {getattr(config, n):g}' for n, words in changes if getattr(config, n)
    )


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
        f'None of the {facts.held_out} images behind the figures above was used in training; this '
        'was checked file by file.'
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
    """The rows that were measured with these weights.

    Raises:
        SourceError: not the output of `training.evaluate`.
        WeightsError: the figures are of other weights.
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
            f'{path}: expected figures of weights {model.model_hash[:12]}, found figures of '
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
    parser.add_argument(
        '--stages', nargs='+', required=True, choices=STAGES, help='stages that were run'
    )
    parser.add_argument(
        '--figures', type=Path, required=True, help='JSON file of training.evaluate --out'
    )
    parser.add_argument('--out', type=Path, required=True, help='Markdown file to write')
    parser.add_argument('--study', type=Path, help='JSON of a table with several seeds')
    parser.add_argument('--runs', type=Path, nargs='+', default=[], help='run folders')
    parser.add_argument(
        '--notes', type=Path, default=NOTES, help="YAML file; default: this project's"
    )
    parser.add_argument(
        '--protocols', type=Path, default=PROTOCOLS, help="YAML file; default: this project's"
    )
    parser.add_argument('--out-name', help='name of the weights file in the package')
    parser.add_argument(
        '--command', action='append', default=[], help='command that produced it; repeatable'
    )
    args = parser.parse_args(arguments)
    return finish('model_card', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
