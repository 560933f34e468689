from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ghost_vpr_ros.core.errors import OutputError, WeightsError
from training.loop.checkpoint import (
    load_checkpoint,
    load_into,
    named,
    restore_tensors,
    save_checkpoint,
    tensors_of,
    unnamed,
)


def test_tensors_and_state_come_back(tmp_path: Path) -> None:
    path = tmp_path / 'checkpoint.safetensors'
    save_checkpoint(path, {'a': torch.arange(3), 'b': torch.ones(2, 2)}, {'step': 7, 'x': [1, 2]})
    tensors, state = load_checkpoint(path)
    assert torch.equal(tensors['a'], torch.arange(3))
    assert torch.equal(tensors['b'], torch.ones(2, 2))
    assert state == {'step': 7, 'x': [1, 2]}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'checkpoint.safetensors'
    save_checkpoint(path, {'a': torch.zeros(1)}, {'step': 1})

    def full(descriptor: int) -> None:
        del descriptor
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(OutputError, match=r'No space left.*the one before it is intact.*--resume'):
        save_checkpoint(path, {'a': torch.ones(1)}, {'step': 2})
    assert load_checkpoint(path)[1] == {'step': 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / 'text'
    text.write_text('no tensors here')
    with pytest.raises(WeightsError, match='not readable as a checkpoint'):
        load_checkpoint(text)
    other = tmp_path / 'other.safetensors'
    save_file({'a': torch.zeros(1)}, other)
    with pytest.raises(WeightsError, match='no format'):
        load_checkpoint(other)


def test_another_architecture_is_refused() -> None:
    tensors = torch.nn.Linear(2, 3).state_dict()
    with pytest.raises(WeightsError, match=r"first 'bias'; .*another architecture"):
        load_into(torch.nn.Linear(2, 4), tensors, Path('run/checkpoint.safetensors'))


def test_names_are_taken_off_again() -> None:
    tensors = {**named('a', {'x': torch.zeros(1)}), **named('ab', {'y': torch.ones(1)})}
    assert list(unnamed('a', tensors)) == ['x']
    assert list(unnamed('ab', tensors)) == ['y']


@pytest.mark.parametrize('kind', [torch.optim.AdamW, torch.optim.SGD])
def test_a_restored_optimiser_steps_as_the_saved_one(
    tmp_path: Path, kind: type[torch.optim.Optimizer]
) -> None:
    def step(layer: torch.nn.Linear, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        layer(torch.ones(1, 2)).square().sum().backward()
        optimiser.step()

    options = {'momentum': 0.9} if kind is torch.optim.SGD else {}
    torch.manual_seed(0)
    layer = torch.nn.Linear(2, 2)
    optimiser = kind(layer.parameters(), lr=0.1, **options)
    for _ in range(3):
        step(layer, optimiser)
    path = tmp_path / 'checkpoint.safetensors'
    save_checkpoint(path, tensors_of(optimiser, layer=layer), {})

    again = torch.nn.Linear(2, 2)
    other = kind(again.parameters(), lr=0.1, **options)
    loaded, _ = load_checkpoint(path)
    restore_tensors(path, loaded, other, layer=again)
    step(layer, optimiser)
    step(again, other)
    assert torch.equal(layer.weight, again.weight)


def test_a_changed_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'checkpoint.safetensors'
    tensors = {
        'a': torch.arange(6.0).reshape(2, 3),
        'none': torch.zeros(0),
        'b': torch.tensor(True),
    }
    save_checkpoint(path, tensors, {'step': 7})
    whole = path.read_bytes()
    for place in range(0, 8 * len(whole), 3):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            found, state = load_checkpoint(path)
        except WeightsError:
            continue
        # A name of no meaning, such as that of the digest itself.
        assert state == {'step': 7}
        assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
