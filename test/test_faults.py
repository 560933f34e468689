"""The fault campaign: what it counts, and a trial of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from faults import io_errors, soak
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


def test_children_count_their_cases_and_one_that_dies_is_a_case(tmp_path):
    (tmp_path / 'cases.py').write_text(
        'import sys\n'
        'from faults.tally import print_case\n'
        'for number in range(int(sys.argv[1]), int(sys.argv[2])):\n'
        '    if number == 2:\n'
        '        sys.exit(3)\n'
        "    print_case('unharmed', '')\n"
    )
    tally = Tally('group')
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    tally.add_children(['cases'], 4, {**os.environ, 'PYTHONPATH': path})
    assert dict(tally.outcomes) == {'unharmed': 3, 'crashed': 1}
    assert tally.details == ['crashed: case 2 ended with status 3']


def test_a_corruption_changes_something_or_cuts_off():
    content = bytes(range(256)) * 100
    changed = [corrupted(content, np.random.default_rng(number)) for number in range(50)]
    assert sum(each != content for each in changed) >= 48
    assert all(len(each) <= len(content) for each in changed)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which('cc') is None, reason='needs a C compiler')
def test_calls_fail_as_they_are_told():
    tally = io_errors.fail_writer('results', 0, 20)
    assert tally.is_good, tally.details
    assert tally.outcomes['refused'] and tally.outcomes['unharmed']


def test_a_node_that_grows_or_keeps_files_open_is_found():
    steady = np.column_stack([np.full(40, 300.0), np.full(40, 50.0)])
    growing = steady + np.arange(40)[:, None] * [1.0, 0.0]
    leaking = steady + np.arange(40)[:, None] // 10 * [0.0, 1.0]
    found = [soak.judged(samples, 'run')[0] for samples in (steady, growing, leaking)]
    assert found == ['unharmed', 'lost', 'lost']


@pytest.mark.slow
def test_a_trial_of_the_campaign_finds_nothing_bad(tmp_path):
    command = [sys.executable, '-m', 'faults', '--quick', '--out', str(tmp_path / 'page.md')]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert '| **all** |' in (tmp_path / 'page.md').read_text()
    assert (tmp_path / 'page.json').is_file()
