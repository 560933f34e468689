"""The sample town from the command line."""

import json

import pytest

from test.cli.program import snapshot

SMALL = ['--drives', '1', '--frames', '2', '--width-px', '64', '--height-px', '48']


def test_drives_are_written_and_named(program, tmp_path):
    result = json.loads(program('sample-town', tmp_path / 'town', *SMALL, '--json').out)
    assert result['drive_0'] == str(tmp_path / 'town' / 'drive_0')
    assert len(list((tmp_path / 'town' / 'drive_0' / 'images').iterdir())) == 2


@pytest.mark.slow
def test_another_town_in_the_same_folder_is_refused(program, tmp_path):
    program('sample-town', tmp_path / 'town', *SMALL)
    before = snapshot(tmp_path)
    assert 'town' in program('sample-town', tmp_path / 'town', *SMALL, '--seed', '1').error
    assert snapshot(tmp_path) == before
