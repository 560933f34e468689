"""Batches of scenes follow from seed and step alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from test.training.tiny_scenes import write_scenes
from training.datasets.readers.scene_folders import read_scenes
from training.experiment import read_experiment
from training.trunk.scene_batches import TrainingViews, WholeImages, load_batches


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp('scenes'))


def views_of(config: Path, changes: Sequence[str] = ()) -> TrainingViews:
    experiment = read_experiment(config, changes)
    return TrainingViews(read_scenes([config.parent], 0.1, 0).train, experiment)


def test_a_step_sees_the_same_views_whenever_it_is_asked(config: Path) -> None:
    views = views_of(config)
    first, again = views[3], views_of(config)[3]
    assert torch.equal(first.inputs, again.inputs)
    assert first.inputs.shape == (7, 3, 32, 32)
    assert not torch.equal(first.inputs, views[4].inputs)
    assert not torch.equal(first.inputs, views_of(config, ['seed=4'])[3].inputs)


def test_an_epoch_sees_no_image_twice(config: Path) -> None:
    views = views_of(config)
    orders = []
    for epoch in range(3):
        steps = range(epoch * views.steps_in_epoch, (epoch + 1) * views.steps_in_epoch)
        rows = np.concatenate([views._rows(step) for step in steps]).tolist()
        assert len(set(rows)) == len(rows) == 21
        orders.append(rows)
    assert orders[0] != orders[1] != orders[2]


def test_held_out_images_are_seen_whole_and_in_order(config: Path) -> None:
    experiment = read_experiment(config)
    scenes = read_scenes([config.parent], 0.1, 0)
    images = WholeImages(scenes.val, experiment)
    batches = [images[number] for number in range(len(images))]
    assert [len(batch.labels) for batch in batches] == [7, 1]
    assert torch.cat([batch.labels for batch in batches]).tolist() == [0] * 4 + [1] * 4


def test_workers_make_the_same_batches(config: Path) -> None:
    views = views_of(config)
    (made,) = load_batches(views, range(2, 3), workers=1)
    assert torch.equal(made.inputs, views[2].inputs)
    assert torch.equal(made.labels, views[2].labels)
