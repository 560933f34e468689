"""The trunk: counts of the paper, shapes, and what the dilation does to the receptive field."""

import pytest
import torch
from torch import Tensor, nn

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.ghostcnn import (
    ROWS,
    GhostBottleneck,
    GhostCNN,
    GhostModule,
    SqueezeExcite,
)
from ghost_vpr_ros.core.model.netvlad import NetVLAD

TRUNK_PARAMETERS = 2_671_428


def trunk(**config) -> GhostCNN:
    """A trunk without memory: shapes and counts only."""
    with torch.device('meta'):
        return GhostCNN(ModelConfig(**config))


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def run_empty(module: nn.Module, *size: int) -> Tensor:
    return module(torch.empty(1, 3, *size, device='meta'))


def count_macs(module: nn.Module, inputs: Tensor) -> int:
    """Multiply-accumulates of every convolution that `module` runs on `inputs`."""
    macs = []

    def count(layer, _, output) -> None:
        macs.append(output.numel() * layer.weight[0].numel())

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    module(inputs)
    return sum(macs)


def test_the_trunk_has_the_parameters_of_ghostnet():
    assert num_parameters(trunk()) == TRUNK_PARAMETERS


@pytest.mark.parametrize('dilation', [(1, 1), (2, 2), (3, 3), (5, 2), (5, 3), (5, 5), (16, 16)])
@pytest.mark.parametrize('dilate', ['cheap', 'stride', 'both'])
def test_dilation_never_changes_the_parameters(dilation, dilate):
    assert num_parameters(trunk(dilation=dilation, dilate=dilate)) == TRUNK_PARAMETERS


def test_with_64_clusters_there_are_2_794_million_parameters():
    total = num_parameters(trunk()) + num_parameters(NetVLAD(960, 64))
    assert total == TRUNK_PARAMETERS + 64 * 960 + 64 + 64 * 960 == 2_794_372


def test_cropped_at_160_channels_there_are_2_54_million_parameters():
    total = num_parameters(trunk(crop_channels=160)) + num_parameters(NetVLAD(160, 64))
    assert total == TRUNK_PARAMETERS - (160 * 960 + 2 * 960) + 64 * 160 + 64 + 64 * 160
    assert round(total / 1e6, 2) == 2.54


def test_convolutions_cost_0_860_giga_macs_at_640x480():
    in_trunk = count_macs(trunk(), torch.empty(1, 3, 480, 640, device='meta'))
    with torch.device('meta'):
        assignment = NetVLAD(960, 64).assignment
    in_pooling = count_macs(assignment, torch.empty(1, 960, 15, 20, device='meta'))
    assert in_trunk / 1e9 == pytest.approx(0.8411, abs=5e-5)
    assert in_pooling == 960 * 64 * 15 * 20
    assert (in_trunk + in_pooling) / 1e9 == pytest.approx(0.8596, abs=5e-5)


@pytest.mark.parametrize('dilation', [(1, 1), (5, 2)])
def test_dilation_never_changes_the_cost(dilation):
    inputs = torch.empty(1, 3, 480, 640, device='meta')
    assert count_macs(trunk(dilation=dilation), inputs) == count_macs(trunk(), inputs)


@pytest.mark.parametrize('channels', [960, 160])
@pytest.mark.parametrize('dilate', ['cheap', 'stride', 'both'])
def test_a_vga_image_gives_a_feature_map_of_15_by_20(channels, dilate):
    network = trunk(crop_channels=channels, dilate=dilate)
    assert run_empty(network, 480, 640).shape == (1, channels, 15, 20)
    assert network.out_channels == channels


def test_the_stages_halve_the_image_as_in_table_1():
    network = trunk()
    x = torch.empty(1, 3, 480, 640, device='meta')
    sizes = {}
    for index, layer in enumerate(network):
        x = layer(x)
        sizes[0 if index == 0 else ROWS[min(index, len(ROWS)) - 1].stage] = tuple(x.shape[2:])
    assert sizes == {
        0: (240, 320),
        1: (120, 160),
        2: (60, 80),
        3: (30, 40),
        4: (15, 20),
        5: (15, 20),
    }


def test_stride_and_squeeze_columns_are_those_of_table_1():
    table = [
        [(1, 0), (2, 0)],
        [(1, 0), (2, 1)],
        [(1, 1), (2, 0)],
        [(1, 0), (1, 0), (1, 0), (1, 1), (1, 1), (2, 1)],
        [(1, 0), (1, 1), (1, 0), (1, 1)],
    ]
    found = [[(r.stride, r.squeeze_excite) for r in ROWS if r.stage == s] for s in range(1, 6)]
    assert found == table


def test_without_squeeze_and_excitation_its_parameters_are_gone():
    saved = num_parameters(trunk()) - num_parameters(trunk(squeeze_excite=False))
    expected = 0
    for middle, reduced in ((72, 20), (120, 32), (480, 120), (672, 168), (672, 168), (960, 240)):
        expected += 2 * middle * reduced + middle + reduced
    expected += 2 * 960 * 240 + 960 + 240  # The second row of stage 5 that has it.
    assert saved == expected


def test_squeeze_and_excitation_scales_channels_by_a_hard_sigmoid():
    layer = SqueezeExcite(8)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.expand.bias.copy_(torch.tensor([-4.0, -3.0, -1.5, 0.0, 1.5, 3.0, 4.0, 9.0]))
    gates = layer(torch.ones(1, 8, 2, 2))[0, :, 0, 0]
    torch.testing.assert_close(gates, torch.tensor([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]))


def fill_with_ones(module: nn.Module) -> nn.Module:
    """Weights that cannot cancel: where a signal gets to, the output is positive."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    return module.eval()


def extent(module: nn.Module, channels: int, size: int = 63) -> int:
    """Width in pixels of the answer to a single lit pixel in the middle."""
    impulse = torch.zeros(1, channels, size, size)
    impulse[:, :, size // 2, size // 2] = 1.0
    with torch.no_grad():
        lit = module(impulse).abs().sum(dim=(0, 1, 2)).nonzero()
    return int(lit.max() - lit.min()) + 1


@pytest.mark.parametrize('rate', [1, 2, 3, 5, 16])
def test_a_ghost_module_sees_2d_plus_1_pixels(rate):
    module = fill_with_ones(GhostModule(4, 4, relu=True, dilation=rate))
    assert extent(module, channels=4) == 2 * rate + 1


def test_the_primary_half_sees_one_pixel_at_any_rate():
    module = fill_with_ones(GhostModule(4, 4, relu=True, dilation=5))
    assert extent(module.primary, channels=4) == 1


@pytest.mark.parametrize('row', [ROWS[0], ROWS[12]])
def test_a_bottleneck_of_two_ghost_modules_sees_4d_plus_1_pixels(row):
    config = ModelConfig(dilation=(3, 2), squeeze_excite=False)
    rate = 3 if row.stage < 5 else 2
    bottleneck = fill_with_ones(GhostBottleneck(row.out_channels, row, config))
    assert extent(bottleneck, row.out_channels) == 4 * rate + 1


def test_cheap_dilates_the_3x3_convolutions_of_ghost_modules_only():
    assert rates(trunk(dilation=(5, 2)), stride=1) == {5, 2}
    assert rates(trunk(dilation=(5, 2)), stride=2) == {1}


def test_stride_dilates_the_strided_depthwise_convolutions_only():
    network = trunk(dilation=(5, 2), dilate='stride')
    assert rates(network, stride=1) == {1}
    assert rates(network, stride=2) == {5}


def test_both_dilates_the_ghost_modules_and_the_strided_convolutions():
    network = trunk(dilation=(5, 2), dilate='both')
    assert rates(network, stride=1) == {5, 2}
    assert rates(network, stride=2) == {5}


def rates(network: GhostCNN, stride: int) -> set[int]:
    """Rates of the depthwise convolutions of that stride on the main path."""
    return {
        layer.dilation[0]
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
        and layer.groups > 1
        and layer.stride[0] == stride
        and 'shortcut' not in name
    }


def test_the_second_rate_belongs_to_stage_5():
    network = trunk(dilation=(5, 2))
    for row, layer in zip(ROWS, list(network)[1:], strict=False):
        found = {m.dilation[0] for m in layer.residual.modules() if isinstance(m, nn.Conv2d)}
        assert max(found) == (5 if row.stage < 5 else 2)


def test_dilating_the_1x1_primary_convolution_is_refused():
    with pytest.raises(ConfigError, match='dilate: expected one of cheap, stride, both'):
        ModelConfig(dilate='primary')


def test_the_trunk_ends_with_a_relu_at_960_channels_and_without_one_at_160():
    torch.manual_seed(1)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        full, cropped = (GhostCNN(ModelConfig(crop_channels=c)).eval()(image) for c in (960, 160))
    assert full.min() >= 0.0
    assert cropped.min() < 0.0
