"""Max, Sum and GeM against numbers worked by hand, and GeM against its limits."""

import pytest
import torch

from ghost_vpr_ros.core.model.poolings.activations import (
    GeM,
    MaxPooling,
    SumPooling,
    generalised_mean,
)
from test.core.model.poolings.layers import CHANNELS, feature_map

TWO_BY_TWO = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[4.0, 4.0], [4.0, 4.0]]]])


def test_max_takes_the_largest_activation_of_each_channel():
    # (6, 4) over sqrt(36 + 16).
    expected = torch.tensor([[6.0, 4.0]]) / 52.0**0.5
    torch.testing.assert_close(MaxPooling(2)(TWO_BY_TWO), expected)


def test_max_of_activations_that_are_all_negative_is_the_one_nearest_to_0():
    # -(1, 4) over sqrt(17).
    expected = torch.tensor([[-1.0, -4.0]]) / 17.0**0.5
    torch.testing.assert_close(MaxPooling(2)(-TWO_BY_TWO), expected)


def test_sum_is_the_mean_of_each_channel_at_unit_norm():
    # Means 3 and 4: (3, 4) / 5.
    torch.testing.assert_close(SumPooling(2)(TWO_BY_TWO), torch.tensor([[0.6, 0.8]]))


def test_the_generalised_mean_is_the_root_of_the_mean_of_powers():
    # p = 2: sqrt((1 + 4 + 9 + 36) / 4) = sqrt(12.5), and 4.
    expected = torch.tensor([[12.5**0.5, 4.0]])
    torch.testing.assert_close(generalised_mean(TWO_BY_TWO, 2.0), expected)


def test_gem_is_the_generalised_mean_at_unit_norm():
    expected = torch.tensor([[12.5**0.5, 4.0]]) / 28.5**0.5
    torch.testing.assert_close(GeM(2, 2.0)(TWO_BY_TWO), expected)


def test_gem_with_power_1_is_the_mean():
    x = feature_map().abs().double()
    torch.testing.assert_close(GeM(CHANNELS, 1.0).double()(x), SumPooling(CHANNELS)(x))


def test_gem_with_a_large_power_is_the_maximum_and_does_not_overflow():
    x = 1e3 * feature_map().abs()
    torch.testing.assert_close(GeM(CHANNELS, 1e4)(x), MaxPooling(CHANNELS)(x), atol=1e-3, rtol=0)


def test_gem_counts_negative_activations_as_nothing():
    x = feature_map()
    torch.testing.assert_close(GeM(CHANNELS, 3.0)(x), GeM(CHANNELS, 3.0)(x.clamp(min=0.0)))


def test_the_power_of_gem_is_learned():
    layer = GeM(2, 3.0)
    layer(TWO_BY_TWO)[0, 0].backward()
    # A larger p brings the first channel nearer to its maximum; the second is constant.
    assert layer.power.grad.item() > 0.0


def test_gem_goes_back_to_the_power_of_its_configuration():
    layer = GeM(2, 2.5)
    with torch.no_grad():
        layer.power.fill_(7.0)
    layer.initialise_from(None, 0)
    assert layer.power.item() == pytest.approx(2.5)
