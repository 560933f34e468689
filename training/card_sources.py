"""What a network was trained on, for its model card, and that no evaluation image is in it.

Licences and remarks come from a file of notes, written by people who know the data: YAML with a
mapping `data` (folder name: one sentence) and the lists `never_trained_on`, `intended_use`,
`limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from training.datasets.data_config import DataConfig, expanded
from training.datasets.open_place_set import open_place_set
from training.experiment import Experiment, read_mapping
from training.head.whitening import WhiteningConfig
from training.measure.protocols import Protocol
from training.trunk.classification import ClassificationConfig
from training.trunk.distillation import DistillationConfig
from training.trunk.photo_views import open_unweighted

NOTES = Path(__file__).parent / 'configs' / 'data_notes.yaml'


@dataclass(frozen=True)
class Source:
    """Images that a part of the recipe used.

    Attributes:
        use: which part.
        text: as the configuration has it.
        note: what it is and under which licence; empty where no note knows it.
        images: how many; None where nobody counted.
        config: of a data set; None for photos without positions.
    """

    use: str
    text: str
    note: str = ''
    images: int | None = None
    config: DataConfig | None = None


@dataclass(frozen=True)
class Notes:
    """What people know about data and network.

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
    """The sources of the stages that were run, in their order.

    Args:
        experiment: whose configuration names them.
        stages: some of pretrain, distill, train, whiten.
        notes: for the sentence of each.
    """
    whitening = experiment.section(WhiteningConfig).images
    sets: tuple[DataConfig, ...] = experiment.data.get('train', ())
    photos = experiment.section(DistillationConfig).photos
    used: dict[str, Sequence[str | DataConfig]] = {
        'pretrain': experiment.section(ClassificationConfig).folders,
        'distill': [text.partition(' ')[2] for text in photos],
        'train': sets,
        'whiten': whitening or sets,
    }
    return [
        _source(stage, each, notes)
        for stage, found in used.items()
        if stage in stages
        for each in found
    ]


def _source(stage: str, what: str | DataConfig, notes: Notes) -> Source:
    """A data set is written as photos are: `PATH [split=SPLIT] [COLUMN=VALUE ...]`."""
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
        ConfigError: no note says what it is.
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
    """The files of frames whose names begin at `root`."""
    return {(root / frame.name).resolve() for frame in frames}


def check_held_out(training: set[Path], protocols: Sequence[Protocol]) -> int:
    """How many evaluation images there are, none of which was trained on.

    Raises:
        SourceError: an image of a protocol is among those of the training.
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
                    f'{len(shared)} of {len(files)} among them, first {shared[0]}; measure by '
                    'another protocol, or train without them'
                )
            evaluated |= files
    return len(evaluated)
