import csv
from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import ConfigError, OutputError
from training.loop.run_folder import (
    BANK_NAME,
    BANK_STATE_NAME,
    CACHE_NAME,
    CONFIG_NAME,
    LOG_NAME,
    RunFolder,
)


def rows_of(folder: RunFolder) -> list[dict[str, str]]:
    with (folder.path / LOG_NAME).open(newline='') as stream:
        return list(csv.DictReader(stream))


def test_a_folder_is_not_used_twice_without_resume(tmp_path: Path) -> None:
    RunFolder(tmp_path / 'run', {'seed': 1}, resume=False)
    with pytest.raises(OutputError, match='already has a run; continue it with --resume'):
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


def start_and_fail(path: Path, *files: str, resume: bool = False) -> None:
    with (
        pytest.raises(ValueError, match='bad'),
        RunFolder(path, {'seed': 1}, resume=resume) as folder,
    ):
        for name in files:
            (folder.path / name).parent.mkdir(exist_ok=True)
            (folder.path / name).write_text('x')
        raise ValueError('bad')


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    start_and_fail(tmp_path / 'a' / 'run', f'{BANK_NAME}/views.npy')
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_touches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / 'notes.txt').write_text('mine')
    start_and_fail(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ['notes.txt']


@pytest.mark.parametrize(
    'result', [LOG_NAME, f'{CACHE_NAME}/marks.npy', f'{BANK_NAME}/{BANK_STATE_NAME}']
)
def test_a_run_that_fails_later_can_be_resumed(tmp_path: Path, result: str) -> None:
    start_and_fail(tmp_path / 'run', result)
    start_and_fail(tmp_path / 'run', resume=True)
    assert (tmp_path / 'run' / CONFIG_NAME).exists()


def test_a_failed_resumption_keeps_the_configuration(tmp_path: Path) -> None:
    RunFolder(tmp_path, {'seed': 1}, resume=False)
    start_and_fail(tmp_path, resume=True)
    assert (tmp_path / CONFIG_NAME).exists()
