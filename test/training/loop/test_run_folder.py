import csv
from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import ConfigError, OutputError
from training.loop.run_folder import LOG_NAME, RunFolder


def rows_of(folder: RunFolder) -> list[dict[str, str]]:
    with (folder.path / LOG_NAME).open(newline='') as stream:
        return list(csv.DictReader(stream))


def test_a_folder_is_not_used_twice_without_resume(tmp_path: Path) -> None:
    RunFolder(tmp_path / 'run', {'seed': 1}, resume=False)
    with pytest.raises(OutputError, match='holds a run already; continue it with --resume'):
        RunFolder(tmp_path / 'run', {'seed': 1}, resume=False)
    RunFolder(tmp_path / 'run', {'seed': 1}, resume=True)


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path / 'run', {'seed': 1}, resume=False)
    with pytest.raises(ConfigError, match='found another one'):
        RunFolder(tmp_path / 'run', {'seed': 2}, resume=True)


def test_new_columns_widen_the_table(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / 'run', {}, resume=False)
    folder.log(1, {'loss': 0.5})
    folder.log(2, {'loss': 0.25, 'recall': 80.0})
    RunFolder(tmp_path / 'run', {}, resume=True).log(3, {'recall': 90.0})
    found = [(row['step'], row['loss'], row['recall']) for row in rows_of(folder)]
    assert found == [('1', '0.5', ''), ('2', '0.25', '80.0'), ('3', '', '90.0')]


def test_tensorboard_can_read_what_was_logged(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator'
    ).EventAccumulator
    folder = RunFolder(tmp_path / 'run', {}, resume=False)
    folder.log(4, {'loss': 0.5})
    folder.close()
    events = accumulator(str(folder.path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars('loss')] == [(4, 0.5)]


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path / 'run', {}, resume=False)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'open', full)
    with pytest.raises(OutputError, match=r'No space left on device.*checkpoint is intact'):
        folder.log(1, {'loss': 0.5})


def test_events_that_cannot_be_flushed_are_one_sentence(tmp_path: Path) -> None:
    class FullDisk:
        def close(self) -> None:
            raise OSError(28, 'No space left on device')

    folder = RunFolder(tmp_path / 'run', {}, resume=False)
    folder._writer = FullDisk()
    with pytest.raises(OutputError, match=r'No space left on device.*--resume'):
        folder.close()
    folder.close()


def test_a_damaged_configuration_is_another_one(tmp_path: Path) -> None:
    RunFolder(tmp_path / 'run', {'seed': 1}, resume=False)
    (tmp_path / 'run' / 'config.yaml').write_bytes(b'\xff\xfe seed')
    with pytest.raises(ConfigError, match='found another one'):
        RunFolder(tmp_path / 'run', {'seed': 1}, resume=True)
