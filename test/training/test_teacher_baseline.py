from pathlib import Path

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.replay.evaluation.ground_truth import by_index
from training.measure.protocols import Protocol
from training.teacher_baseline import baseline, gem, main
from training.trunk.teacher import Teacher


def test_gem_is_the_root_of_the_mean_of_cubes() -> None:
    found = gem(torch.tensor([[[[1.0, 2.0]], [[3.0, 3.0]]]]))
    by_hand = torch.tensor([4.5 ** (1 / 3), 3.0])
    torch.testing.assert_close(found[0], by_hand / by_hand.norm())


def test_a_place_is_found_by_its_own_image() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(40)]
    frames = [Frame(str(n), lambda image=image: image) for n, image in enumerate(images)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, stride=8), torch.nn.ReLU())
    truth = by_index(frames, frames, 0)
    protocol = Protocol('own', frames, frames, truth, ('', ''))
    found = baseline(Teacher('tiny', trunk), protocol, 64)
    assert found['GeM'][1] == 100.0
    assert found['VLAD'][1] == 100.0


def test_an_unknown_teacher_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--teacher', 'nobody', '--out', str(Path('x.json'))]) == 1
    assert capsys.readouterr().err.startswith(
        'training.teacher_baseline: error: teacher: expected'
    )
