"""The doctor's command on data sets as they lie on disk."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.datasets.__main__ import main


def town(folder: Path, splits: dict[str, float]) -> Path:
    """Eight photos a part, queries and database in turn, 5 m apart; parts begin at a latitude."""
    rows = ['image,latitude,longitude,split,role']
    for number, (split, latitude) in enumerate(splits.items()):
        rng = np.random.default_rng(number)
        (folder / split).mkdir(parents=True)
        for photo in range(8):
            name = f'{split}/{photo}.png'
            image = rng.integers(0, 255, (24, 32, 3), np.uint8)
            assert cv2.imwrite(str(folder / name), image)
            role = 'query' if photo % 2 else 'database'
            rows.append(f'{name},{latitude + photo * 4.5e-5:.7f},10.0,{split},{role}')
    (folder / 'manifest.csv').write_text('\n'.join(rows) + '\n')
    return folder


def findings(
    capsys: pytest.CaptureFixture, *arguments: str, status: int = 1
) -> list[tuple[str, str]]:
    """Check and set of every problem."""
    assert main(['doctor', *arguments, '--json']) == status
    report = json.loads(capsys.readouterr().out)
    assert report['healthy'] == (status == 0)
    wrong = [f for f in report['findings'] if f['severity'] == 'problem']
    return [(finding['check'], finding['set'].rpartition(' ')[2]) for finding in wrong]


def test_a_healthy_set(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = town(tmp_path / 'town', {'train': 48.0, 'test': 48.1, 'buffer': 48.0})
    assert main(['doctor', str(source)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('town train: 8 images, 4 queries, 4 database images; positives')
    assert lines[1].startswith('town test: 8 images')
    assert 'within 10 m' in lines[0]
    assert 'within 25 m' in lines[1]
    assert lines[-1] == 'healthy'


def test_parts_that_share_places_and_images(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = town(tmp_path / 'town', {'train': 48.0, 'test': 48.0001})
    assert findings(capsys, str(source)) == [('places', 'test')]
    (source / 'test/3.png').write_bytes((source / 'train/5.png').read_bytes())
    assert findings(capsys, str(source)) == [('duplicates', 'test'), ('places', 'test')]
    assert findings(capsys, str(source), '--no-images') == [('places', 'test')]
    assert findings(capsys, str(source), '--split', 'test', status=0) == []


def test_damaged_and_missing_images(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = town(tmp_path / 'town', {'test': 48.0})
    (source / 'test/3.png').write_bytes(b'no image')
    assert findings(capsys, str(source)) == [('readable', 'test')]
    assert findings(capsys, str(source), '--no-decode', status=0) == []
    (source / 'test/4.png').unlink()
    (source / 'test/5.png').unlink()
    assert main(['doctor', str(source)]) == 1
    assert '2 of 8 image files are missing (test/4.png, test/5.png)' in capsys.readouterr().out


def test_queries_without_positives(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = town(tmp_path / 'town', {'test': 48.0})
    assert findings(capsys, str(source), '--distance-m', '1') == [('positives', 'test')]


def test_a_set_of_another_size_than_its_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source = town(tmp_path / 'town', {'test': 48.0})
    assert findings(capsys, str(source), '--reference', 'pitts30k') == [('counts', 'test')]
    assert main(['doctor', str(source), '--reference', 'pitts30']) == 1
    captured = capsys.readouterr()
    assert captured.err.count('\n') == 1
    assert 'no published counts of' in captured.err


def test_what_cannot_be_opened_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(['doctor', str(tmp_path / 'absent')]) == 1
    out = capsys.readouterr().out
    assert out.startswith('problem')
    assert 'absent' in out


def test_a_missing_source_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as caught:
        main(['doctor'])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ('name', 'queries', 'database', 'positives'),
    [('pitts30k_test', 6_816, 10_000, 120), ('tokyo247', 315, 75_984, 108)],
)
def test_the_real_ground_truth_is_healthy(
    data_dir: Path,
    capsys: pytest.CaptureFixture,
    name: str,
    queries: int,
    database: int,
    positives: int,
) -> None:
    source = data_dir / 'classic_ground_truth' / f'{name}.npz'
    assert main(['doctor', str(source), '--reference', name, '--json']) == 0
    figures = json.loads(capsys.readouterr().out)['sets'][name]
    assert (figures['queries'], figures['database']) == (queries, database)
    assert figures['positives']['median'] == positives
    assert figures['positives']['without'] == 0


@pytest.mark.parametrize('name', ['gsv_cambridge', 'bgu_campus'])
def test_real_photos_are_healthy(data_dir: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    assert findings(capsys, str(data_dir / name), '--no-decode', status=0) == []
