"""The shipped weights: found beside the package, and missed in one sentence."""

from pathlib import Path

import pytest

import ghost_vpr_ros
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model import default_weights
from ghost_vpr_ros.core.model.weights import save_model
from test.core.model.tiny_model import tiny_model


def test_they_lie_in_the_package():
    package = Path(ghost_vpr_ros.__file__).parent
    expected = package / 'weights' / 'ghost_vpr.safetensors'
    assert default_weights.default_weights_path() == expected


def test_they_are_loaded_from_there(tmp_path, monkeypatch):
    model = tiny_model()
    save_model(model, tmp_path / 'w.safetensors')
    monkeypatch.setattr(
        default_weights, 'default_weights_path', lambda: tmp_path / 'w.safetensors'
    )
    assert default_weights.load_default_model().model_hash == model.model_hash


def test_an_installation_without_them_is_not_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(default_weights, 'default_weights_path', lambda: tmp_path / 'no')
    with pytest.raises(
        WeightsError, match=r'no: expected the weights .* install the package again'
    ):
        default_weights.load_default_model()


def test_damaged_ones_are_refused(tmp_path, monkeypatch):
    (tmp_path / 'w').write_bytes(b'damaged')
    monkeypatch.setattr(default_weights, 'default_weights_path', lambda: tmp_path / 'w')
    with pytest.raises(WeightsError, match='expected a safetensors weights file'):
        default_weights.load_default_model()
