"""Weights that come with the package, by name."""

from pathlib import Path

import pytest

from ghost_vpr_ros.core.engine.networks_of_others import stored_model
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.model.shipped import SHIPPED, shipped_path, weights_path


def test_a_name_stands_for_weights_of_the_package(tmp_path: Path) -> None:
    assert stored_model('ghost-vpr').model_hash == default_weights().model_hash
    assert weights_path(Path('ghost-dil')) == shipped_path('ghost-dil')
    assert weights_path(tmp_path / 'ghost-dil') == tmp_path / 'ghost-dil'


@pytest.mark.parametrize('name', SHIPPED)
def test_the_package_has_the_weights_of_every_name_and_their_card(name: str) -> None:
    found = stored_model(name)
    assert found.descriptor_dim == (2048 if name == 'ghost-vpr-2048' else 512)
    assert len(found.data) <= (12.5e6 if name == 'ghost-vpr-2048' else 8e6)
    cards = [card.read_text() for card in shipped_path(name).parent.glob('MODEL_CARD*.md')]
    assert sum(found.model_hash in card for card in cards) == 1
