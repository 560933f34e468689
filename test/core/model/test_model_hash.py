"""The model's hash: it depends on whatever changes a descriptor, and on nothing else."""

import json
import os
import subprocess
import sys

import pytest
import torch

from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.model.description import content_hash
from ghost_vpr_ros.core.model.vpr_model import VprModel, arrays_of
from ghost_vpr_ros.core.model.weights import model_from_bytes, model_to_bytes
from test.core.model.test_weights import rewritten
from test.core.model.tiny_model import PREPROCESSING, tiny_model


@pytest.fixture(scope='module')
def model() -> VprModel:
    return tiny_model(descriptor_dim=8)


@pytest.fixture(scope='module')
def weights(model) -> bytes:
    return model_to_bytes(model)


def test_the_hash_is_the_same_in_another_process(model, weights, tmp_path):
    path = tmp_path / 'w.safetensors'
    path.write_bytes(weights)
    code = (
        'import sys; from ghost_vpr_ros.core.model.weights import load_model; '
        'print(load_model(sys.argv[1]).model_hash)'
    )
    environment = {**os.environ, 'PYTHONHASHSEED': '123'}
    done = subprocess.run(
        [sys.executable, '-c', code, str(path)], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == model.model_hash, done.stderr


def test_every_kind_of_tensor_changes_the_hash(weights):
    changed = model_from_bytes(weights, 'here')
    tensors = changed.state_dict()
    names = [*list(tensors)[::31], *(n for n in tensors if not n.startswith('backbone'))]
    seen = {changed.model_hash}
    for name in names:
        tensors[name].view(-1)[-1] += 1
        seen.add(changed.model_hash)
    assert len(seen) == len(names) + 1


@pytest.mark.parametrize(
    'other',
    [
        {'dilation': (5, 3)},
        {'dilate': 'both'},
        {'netvlad_version': 'v1'},
        {'squeeze_excite': False},
        {'clusters': 3},
    ],
)
def test_every_choice_of_the_architecture_changes_the_hash(other):
    plain, changed = (
        zeroed(VprModel(ModelConfig(**config), PREPROCESSING)) for config in ({}, other)
    )
    assert plain.model_hash != changed.model_hash


def zeroed(model: VprModel) -> VprModel:
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    return model


@pytest.mark.parametrize(
    'other',
    [
        {'width_px': 65},
        {'height_px': 65},
        {'mean': (0.485, 0.456, 0.407)},
        {'std': (0.229, 0.225, 0.225)},
        {'brightness': 0.4},
    ],
)
def test_every_number_of_the_preprocessing_changes_the_hash(model, other):
    numbers = {**PREPROCESSING.to_dict(), **other}
    changed = VprModel(model.config, PreprocessingConfig(**numbers))
    changed.load_state_dict(model.state_dict())
    assert changed.model_hash != model.model_hash


def test_a_layout_in_memory_does_not_change_the_hash(model, weights):
    channels_last = model_from_bytes(weights, 'here').to(memory_format=torch.channels_last)
    assert channels_last.model_hash == model.model_hash


def test_a_setting_that_is_written_or_left_out_at_its_default_is_the_same(model):
    """A file of another version may state what this one leaves out; its own hash covers that."""
    texts = model.describe_configuration()
    said = json.dumps({**json.loads(texts['preprocessing']), 'brightness': 0.0})
    data = rewritten(
        model_to_bytes(model),
        change_metadata=lambda metadata: metadata.update(
            preprocessing=said,
            model_hash=content_hash(
                {**texts, 'preprocessing': said}, arrays_of(model.state_dict())
            ),
        ),
    )
    assert model_from_bytes(data, 'here').model_hash == model.model_hash
