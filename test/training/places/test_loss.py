"""The ranking loss against numbers worked by hand, and its gradient against differences."""

import numpy as np
import pytest
import torch

from training.places.loss import LossConfig, RankingLoss, ranking_loss

QUERY = [[1.0, 0.0], [0.0, 1.0]]
POSITIVE = [[0.8, 0.6], [0.0, 1.0]]
NEGATIVE = [[[0.6, 0.8], [0.8, -0.6]], [[0.0, -1.0], [0.6, 0.8]]]
"""Squared distances: tuple 0: 0.4 to the positive, 0.8 and 0.4; tuple 1: 0, 4.0 and 0.4."""

ALL = [[True, True], [True, True]]


def loss_of(mask: list[list[bool]], **settings: object) -> RankingLoss:
    config = LossConfig.from_dict({'margin': 0.5, **settings})
    tensors = (torch.tensor(each) for each in (QUERY, POSITIVE, NEGATIVE))
    return ranking_loss(*tensors, torch.tensor(mask), config)


def test_sum_over_negatives_is_netvlad() -> None:
    loss = loss_of(ALL)  # 0.4 + 0.5 - 0.8 = 0.1, 0.4 + 0.5 - 0.4 = 0.5; 0, 0 + 0.5 - 0.4 = 0.1
    assert loss.per_tuple.tolist() == pytest.approx([0.6, 0.1], abs=1e-6)
    assert loss.per_tuple.mean().item() == pytest.approx(0.35, abs=1e-6)
    assert loss.active_share == 0.75


def test_mean_over_negatives_is_sralnet() -> None:
    loss = loss_of(ALL, reduction='mean')
    assert loss.per_tuple.tolist() == pytest.approx([0.3, 0.05], abs=1e-6)


@pytest.mark.parametrize(('reduction', 'first'), [('sum', 0.5), ('mean', 0.5)])
def test_places_without_a_negative_do_not_count(reduction: str, first: float) -> None:
    loss = loss_of([[False, True], [False, False]], reduction=reduction)
    assert loss.per_tuple.tolist() == pytest.approx([first, 0.0], abs=1e-6)
    assert loss.active_share == 1.0


def test_no_negative_at_all_gives_zero() -> None:
    loss = loss_of([[False, False], [False, False]], reduction='mean')
    assert loss.per_tuple.tolist() == [0.0, 0.0]
    assert loss.active_share == 0.0


def test_distances_are_squared() -> None:
    query = torch.zeros(1, 1)
    far = torch.full((1, 1, 1), 2.0)
    loss = ranking_loss(
        query, torch.full((1, 1), 3.0), far, torch.ones(1, 1, dtype=torch.bool), LossConfig()
    )
    assert loss.per_tuple.mean().item() == pytest.approx(9.0 + 0.1 - 4.0)


def test_the_default_margin_is_the_papers() -> None:
    assert LossConfig().margin == 0.1
    assert LossConfig().reduction == 'sum'


def test_images_of_other_tuples_are_negatives_where_the_mask_allows_it() -> None:
    """Image 5 is the second tuple's negative (0.6, 0.8) again: 0.8 from the first query."""
    batch_mask = torch.zeros(2, 8, dtype=torch.bool)
    batch_mask[0, 7] = True  # query, positive, two negatives of tuple 0, then those of tuple 1
    config = LossConfig(margin=0.5, negatives_from_batch=True)
    tensors = (torch.tensor(each) for each in (QUERY, POSITIVE, NEGATIVE))
    loss = ranking_loss(*tensors, torch.tensor(ALL), config, batch_mask)
    assert loss.per_tuple.tolist() == pytest.approx([0.7, 0.1], abs=1e-6)
    assert loss.active_share == pytest.approx(0.8)


def test_batch_negatives_need_their_mask() -> None:
    with pytest.raises(ValueError, match='batch_mask'):
        loss_of(ALL, negatives_from_batch=True)


def test_half_precision_descriptors_are_compared_in_float32() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(3, 64))
    query, near, far = (torch.tensor(v / np.linalg.norm(v)).bfloat16() for v in values)
    mask = torch.ones(1, 1, dtype=torch.bool)
    loss = ranking_loss(query[None], near[None], far[None, None], mask, LossConfig(margin=4.0))
    expected = (query.double() - near.double()).square().sum() + 4.0
    expected -= (query.double() - far.double()).square().sum()
    assert loss.per_tuple.mean().item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize('reduction', ['sum', 'mean'])
@pytest.mark.parametrize('from_batch', [False, True])
def test_gradient_agrees_with_differences(reduction: str, from_batch: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    shapes = ((3, 5), (3, 5), (3, 2, 5))
    tensors = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    batch_mask = torch.rand(3, 12, generator=generator) > 0.5
    config = LossConfig(margin=3.0, reduction=reduction, negatives_from_batch=from_batch)

    def per_tuple(*inputs: torch.Tensor) -> torch.Tensor:
        return ranking_loss(*inputs, mask, config, batch_mask).per_tuple

    assert torch.autograd.gradcheck(per_tuple, [t.requires_grad_() for t in tensors])
