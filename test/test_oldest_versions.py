"""Versions of Ubuntu 22.04: what they lack is done without. `make test-oldest` really has them."""

import re
from pathlib import Path

import pytest
import torch

from ghost_vpr_ros.core.model import blank_network as module
from ghost_vpr_ros.core.model.default_weights import load_default_model

ROOT = Path(__file__).parent.parent


def test_what_a_robot_needs_has_lower_bounds() -> None:
    text = (ROOT / 'setup.py').read_text()
    needed = re.search(r'install_requires=\[(.*?)\]', text, re.DOTALL)
    replay = re.search(r"'replay': \[(.*?)\]", text, re.DOTALL)
    assert needed is not None and replay is not None
    names = re.findall(r"^ +['\"]([^;'\"]+)", needed[1] + replay[1], re.MULTILINE)
    assert len(names) > 10
    assert [name for name in names if not re.fullmatch(r'[a-z0-9-]+>=[0-9.]+', name)] == []


@pytest.mark.parametrize('knows', [True, False])
def test_networks_are_loaded_with_and_without_blank_memory(
    monkeypatch: pytest.MonkeyPatch, knows: bool
) -> None:
    if knows and not module._KNOWS_META_CONTEXT:
        pytest.skip('an old PyTorch')
    expected = load_default_model().state_dict()
    monkeypatch.setattr(module, '_KNOWS_META_CONTEXT', knows)
    monkeypatch.setattr(module, '_KNOWS_ASSIGN', knows)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    found = load_default_model().state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert torch.equal(torch.random.get_rng_state(), before)
