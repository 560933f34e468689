"""Measure the teachers on the panel, at the layers that a student learns from.

python -m training.teacher_panel --config training/configs/ghost_vpr.yaml
    [--set 'distillation.maps=["9-7", "11-10", "14-14", "9-10@efficientnet-lite1", ...]']

The maps of the blocks in `distillation.maps` are joined, reduced and pooled as in the configured
network, with components and clusters learned on `whitening.images` and without whitening. This is
the recall of a student that imitates its teacher perfectly. Several teachers are measured
separately and with their descriptors concatenated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.preprocessing import preprocess
from ghost_vpr_ros.replay.output_files import check_output_file, write_json
from training.command import add_experiment_options
from training.entry import finish, new_parser
from training.experiment import Experiment, read_experiment
from training.head.frozen_vlad import FrozenVlad, joined
from training.measure.panel import Panel, open_panel, panel_table, part_scores
from training.measure.retrieval import judge
from training.trunk.distillation import DistillationConfig, open_teachers
from training.trunk.teacher import Teacher
from training.whiten import deployed_input, whitening_frames

SIDE_BY_SIDE = 'side by side'
"""Name of the concatenated descriptors of all teachers."""

Sides = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Protocol -> descriptors of its queries (Q, D) and its database (M, D), unit norm."""


class ReadTeacher:
    """A teacher's descriptors; images shared by several protocols are described once."""

    def __init__(self, teacher: Teacher, experiment: Experiment) -> None:
        """Learn the components and clusters.

        Raises:
            SourceError: the images of the whitening cannot be read.
        """
        self._teacher = teacher
        self._input = deployed_input(experiment) or experiment.preprocessing
        model = experiment.model
        self._head = FrozenVlad(sum(teacher.channels), model.reduced_channels, model.clusters)
        self._head.learn(whitening_frames(experiment)[0], self._map)
        self._known: dict[tuple[str, str], NDArray[np.float32]] = {}

    def of_panel(self, panel: Panel) -> Sides:
        """Descriptors of every protocol of the panel.

        Raises:
            ImageError: an image cannot be read.
        """
        return {
            each.name: (
                self._of(each.queries, each.roots[1]),
                self._of(each.database, each.roots[0]),
            )
            for each in panel.protocols
        }

    @torch.no_grad()
    def _of(self, frames: Sequence[Frame], root: str) -> NDArray[np.float32]:
        new = [frame for frame in frames if (root, frame.name) not in self._known]
        for frame in tqdm(new, f'{self._teacher.name}, {Path(root).name}', disable=None):
            self._known[root, frame.name] = self._head(self._map(frame))[0].numpy()
        return np.stack([self._known[root, frame.name] for frame in frames])

    def _map(self, frame: Frame) -> Tensor:
        return joined(self._teacher(torch.from_numpy(preprocess(frame.load(), self._input))))


def side_by_side(descriptors: Sequence[Sides]) -> Sides:
    """Concatenated unit-norm descriptors, whose similarity is the mean of the similarities."""

    def joined_side(protocol: str, side: int) -> NDArray[np.float32]:
        found = np.concatenate([each[protocol][side] for each in descriptors], axis=1)
        return np.asarray(found / np.sqrt(len(descriptors)), np.float32)

    return {name: (joined_side(name, 0), joined_side(name, 1)) for name in descriptors[0]}


def _right_at_1(panel: Panel, descriptors: Sides) -> Mapping[str, list[int]]:
    found = {each.name: judge(*descriptors[each.name], each) for each in panel.protocols}
    return {name: judged.correct[:, 0].astype(int).tolist() for name, judged in found.items()}


def _run(args: argparse.Namespace) -> str:
    check_output_file(args.out)
    experiment = read_experiment(args.config, args.set)
    teachers = open_teachers(experiment.section(DistillationConfig))
    if not experiment.model.reduced_channels:
        raise ConfigError('model.reduced_channels: expected channels to reduce maps to, found 0')
    panel = open_panel()
    described = {each.name: ReadTeacher(each, experiment).of_panel(panel) for each in teachers}
    if len(described) > 1:
        described[SIDE_BY_SIDE] = side_by_side(list(described.values()))
    results: list[dict[str, Any]] = []
    tables = []
    for name, descriptors in described.items():
        right = _right_at_1(panel, descriptors)
        scores = part_scores(panel, right)
        results.append({'teacher': name, 'parts': scores, 'right_at_1': right})
        tables.append(f'{name}\n\n{panel_table(panel, scores, {})}\n')
    if args.out is not None:
        write_json(args.out, results)
    return '\n'.join(tables)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('teacher_panel', __doc__)
    add_experiment_options(parser)
    parser.add_argument('--out', type=Path, help='JSON file to write')
    args = parser.parse_args(arguments)
    return finish('teacher_panel', lambda: _run(args))


if __name__ == '__main__':
    sys.exit(main())
