"""Half precision in the trunk only, and learning rates of float16's scaler."""

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.model.initialisation import build_untrained
from training.loop.precision import chosen_precision, make_scaler, run_trunk_in

CPU = torch.device('cpu')


def test_a_processor_computes_in_float32_unless_told() -> None:
    assert chosen_precision('auto', CPU) == 'float32'
    assert chosen_precision('bfloat16', CPU) == 'bfloat16'


def test_only_the_trunk_is_rounded() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(3)]
    size = PreprocessingConfig(width_px=64, height_px=64)
    model = build_untrained(ModelConfig(crop_channels=160, clusters=2), size, images)
    batch = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        exact_map, exact = model.backbone(batch), model(batch)
        run_trunk_in('float32', model, CPU)
        assert torch.equal(model(batch), exact)
        run_trunk_in('bfloat16', model, CPU)
        half_map, half = model.backbone(batch), model(batch)
    assert half_map.dtype == half.dtype == torch.float32
    assert torch.equal(half_map, half_map.bfloat16().float())
    assert not torch.equal(half_map, exact_map)
    assert torch.cosine_similarity(half_map, exact_map).min() > 0.99
    expected = model.pooling(half_map)
    assert torch.equal(half, expected)
    assert half.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_only_float16_scales_the_loss() -> None:
    assert not make_scaler('float32', CPU).is_enabled()
    assert not make_scaler('bfloat16', CPU).is_enabled()
    assert make_scaler('float16', CPU).is_enabled()
