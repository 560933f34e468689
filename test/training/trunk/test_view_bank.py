"""A bank of views on a full disk, and one whose description is damaged."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.errors import OutputError
from training.trunk import view_bank
from training.trunk.view_bank import ViewBank


class Views:
    identity = 'grey'

    def clean_views(self, block: int, count: int) -> np.ndarray:
        return np.full((count, 4, 4, 3), block, np.uint8)

    def inputs(self, views: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(views).permute(0, 3, 1, 2).float()


class Maps:
    name, blocks = 'none', (0,)

    def __call__(self, batch: torch.Tensor) -> list[torch.Tensor]:
        return [batch]


def bank_in(folder: Path) -> ViewBank:
    return ViewBank(folder, Views(), Maps(), 40)


def test_the_space_is_taken_before_the_work(tmp_path: Path) -> None:
    bank_in(tmp_path / 'bank')
    for file in (tmp_path / 'bank').glob('*.npy'):
        assert file.stat().st_blocks * 512 >= file.stat().st_size


def test_a_full_disk_is_one_sentence_and_the_next_run_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        if path.name == 'map0.npy':
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(view_bank, 'reserve', full)
    with pytest.raises(OutputError, match=r'map0\.npy: cannot be written \(No space left'):
        bank_in(tmp_path / 'bank')
    monkeypatch.undo()
    assert bank_in(tmp_path / 'bank').views[33, 0, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize('text', ['', '[]', '{"key": "a"}', '{"maps": []}', '\x00'])
def test_a_damaged_description_is_refused_by_name(tmp_path: Path, text: str) -> None:
    bank_in(tmp_path / 'bank')
    (tmp_path / 'bank' / 'bank.json').write_text(text)
    with pytest.raises(OutputError, match=r'bank\.json: cannot be used .*remove the folder'):
        bank_in(tmp_path / 'bank')


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'bank').write_text('')
    with pytest.raises(OutputError, match='bank: cannot be written'):
        bank_in(tmp_path / 'bank')
