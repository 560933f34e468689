"""RootSIFT-VLAD: the grid against OpenCV point by point, VLAD by hand, and its file."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ghost_vpr_ros.core.engine.rootsift_engine import create_any_engine
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.any_model import open_any_model
from ghost_vpr_ros.core.model.rootsift_file import save_rootsift
from ghost_vpr_ros.core.model.rootsift_vlad import (
    RootSiftConfig,
    RootSiftVlad,
    dense_rootsift,
    sift_vlad,
)
from ghost_vpr_ros.core.model.weights import load_model, save_model
from ghost_vpr_ros.core.preprocessing import pixel_batch
from test.core.model.tiny_model import pictures, tiny_model

CONFIG = RootSiftConfig(step_px=16, clusters=3, descriptor_dim=4)


@pytest.fixture
def model() -> RootSiftVlad:
    found = RootSiftVlad(CONFIG, 64, 48)
    generator = torch.Generator().manual_seed(0)
    found.set_centres(torch.rand(3, 128, generator=generator) / 8.0)
    with torch.no_grad():
        rows = [found.describe_unwhitened(inputs(found, n))[0] for n in range(8)]
    found.whitening.fit(torch.stack(rows))
    found.provenance = 'learned on coloured blocks'
    return found.eval()


def inputs(model: RootSiftVlad, seed: int) -> np.ndarray:
    return pixel_batch(pictures(1, seed)[0], model.preprocessing)


def test_the_grid_is_opencvs_sift_at_each_point():
    grey = cv2.cvtColor(pictures(1)[0], cv2.COLOR_RGB2GRAY)
    found = dense_rootsift(grey, CONFIG)
    # 64 pixels at a step of 16 are 4 rows and columns; four widths.
    assert found.shape == (16, 4, 128)
    # Third row of the second width, a bin of 6 pixels: y = 40; fourth column: x = 56.
    _, sift = cv2.SIFT.create().compute(grey, [cv2.KeyPoint(56.0, 40.0, 4.0, 0.0)])
    expected = np.sqrt(sift[0] / sift[0].sum())
    np.testing.assert_allclose(found[4 + 2, 3], expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1.0, atol=1e-5)


@pytest.mark.parametrize('number', [2, 3])
def test_a_descriptor_reaches_two_and_a_half_of_its_bins(number):
    """Each of the outer bins takes its share from half a bin beyond them."""
    config = RootSiftConfig(step_px=160)
    noise = np.random.default_rng(0).integers(0, 256, (2, 160, 160), np.uint8)
    x = np.arange(160)
    # The point is at x = 80; OpenCV blurs the image first, over some pixels.
    reach_px = 2.5 * config.bins_px[number]
    near, far = (
        np.where(np.abs(x - 80) <= limit_px, noise[0], noise[1])
        for limit_px in (reach_px - 4, reach_px + 8)
    )
    first, changed_near, changed_far = (
        dense_rootsift(each, config)[number, 0] for each in (noise[0], near, far)
    )
    np.testing.assert_allclose(changed_far, first, atol=1e-6)
    assert np.abs(changed_near - first).max() > 5e-3


def test_an_even_image_has_no_features():
    grey = np.full((64, 64), 90, np.uint8)
    assert not dense_rootsift(grey, CONFIG).any()


def test_vlad_sums_residuals_to_the_nearest_centre_and_leaves_out_zeros():
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    features = torch.tensor([[0.8, 0.6], [0.6, 0.8], [0.8, -0.6], [0.0, 0.0]])
    # First: (-0.2, 0.6) + (-0.2, -0.6) = (-0.4, 0); second: (0.6, -0.2); third: none.
    second = torch.tensor([0.6, -0.2]) / 0.4**0.5
    expected = torch.cat([torch.tensor([-1.0, 0.0]), second, torch.zeros(2)]) / 2**0.5
    torch.testing.assert_close(sift_vlad(features.T[None], centres)[0], expected)


def test_the_feature_map_is_that_of_the_image(model):
    image = pictures(1)[0]
    found = model.feature_map(pixel_batch(image, model.preprocessing))
    grey = cv2.cvtColor(cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA), 7)
    expected = dense_rootsift(grey, CONFIG)
    np.testing.assert_array_equal(found[0], expected.transpose(2, 0, 1))


def test_an_engine_runs_it(model):
    batch = np.concatenate([inputs(model, n) for n in (0, 1)])
    found = create_any_engine(model).describe(batch)
    with torch.no_grad():
        np.testing.assert_allclose(found, model(batch).numpy(), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_a_file_holds_all_of_it(model, tmp_path):
    save_rootsift(model, tmp_path / 'file')
    again = open_any_model(tmp_path / 'file')
    assert (again.model_hash, again.provenance) == (model.model_hash, model.provenance)
    assert again.name == 'RootSIFT-VLAD, K=3, 64x48, 4-D'
    with torch.no_grad():
        torch.testing.assert_close(again(inputs(model, 3)), model(inputs(model, 3)))


def test_a_networks_file_is_a_network(tmp_path):
    network = tiny_model()
    save_model(network, tmp_path / 'file')
    assert open_any_model(tmp_path / 'file').model_hash == network.model_hash


def test_it_is_no_network(model, tmp_path):
    save_rootsift(model, tmp_path / 'file')
    with pytest.raises(WeightsError, match="found 'ghost_vpr_ros_rootsift_vlad/1'"):
        load_model(tmp_path / 'file')


def changed(path: Path, tensor: str) -> Path:
    with safe_open(path, 'pt') as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors[tensor] = tensors[tensor] + 1.0
    save_file(tensors, path, metadata)
    return path


def test_a_changed_number_is_found(model, tmp_path):
    save_rootsift(model, tmp_path / 'file')
    with pytest.raises(WeightsError, match='the file is damaged'):
        open_any_model(changed(tmp_path / 'file', 'centres'))


@pytest.mark.parametrize('content', [b'', b'x' * 100])
def test_something_else_is_refused(content, tmp_path):
    (tmp_path / 'file').write_bytes(content)
    with pytest.raises(WeightsError, match='expected a safetensors weights file'):
        open_any_model(tmp_path / 'file')


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match='cannot be read'):
        open_any_model(tmp_path / 'file')


def test_without_centres_it_describes_nothing():
    empty = RootSiftVlad(CONFIG, 64, 48)
    with pytest.raises(WeightsError, match='the centres are not learned'):
        empty(inputs(empty, 0))
