"""Learning rate over time, and partial training against the network's own gradients."""

import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.ghostcnn import ROWS
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.loop.optimiser import (
    LAYERS,
    OptimiserConfig,
    build_optimiser,
    freeze_below,
    learning_rate_at,
    training_mode,
    trunk_position,
)


def make_model(**changed) -> VprModel:
    config = ModelConfig(clusters=2, dilation=(1, 1), **changed)
    model = VprModel(config, PreprocessingConfig(width_px=32, height_px=32))
    model.pooling.initialised = True
    return model


def test_the_rate_halves_every_five_epochs() -> None:
    config = OptimiserConfig(learning_rate=0.8)
    rates = [learning_rate_at(config, epoch, 30) for epoch in (0, 4.99, 5, 9.5, 10, 29)]
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.2, 0.8 / 32]


def test_the_cosine_ends_at_zero_after_a_warm_up() -> None:
    config = OptimiserConfig(learning_rate=0.8, schedule='cosine', warm_up_epochs=2.0)
    at = [learning_rate_at(config, epoch, 8) for epoch in (0, 1, 4, 8)]
    # 0.4 (1 + cos(pi / 8)) / 2 at epoch 1, half of the way through the warm-up.
    assert at == pytest.approx([0.0, 0.384776, 0.4, 0.0], abs=1e-6)


@pytest.mark.parametrize('layer', ['all', 'stage1', 'stage4', 'row3', 'row16', 'last', 'pooling'])
def test_exactly_what_lies_above_the_layer_gets_gradients(layer: str) -> None:
    model = make_model()
    position = trunk_position(model, layer)
    count = freeze_below(model, layer)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    below = tuple(f'backbone.{number}.' for number in range(position))
    assert trained == {
        name for name, _ in model.named_parameters() if not (below and name.startswith(below))
    }
    assert count == sum(p.numel() for name, p in model.named_parameters() if name in trained)


def test_layers_are_those_of_the_table() -> None:
    assert set(LAYERS) >= {'all', 'stage1', 'stage5', 'row1', 'row16', 'last', 'pooling'}
    model = make_model()
    # The stem is part 0, row r part r, the last convolution part 17.
    assert trunk_position(model, 'stage1') == 1
    assert ROWS[trunk_position(model, 'stage5') - 1].stage == 5
    assert ROWS[trunk_position(model, 'stage5') - 2].stage == 4
    assert trunk_position(model, 'row16') == 16
    assert trunk_position(model, 'last') == 17 == len(model.backbone) - 1
    assert trunk_position(model, 'pooling') == 18
    assert trunk_position(make_model(crop_channels=160), 'last') == 17


def test_frozen_batch_norm_keeps_its_statistics() -> None:
    model = make_model(crop_channels=160)
    freeze_below(model, 'stage5')
    before = {k: v.clone() for k, v in model.state_dict().items()}
    training_mode(model, OptimiserConfig(freeze_batch_norm=False))
    model(torch.rand(2, 3, 32, 32))
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed
    assert {int(name.split('.')[1]) for name in changed} == {13, 14, 15, 16}
    before = {k: v.clone() for k, v in model.state_dict().items()}
    training_mode(model, OptimiserConfig(freeze_batch_norm=True))
    assert model.training
    model(torch.rand(2, 3, 32, 32))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize('kind', ['sgd', 'adamw'])
def test_a_step_moves_what_is_trained_and_nothing_else(kind: str) -> None:
    model = make_model(crop_channels=160)
    config = OptimiserConfig(kind=kind, learning_rate=0.1)
    freeze_below(model, 'pooling')
    optimiser = build_optimiser(model, config)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    training_mode(model, config)
    model(torch.rand(2, 3, 32, 32))[:, :7].sum().backward()
    optimiser.step()
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {'pooling.assignment.weight', 'pooling.assignment.bias', 'pooling.centres'}


def test_nothing_to_train_is_refused() -> None:
    model = make_model().requires_grad_(False)
    with pytest.raises(ConfigError, match='train_from'):
        build_optimiser(model, OptimiserConfig())
