import math

import pytest
import torch

from training.refinement.similarity import SimilarityConfig, multi_similarity


def kinds(numbers: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of one place and of two, of views with these places."""
    place = torch.tensor(numbers)
    same = place[:, None] == place[None]
    return same & ~torch.eye(len(place), dtype=torch.bool), ~same


def test_the_loss_is_the_formula_of_the_paper() -> None:
    similarity = torch.tensor([[1.0, 0.6, 0.5], [0.6, 1.0, 0.1], [0.5, 0.1, 1.0]])
    config = SimilarityConfig(alpha=2.0, beta=40.0, threshold=0.5, margin=0.2)
    same, other = kinds([0, 0, 1])
    found = multi_similarity(similarity, same, other, config)
    # View 0: positive 0.6 comes within 0.2 of the negative 0.5, and the negative of the positive.
    # View 1: its negative, 0.1, is far from 0.6, and so is the positive from it.
    pulled = math.log(1.0 + math.exp(-2.0 * (0.6 - 0.5))) / 2.0
    pushed = math.log(1.0 + math.exp(40.0 * (0.5 - 0.5))) / 40.0
    # View 2 has no view of its own place: no negative is harder than a positive.
    assert found.item() == pytest.approx((pulled + pushed) / 2.0, rel=1e-5)


def test_views_that_are_told_apart_have_no_loss_and_no_gradient() -> None:
    descriptors = torch.nn.functional.normalize(torch.eye(4)[[0, 0, 1, 1]] + 1e-3, dim=1)
    descriptors.requires_grad_(True)
    loss = multi_similarity(descriptors @ descriptors.T, *kinds([0, 0, 1, 1]), SimilarityConfig())
    loss.backward()
    assert loss.item() == 0.0
    assert descriptors.grad is not None and not descriptors.grad.any()


def test_pairs_that_are_neither_do_not_count() -> None:
    similarity = torch.tensor([[1.0, 0.2, 0.9], [0.2, 1.0, 0.15], [0.9, 0.15, 1.0]])
    same, other = kinds([0, 0, 1])
    other[0, 2] = other[2, 0] = False
    assert multi_similarity(similarity, same, other, SimilarityConfig()).item() == pytest.approx(
        (math.log(1 + math.exp(-0.2)) + math.log(1 + math.exp(50 * 0.15)) / 50) / 2, rel=1e-5
    )


def test_a_batch_of_strangers_has_a_loss_of_zero() -> None:
    same, other = kinds([0, 1, 2])
    loss = multi_similarity(torch.rand(3, 3), same, other, SimilarityConfig())
    assert loss.item() == 0.0
