"""Regions of R-MAC, SPE-NetVLAD and APANet, and what the three make of them."""

import math

import pytest
import torch
from torch import nn

from ghost_vpr_ros.core.model.poolings.activations import MaxPooling
from ghost_vpr_ros.core.model.poolings.apanet import APANet
from ghost_vpr_ros.core.model.poolings.regions import Region, grid, squares
from ghost_vpr_ros.core.model.poolings.rmac import RMAC
from test.core.model.poolings.layers import CHANNELS, feature_map


def test_a_grid_covers_every_cell_once_where_the_size_divides():
    assert grid(4, 6, 2) == [
        Region(0, 2, 0, 3),
        Region(0, 2, 3, 6),
        Region(2, 4, 0, 3),
        Region(2, 4, 3, 6),
    ]


def test_a_grid_finer_than_the_map_has_no_empty_cell():
    # Fourths of 3 cells end at 0, 0.75, 1.5, 2.25, 3: rounded outwards.
    rows = [(region.top, region.bottom) for region in grid(3, 1, 4)[::4]]
    assert rows == [(0, 1), (0, 2), (1, 3), (2, 3)]


def test_the_squares_of_a_square_map():
    """Side 6: one of 6, 2 x 2 of 2 * 6 / 3 = 4 at 0 and 2, 3 x 3 of 2 * 6 / 4 = 3 at 0, 1, 3."""
    found = squares(6, 6, 3)
    assert found[0] == Region(0, 6, 0, 6)
    assert [(r.top, r.left) for r in found[1:5]] == [(0, 0), (0, 2), (2, 0), (2, 2)]
    assert {(r.bottom - r.top, r.right - r.left) for r in found[5:]} == {(3, 3)}
    assert sorted({r.top for r in found[5:]}) == [0, 1, 3]
    assert len(found) == 1 + 4 + 9


def test_a_longer_side_gets_squares_that_overlap_by_about_40_percent():
    """15 x 20: one step of 5 cells overlaps by 2/3, two of 2.5 by more, so m = 2 is nearest."""
    found = squares(15, 20, 3)
    assert found[:2] == [Region(0, 15, 0, 15), Region(0, 15, 5, 20)]
    assert len(found) == 1 * 2 + 2 * 3 + 3 * 4
    # 10 x 32: 2 steps of 11 cells leave gaps, 3 steps of 7.3 overlap by 0.27, 4 of 5.5 by 0.45.
    assert [r.left for r in squares(10, 32, 1)] == [0, 5, 11, 16, 22]
    assert [r.top for r in squares(32, 10, 1)] == [0, 5, 11, 16, 22]


def test_squares_stay_inside_small_maps():
    for height, width in ((1, 1), (1, 3), (2, 2), (3, 2)):
        for region in squares(height, width, 3):
            assert 0 <= region.top < region.bottom <= height
            assert 0 <= region.left < region.right <= width


def test_rmac_with_one_level_is_max_on_a_square_map():
    x = feature_map(5, 5)
    torch.testing.assert_close(RMAC(CHANNELS, 1)(x), MaxPooling(CHANNELS)(x))


def test_rmac_adds_the_maxima_of_regions_at_unit_norm():
    """3 x 3, two levels: the whole, and 4 squares of 2 x 2."""
    x = feature_map(3, 3)
    parts = [x, x[:, :, :2, :2], x[:, :, :2, 1:], x[:, :, 1:, :2], x[:, :, 1:, 1:]]
    total = sum(nn.functional.normalize(part.amax((2, 3)), dim=1) for part in parts)
    torch.testing.assert_close(RMAC(CHANNELS, 2)(x), nn.functional.normalize(total, dim=1))


def test_apanet_with_one_level_is_max():
    layer = APANet(CHANNELS, 1)
    nn.init.normal_(layer.query)
    x = feature_map()
    torch.testing.assert_close(layer(x), MaxPooling(CHANNELS)(x))


def test_apanet_starts_as_the_mean_of_its_cells():
    x = feature_map(4, 6)
    cells = [x, x[:, :, :2, :3], x[:, :, :2, 3:], x[:, :, 2:, :3], x[:, :, 2:, 3:]]
    mean = sum(nn.functional.normalize(cell.amax((2, 3)), dim=1) for cell in cells)
    torch.testing.assert_close(APANet(CHANNELS, 2)(x), nn.functional.normalize(mean, dim=1))


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_the_second_block_asks_for_what_the_first_one_saw(sign):
    """C = 2, regions (1, 0), (1, 0), (0, 1), ... typed in: both blocks by hand."""
    layer = APANet(2, 2).double()
    with torch.no_grad():
        layer.query.copy_(torch.tensor([sign, 0.0]))
        layer.next_query.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
        layer.next_query.bias.copy_(torch.tensor([0.5, 0.0]))
    # Cells of a 2 x 2 map: (1, 0), (0, 1), (0, 1), (0, 1); the whole of it is (1, 1) / sqrt(2).
    x = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 1.0]]]]).double()
    half = math.sqrt(0.5)
    regions = [(half, half), (1.0, 0.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)]

    def attended(q: float) -> tuple[float, float]:
        shares = [math.exp(q * r[0]) for r in regions]
        whole = sum(shares)
        pairs = list(zip(shares, regions, strict=True))
        return sum(s * r[0] for s, r in pairs) / whole, sum(s * r[1] for s, r in pairs) / whole

    seen = attended(sign)
    found = torch.tensor([attended(math.tanh(2.0 * seen[0] + 0.5))]).double()
    torch.testing.assert_close(layer(x), nn.functional.normalize(found, dim=1))
