"""Every pooling as ONNX: onnxruntime gives what torch gives, for other batches than exported."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from ghost_vpr_ros.core.config.model import SEMANTIC, PreprocessingConfig
from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC
from ghost_vpr_ros.core.model.poolings.pooling import LocalSample
from ghost_vpr_ros.core.model.poolings.registry import POOLINGS, build_pooling
from test.core.model.poolings.test_every_pooling import small_config

for name in ('onnx', 'onnxruntime'):
    pytest.importorskip(name, reason='needs onnx and onnxruntime')

CHANNELS = 6
SIZE = PreprocessingConfig(width_px=56, height_px=40)


def tiny_network(pooling: str) -> nn.Module:
    """One convolution, then the pooling: feature maps of 5 x 7."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(3, CHANNELS, 8, stride=8))
        features = nn.functional.normalize(torch.randn(200, CHANNELS), dim=1)
    layer = build_pooling(small_config(pooling), CHANNELS, trunk, SIZE)
    roles = None
    if pooling.endswith(SEMANTIC):
        roles = torch.tensor([STATIC, DYNAMIC] * 100, dtype=torch.uint8)
    layer.initialise_from(LocalSample(features, roles), 0)
    return nn.Sequential(trunk, layer).eval()


@pytest.mark.parametrize('pooling', list(POOLINGS))
def test_onnxruntime_gives_the_same_descriptors(pooling, tmp_path):
    import onnxruntime

    network, path = tiny_network(pooling), tmp_path / 'network.onnx'
    batch = torch.randn(3, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            network,
            (batch[:2],),
            path,
            dynamo=False,
            opset_version=17,
            input_names=['input'],
            dynamic_axes={'input': {0: 'batch'}},
        )
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    with torch.no_grad():
        expected = network(batch).numpy()
    (found,) = session.run(None, {'input': batch.numpy()})
    np.testing.assert_allclose(found, expected, atol=1e-5)
