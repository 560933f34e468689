"""The classifier's learning rate, hits, optimiser and first weights."""

import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.errors import ConfigError
from training.trunk.classification import (
    ClassificationConfig,
    SceneClassifier,
    count_hits,
    make_optimiser,
)

SMALL = ModelConfig(crop_channels=160, dilation=(1, 1))


@pytest.mark.parametrize(
    ('schedule', 'rates'),
    [
        ('cosine', [0.01, 0.5, 1.0, 0.5, 0.0]),
        ('step', [0.01, 0.5, 1.0, 0.1, 0.01]),
        ('constant', [0.01, 0.5, 1.0, 1.0, 1.0]),
    ],
)
def test_the_rate_warms_up_and_follows_its_schedule(schedule: str, rates: list[float]) -> None:
    config = ClassificationConfig(learning_rate=1.0, warm_up_share=0.2, schedule=schedule)
    # 0.6 is the middle between the end of the warm-up and the end.
    found = [config.rate_at(progress) for progress in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert found == pytest.approx(rates)


def test_a_view_cannot_be_larger_than_its_image() -> None:
    with pytest.raises(ConfigError, match='image_px: expected at least crop_px 128, found 96'):
        ClassificationConfig(crop_px=128, image_px=96)


def test_hits_are_counted_by_rank() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert count_hits(logits, torch.tensor([0, 1, 2]), (1, 2)) == [1, 2]
    # With fewer classes than ranks every label is among them.
    assert count_hits(logits, torch.tensor([0, 1, 2])) == [1, 3]


def test_the_first_weights_follow_from_the_seed_alone() -> None:
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        states.append(SceneClassifier(SMALL, 3, seed=7).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    other = SceneClassifier(SMALL, 3, seed=8).state_dict()
    assert not torch.equal(states[0]['head.weight'], other['head.weight'])


def test_logits_come_from_the_mean_of_the_feature_map() -> None:
    network = SceneClassifier(SMALL, 3, seed=0).eval()
    batch = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        mean = network.trunk(batch).flatten(2).mean(2)
        expected = mean @ network.head.weight.T + network.head.bias
        assert torch.allclose(network(batch), expected, atol=1e-6)


@pytest.mark.parametrize('kind', ['sgd', 'adamw'])
def test_norms_and_biases_do_not_decay(kind: str) -> None:
    network = SceneClassifier(SMALL, 3, seed=0)
    optimiser = make_optimiser(network, ClassificationConfig(optimiser=kind, weight_decay=0.5))
    decay = {
        id(p): group['weight_decay'] for group in optimiser.param_groups for p in group['params']
    }
    assert len(decay) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        assert decay[id(parameter)] == (0.5 if parameter.ndim > 1 else 0.0), name
