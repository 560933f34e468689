"""The memory of a frozen trunk: the same bits, and each image through the trunk once."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, OutputError
from ghost_vpr_ros.core.model.initialisation import draw_random_weights
from ghost_vpr_ros.core.model.poolings.registry import feature_map_size
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.loop.trunk_memory import check_frozen, remember_trunk

SIZE = PreprocessingConfig(width_px=64, height_px=64)


def network(seed: int = 0, **settings: object) -> VprModel:
    config = ModelConfig.from_dict({'crop_channels': 160, 'clusters': 2, **settings})
    model = VprModel(config, SIZE).eval()
    draw_random_weights(model.backbone, seed)
    model.pooling.initialised = True
    return model


def count_images(model: VprModel) -> list[int]:
    """Sizes of the batches that reach the trunk's first part from now on."""
    seen: list[int] = []
    model.backbone[0].register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


@pytest.fixture
def batch() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_maps_are_those_of_the_trunk_and_made_once(tmp_path: Path, batch: Tensor) -> None:
    expected = network().backbone(batch)
    model = network()
    seen = count_images(model)
    remember_trunk(model, tmp_path)
    assert torch.equal(model.backbone(batch), expected)
    assert torch.equal(model.backbone(batch.flip(0)), expected.flip(0))
    assert seen == [3]
    model.backbone(torch.cat([batch[:1], batch[:1] + 1.0]))
    assert seen == [3, 1]


def test_their_size_is_known_without_an_image(tmp_path: Path) -> None:
    model = network()
    seen = count_images(model)
    remember_trunk(model, tmp_path)
    assert feature_map_size(model.backbone, SIZE) == (2, 2)
    assert seen == [1]  # without numbers, on the meta device


@torch.no_grad()
def test_another_process_finds_them(tmp_path: Path, batch: Tensor) -> None:
    first, second = network(), network(pooling='max', clusters=64)
    remember_trunk(first, tmp_path)
    expected = first.backbone(batch)
    seen = count_images(second)
    remember_trunk(second, tmp_path)
    assert torch.equal(second.backbone(batch[1:]), expected[1:])
    # The shape alone takes one image.
    assert seen == [1]


@torch.no_grad()
def test_another_trunk_has_maps_of_its_own(tmp_path: Path, batch: Tensor) -> None:
    models = [network(0), network(1), network(0, dilation=(1, 1))]
    for model in models:
        remember_trunk(model, tmp_path)
    maps = [model.backbone(batch) for model in models]
    assert not torch.equal(maps[0], maps[1]) and not torch.equal(maps[0], maps[2])
    assert len(list(tmp_path.glob('*.db'))) == 3


def test_what_follows_the_trunk_still_learns(tmp_path: Path, batch: Tensor) -> None:
    model = network()
    model.backbone.requires_grad_(False)
    remember_trunk(model, tmp_path)
    with torch.no_grad():
        model.pooling.centres.normal_(generator=torch.Generator().manual_seed(0))
    model(batch)[:, 0].sum().backward()
    assert model.pooling.centres.grad.abs().sum() > 0
    assert all(each.grad is None for each in model.backbone.parameters())


@torch.no_grad()
def test_a_copy_looks_up_the_same_maps(tmp_path: Path, batch: Tensor) -> None:
    model = network()
    remember_trunk(model, tmp_path)
    expected = model.backbone(batch)
    seen = count_images(model)
    assert torch.equal(copy.deepcopy(model).backbone(batch), expected)
    assert seen == []


def test_a_trunk_that_is_trained_is_refused() -> None:
    check_frozen('pooling', Path('maps'))
    check_frozen('all', None)
    with pytest.raises(ConfigError, match=r"--maps: expected .* pooling, found 'stage5'"):
        check_frozen('stage5', Path('maps'))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match=r'file: feature maps cannot be kept there'):
        remember_trunk(network(), tmp_path / 'file')
