"""The fault campaign: what it counts, and a trial of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from faults.corruptions import corrupted
from faults.tally import Tally, outcome_of
from ghost_vpr_ros.core.errors import MapError

ROOT = Path(__file__).parent.parent


def refuse() -> str:
    raise MapError('damaged')


def crash() -> str:
    raise ValueError('no sentence')


def test_outcomes_are_told_apart():
    tally = Tally('group')
    for case in (refuse, crash, lambda: 'unharmed'):
        tally.add(*outcome_of(case))
    assert dict(tally.outcomes) == {'refused': 1, 'crashed': 1, 'unharmed': 1}
    assert not tally.is_good
    assert tally.details == ['crashed: ValueError: no sentence']


def test_a_corruption_changes_something_or_cuts_off():
    content = bytes(range(256)) * 100
    changed = [corrupted(content, np.random.default_rng(number)) for number in range(50)]
    assert sum(each != content for each in changed) >= 48
    assert all(len(each) <= len(content) for each in changed)


@pytest.mark.slow
def test_a_trial_of_the_campaign_finds_nothing_bad(tmp_path):
    command = [sys.executable, '-m', 'faults', '--quick', '--out', str(tmp_path / 'page.md')]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert '| **all** |' in (tmp_path / 'page.md').read_text()
    assert (tmp_path / 'page.json').is_file()
