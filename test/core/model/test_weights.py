"""Weights files: what is saved comes back bit by bit, and what is not right is refused."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.errors import OutputError, WeightsError
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import (
    load_model,
    model_from_bytes,
    model_to_bytes,
    save_model,
)
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.preprocessing import preprocess
from test.core.model.tiny_model import PREPROCESSING, pictures, tiny_model


@pytest.fixture(scope='module')
def model() -> VprModel:
    return tiny_model(descriptor_dim=8)


@pytest.fixture(scope='module')
def weights(model) -> bytes:
    return model_to_bytes(model)


def describe(model: VprModel) -> torch.Tensor:
    batch = np.concatenate([preprocess(image, PREPROCESSING) for image in pictures(3, seed=5)])
    with torch.no_grad():
        return model(torch.from_numpy(batch))


def header_of(data: bytes) -> dict:
    length = int.from_bytes(data[:8], 'little')
    return json.loads(data[8 : 8 + length])


def rewritten(data: bytes, change_tensors=None, change_metadata=None) -> bytes:
    """The same file with other tensors or metadata; both changes edit a dictionary in place."""
    tensors, metadata = load(data), header_of(data)['__metadata__']
    if change_tensors is not None:
        change_tensors(tensors)
    if change_metadata is not None:
        change_metadata(metadata)
    return save(tensors, metadata)


def assert_refused(data: bytes, path: Path, match: str) -> None:
    """Loading fails with one sentence that begins with the file's path."""
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=match) as caught:
        load_model(path)
    assert str(caught.value).startswith(f'{path}: ')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'config',
    [
        {'descriptor_dim': 8},
        {'netvlad_version': 'v1'},
        {'squeeze_excite': False, 'dilation': (2, 3), 'dilate': 'both'},
        {'crop_channels': 960, 'clusters': 3},
    ],
)
def test_a_loaded_model_describes_bit_by_bit_as_the_saved_one(tmp_path, config):
    saved = tiny_model(**config)
    save_model(saved, tmp_path / 'w.safetensors')
    loaded = load_model(tmp_path / 'w.safetensors')
    assert torch.equal(describe(loaded), describe(saved))
    assert (loaded.config, loaded.preprocessing) == (saved.config, saved.preprocessing)
    assert (loaded.provenance, loaded.name) == (saved.provenance, saved.name)
    assert loaded.model_hash == saved.model_hash
    assert not loaded.training


def test_a_loaded_model_can_be_trained_on(weights):
    loaded = model_from_bytes(weights, 'here')
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    describe_with_gradient = loaded(torch.ones(1, 3, 64, 64))
    describe_with_gradient.sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def test_a_model_without_clusters_loads_but_refuses_to_run():
    blank = VprModel(ModelConfig(clusters=2, crop_channels=160), PREPROCESSING)
    loaded = model_from_bytes(model_to_bytes(blank), 'here')
    with pytest.raises(WeightsError, match='clusters are not initialised'):
        describe(loaded)


def test_a_model_whose_whitening_was_never_learned_loads_but_refuses_to_run():
    blank = tiny_model(descriptor_dim=8)
    with torch.no_grad():
        blank.whitening.projection.zero_()
    loaded = model_from_bytes(model_to_bytes(blank), 'here')
    with pytest.raises(WeightsError, match='projection is not learned'):
        describe(loaded)


def test_loading_leaves_torchs_global_random_numbers_alone(weights):
    before = torch.get_rng_state()
    model_from_bytes(weights, 'here')
    assert torch.equal(torch.get_rng_state(), before)


def test_a_missing_tensor_is_refused(weights, tmp_path):
    data = rewritten(weights, lambda tensors: tensors.pop('pooling.centres'))
    assert_refused(data, tmp_path / 'w', "1 of 507 tensors are missing, first 'pooling.cent")


def test_an_unknown_tensor_is_refused(weights, tmp_path):
    data = rewritten(weights, lambda tensors: tensors.update(head=torch.zeros(3)))
    assert_refused(data, tmp_path / 'w', "unknown, first 'head'")


def test_a_tensor_of_another_shape_is_refused(weights, tmp_path):
    data = rewritten(weights, lambda t: t.update({'pooling.centres': torch.zeros(5, 160)}))
    assert_refused(data, tmp_path / 'w', "of another shape or type, first 'pooling.centres'")


def test_a_tensor_of_another_type_is_refused(weights, tmp_path):
    data = rewritten(
        weights, lambda t: t.update({'pooling.centres': t['pooling.centres'].double()})
    )
    assert_refused(data, tmp_path / 'w', "of another shape or type, first 'pooling.centres'")


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_number_that_is_not_finite_is_refused(weights, tmp_path, bad):
    data = rewritten(weights, lambda t: t['whitening.projection'].view(-1)[7:8].fill_(bad))
    assert_refused(data, tmp_path / 'w', "not finite, first 'whitening.projection'")


@pytest.mark.parametrize(
    'kept', [0, 1, 7, 8, 9, 100, 0.001, 0.01, 0.5, 0.999, -1000, -8, -1], ids=str
)
def test_a_truncated_file_is_refused(weights, tmp_path, kept):
    length = int(kept * len(weights)) if isinstance(kept, float) else kept
    assert_refused(weights[:length], tmp_path / 'w', 'truncated|not readable')


def test_bytes_behind_the_end_are_refused(weights, tmp_path):
    assert_refused(weights + b'\0', tmp_path / 'w', 'not readable')


@pytest.mark.parametrize('share', [0.0, 0.25, 0.5, 0.9, 1.0])
def test_a_flipped_bit_in_a_tensor_is_refused(weights, tmp_path, share):
    start = 8 + int.from_bytes(weights[:8], 'little')
    at = start + int(share * (len(weights) - 1 - start))
    data = bytearray(weights)
    data[at] ^= 1
    assert_refused(bytes(data), tmp_path / 'w', 'the file is damaged|not finite')


def test_a_damaged_header_is_refused_or_changes_no_descriptor(model, weights, tmp_path):
    """The hash does not cover the provenance, which is for reading only."""
    end = 8 + int.from_bytes(weights[:8], 'little')
    for at in range(0, end, 1997):
        data = bytearray(weights)
        data[at] ^= 4
        try:
            loaded = model_from_bytes(bytes(data), 'here')
        except WeightsError as error:
            assert str(error).startswith('here: ')
            continue
        assert loaded.model_hash == model.model_hash
        assert loaded.provenance != model.provenance


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'hello, this is no weights file',
        b'PK\x03\x04' + bytes(500),
        b'[' * 5000,
        (2).to_bytes(8, 'little') + b'[]',
        (4).to_bytes(8, 'little') + b'null',
        (21).to_bytes(8, 'little') + b'{"__metadata__":null}',
        (19).to_bytes(8, 'little') + b'{"__metadata__":[]}',
        (18).to_bytes(8, 'little') + b'{"__metadata__":5}',
        (1000).to_bytes(8, 'little') + b'[' * 1000,
        (100_000).to_bytes(8, 'little') + b'[' * 100_000,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_not_a_safetensors_file_is_refused(tmp_path, data):
    assert_refused(data, tmp_path / 'w', 'weights')


def test_safetensors_of_someone_else_are_refused(tmp_path):
    data = save({'conv.weight': torch.zeros(3)}, {'format': 'pt'})
    assert_refused(
        data, tmp_path / 'w', "expected weights of format 'ghost_vpr_ros/1', found 'pt'"
    )
    assert_refused(save({'a': torch.zeros(3)}), tmp_path / 'w', "found 'no format'")


@pytest.mark.parametrize('key', ['config', 'preprocessing', 'model_hash', 'provenance'])
def test_missing_metadata_is_refused(weights, tmp_path, key):
    data = rewritten(weights, change_metadata=lambda metadata: metadata.pop(key))
    assert_refused(data, tmp_path / 'w', f'not readable as weights of this version.*{key}')


@pytest.mark.parametrize('text', ['5', 'null', '[1]', '{"clusters": 0}', '{"clusters": "4"}', '{'])
def test_a_configuration_that_makes_no_sense_is_refused(weights, tmp_path, text):
    data = rewritten(weights, change_metadata=lambda metadata: metadata.update(config=text))
    assert_refused(data, tmp_path / 'w', 'not readable as weights of this version')


def test_an_unknown_setting_is_refused_by_its_name(weights, tmp_path):
    def add(metadata):
        metadata['config'] = json.dumps({**json.loads(metadata['config']), 'cluster': 4})

    data = rewritten(weights, change_metadata=add)
    assert_refused(data, tmp_path / 'w', "unknown key 'cluster'; did you mean 'clusters'")


def test_a_size_that_no_machine_can_hold_is_refused_at_once(weights, tmp_path):
    def enlarge(metadata):
        changed = {**json.loads(metadata['config']), 'clusters': 1024, 'descriptor_dim': 65536}
        metadata['config'] = json.dumps(changed)

    data = rewritten(weights, change_metadata=enlarge)
    assert_refused(data, tmp_path / 'w', 'of another shape')


@pytest.mark.parametrize('name', ['missing.safetensors', '.'])
def test_a_path_without_a_file_is_refused(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(WeightsError, match=f'^{re.escape(str(path))}: the weights cannot be read'):
        load_model(path)


def test_a_folder_in_the_way_is_refused_and_nothing_stays_behind(model, tmp_path):
    (tmp_path / 'w').mkdir()
    with pytest.raises(OutputError, match='w: the weights cannot be written'):
        save_model(model, tmp_path / 'w')
    assert list(tmp_path.iterdir()) == [tmp_path / 'w']


def test_a_missing_folder_is_refused(model, tmp_path):
    with pytest.raises(OutputError, match='the weights cannot be written'):
        save_model(model, tmp_path / 'missing' / 'w')


def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_behind(model, tmp_path, monkeypatch):
    path = tmp_path / 'w'
    path.write_bytes(b'old')

    def fail(_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OutputError, match='No space left on device'):
        save_model(model, path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b'old'


def test_a_process_killed_while_saving_keeps_the_old_file(weights, tmp_path):
    path = tmp_path / 'w'
    path.write_bytes(weights)
    code = (
        'import os, signal, sys; from ghost_vpr_ros.core.model import weights; '
        'model = weights.load_model(sys.argv[1]); model.provenance = "new"; '
        'os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL); '
        'weights.save_model(model, sys.argv[1])'
    )
    done = subprocess.run([sys.executable, '-c', code, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == weights


def test_a_saved_file_is_as_readable_as_any_other(model, tmp_path):
    (tmp_path / 'plain').write_bytes(b'')
    save_model(model, tmp_path / 'w')
    assert (tmp_path / 'w').stat().st_mode == (tmp_path / 'plain').stat().st_mode


def test_saving_over_an_older_file_replaces_it(model, tmp_path):
    (tmp_path / 'w').write_bytes(b'old')
    save_model(model, tmp_path / 'w')
    assert load_model(tmp_path / 'w').model_hash == model.model_hash
    assert len(list(tmp_path.iterdir())) == 1


def test_a_rounded_file_is_small_and_stays_the_same_network(tmp_path):
    model = tiny_model(descriptor_dim=8)
    save_model(model, tmp_path / 'small.safetensors', half=True)
    rounded = load_model(tmp_path / 'small.safetensors')
    tensors = load((tmp_path / 'small.safetensors').read_bytes())
    assert tensors['whitening.projection'].dtype == torch.int8
    # Read without PyTorch, too: its content has its hash.
    assert StoredModel.from_file(tmp_path / 'small.safetensors').model_hash == rounded.model_hash
    again = load(model_to_bytes(rounded))
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    cosine = (describe(model) * describe(rounded)).sum(dim=1)
    assert cosine.min() > 0.999
    step = tensors['whitening.projection:step'].float()
    error = (rounded.whitening.projection - model.whitening.projection).abs()
    assert (error <= 0.51 * step).all() and error.any()


def test_eight_bits_without_their_steps_are_refused(model, tmp_path):
    rounded = model_to_bytes(model, half=True)
    data = rewritten(rounded, lambda tensors: tensors.pop('whitening.projection:step'))
    assert_refused(data, tmp_path / 'w', "another shape or type, first 'whitening.projection'")
