import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import WeightsError
from training.head.frozen_vlad import FrozenVlad, joined


def test_maps_are_joined_cell_by_cell_at_the_size_of_the_first():
    fine = torch.tensor([[[[3.0, 0.0], [0.0, 3.0]], [[4.0, 2.0], [5.0, 4.0]]]])
    coarse = torch.full((1, 1, 1, 1), 7.0)
    found = joined([fine, coarse])
    assert found.shape == (1, 3, 2, 2)
    assert found[0, :, 0, 0].tolist() == pytest.approx([0.6, 0.8, 1.0])


def test_clusters_are_those_of_the_images():
    """Cells of three colours: three clusters, a third of a turn apart in the plane of colours."""
    rng = np.random.default_rng(0)

    def feature_map(frame):
        return torch.from_numpy(frame.load()).permute(2, 0, 1)[None]

    def image():
        return (np.eye(3, dtype=np.float32)[rng.integers(0, 3, (8, 8))] + 0.01).astype(np.float32)

    images = [image() for _ in range(6)]
    head = FrozenVlad(3, 2, 3)
    with pytest.raises(WeightsError, match='not initialised'):
        head(torch.ones(1, 3, 2, 2))
    head.learn(
        [Frame(str(n), lambda each=each: each) for n, each in enumerate(images)], feature_map
    )
    likeness = head.pooling.centres @ head.pooling.centres.T
    assert likeness.diagonal().tolist() == pytest.approx([1.0] * 3, abs=1e-3)
    assert likeness[0, 1:].tolist() == pytest.approx([-0.5, -0.5], abs=0.2)
    assert head(torch.rand(2, 3, 4, 4)).norm(dim=1).tolist() == pytest.approx([1.0, 1.0])
