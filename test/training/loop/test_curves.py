"""Learning curves: the log of a run, also of one that was resumed, and its picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from training.loop.curves import draw_curves, read_curves
from training.loop.run_folder import RunFolder


def test_of_a_repeated_step_the_later_row_counts(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / 'run', {}, resume=False)
    folder.log(0, {'val_recall_5': 50.0})
    folder.log(10, {'loss': 3.0, 'learning_rate': 0.1})
    folder.log(20, {'loss': 2.0, 'learning_rate': 0.1})
    folder.log(10, {'loss': 2.5, 'learning_rate': 0.1})
    folder.close()
    curves = read_curves(tmp_path / 'run' / 'log.csv')
    assert curves['loss'] == ([10, 20], [2.5, 2.0])
    assert curves['val_recall_5'] == ([0], [50.0])


def test_the_picture_shows_something(tmp_path: Path) -> None:
    log = tmp_path / 'log.csv'
    log.write_text('step,loss,val_recall_1\n0,,5\n1,2.5,\n2,1.5,\n2,,60\n')
    draw_curves(log, tmp_path / 'curves.png')
    picture = cv2.imread(str(tmp_path / 'curves.png'))
    assert picture.shape == (650, 1100, 3)
    assert np.unique(picture).size > 50


@pytest.mark.parametrize('text', ['loss\n3\n', 'step,loss\n0,high\n', None])
def test_a_damaged_log_is_named(tmp_path: Path, text: str | None) -> None:
    log = tmp_path / 'log.csv'
    if text is not None:
        log.write_text(text)
    with pytest.raises(SourceError, match=r'log\.csv: not readable'):
        read_curves(log)
