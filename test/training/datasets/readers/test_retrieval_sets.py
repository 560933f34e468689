"""Oxford's text files and Holidays' numbers, made small."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from training.datasets.readers.retrieval_sets import RetrievalSet, open_retrieval_set


def write_photos(folder: Path, names: list[str]) -> Path:
    """Images 12 wide and 8 high whose left half is white."""
    folder.mkdir(parents=True, exist_ok=True)
    image = np.zeros((8, 12, 3), np.uint8)
    image[:, :6] = 255
    for name in names:
        assert cv2.imwrite(str(folder / f'{name}.png'), image)
    return folder


@pytest.fixture
def oxford(tmp_path: Path) -> Path:
    folder = write_photos(
        tmp_path / 'oxford5k', ['hall_1', 'hall_2', 'hall_3', 'gate_1', 'lawn_1']
    )
    lists = {
        'hall_a_query': 'oxc1_hall_1 2.0 1.0 6.0 5.0\n',
        'hall_a_good': 'hall_1\nhall_2\n',
        'hall_a_ok': 'hall_3\n',
        'hall_a_junk': 'gate_1\n',
    }
    for name, text in lists.items():
        (folder / f'{name}.txt').write_text(text)
    return folder


def names_of(found: RetrievalSet, rows: tuple[int, ...]) -> list[str]:
    return [found.database[row].name for row in rows]


def test_good_and_ok_are_right_and_junk_is_skipped(oxford: Path) -> None:
    found = open_retrieval_set('oxford', oxford, None, crop=False)
    (query,) = found.queries
    assert names_of(found, query.positives) == ['hall_1.png', 'hall_2.png', 'hall_3.png']
    assert names_of(found, query.junk) == ['gate_1.png']
    assert query.frame.load().shape == (8, 12, 3)
    assert found.identity.startswith('oxford5k_full#')


def test_a_cropped_query_shows_its_box(oxford: Path) -> None:
    found = open_retrieval_set('oxford', oxford, None, crop=True)
    pixels = found.queries[0].frame.load()
    assert pixels.shape == (4, 4, 3) and (pixels == 255).all()
    full = open_retrieval_set('oxford', oxford, None, crop=False)
    assert found.identity.startswith('oxford5k_crop#') and found.identity != full.identity


def test_truth_may_lie_elsewhere(oxford: Path, tmp_path: Path) -> None:
    truth = tmp_path / 'truth'
    truth.mkdir()
    for file in oxford.glob('*.txt'):
        file.rename(truth / file.name)
    assert len(open_retrieval_set('oxford', oxford, truth, crop=False).queries) == 1
    with pytest.raises(SourceError, match=r'expected files \*_query.txt, found none'):
        open_retrieval_set('oxford', oxford, None, crop=False)


def test_a_missing_image_is_named(oxford: Path) -> None:
    (oxford / 'hall_3.png').unlink()
    with pytest.raises(SourceError, match=r'hall_a_ok\.txt: expected the image hall_3'):
        open_retrieval_set('oxford', oxford, None, crop=False)


def test_a_damaged_query_is_refused(oxford: Path) -> None:
    (oxford / 'hall_a_query.txt').write_text('oxc1_hall_1 2.0 1.0')
    with pytest.raises(SourceError, match='expected a name and four numbers'):
        open_retrieval_set('oxford', oxford, None, crop=False)


def test_holidays_groups_are_in_the_numbers(tmp_path: Path) -> None:
    names = ['100100', '100000', '100002', '100001', '100101']
    found = open_retrieval_set('holidays', write_photos(tmp_path, names), None, crop=False)
    asked = {each.frame.name: each for each in found.queries}
    assert list(asked) == ['100000.png', '100100.png']
    first = asked['100000.png']
    assert names_of(found, first.positives) == ['100001.png', '100002.png']
    assert names_of(found, first.junk) == ['100000.png']


def test_a_group_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='its group has no other image'):
        open_retrieval_set('holidays', write_photos(tmp_path, ['100000']), None, crop=False)
