"""A map is published with one command, and the shared map answers where a map file would."""

import fcntl
import json
import sys

import pytest

pytest.importorskip('pymilvus')
pytest.importorskip('milvus_lite')

from test.cli.program import TINY

CHANGING = {'session'}
"""The shared map names the robot of a session."""


def answers(outcome) -> list[dict]:
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    return [{k: v for k, v in line.items() if k not in CHANGING} for line in lines]


def test_a_shared_map_answers_as_the_map_that_was_published(program, built, query_image, tmp_path):
    fleet = tmp_path / 'fleet.db'
    first = json.loads(program('share', built, '--to', fleet, '--json').out)
    again = json.loads(program('share', built, '--to', fleet, '--json').out)
    assert (first['keyframes_added'], again['keyframes_added']) == (8, 0)
    assert (again['keyframes_present_before'], again['keyframes_shared']) == (8, 8)
    expected = answers(program('query', built, query_image, '--top-k', 5))
    found = answers(program('query', fleet, query_image, '--top-k', 5))
    assert len(found) == 5
    for line, other in zip(found, expected, strict=True):
        similarity = other.pop('similarity')
        assert line.pop('similarity') == pytest.approx(similarity, abs=1e-5)
        assert line == other


def test_info_shows_what_a_shared_map_holds(program, built, tmp_path):
    program('share', built, '--to', tmp_path / 'fleet.db', '--name', 'robot 7', '--no-views')
    values = json.loads(program('info', tmp_path / 'fleet.db', '--json').out)
    assert values['kind'] == 'shared map'
    assert values['keyframes'] == 8
    assert list(values['sessions']) == ['robot 7/walk']


def test_another_model_or_no_server_is_one_sentence(program, built, folder, tmp_path):
    fleet, other = tmp_path / 'fleet.db', tmp_path / 'other.map'
    program('share', built, '--to', fleet)
    program('build-map', folder, other, '--seed', 1, *TINY)
    assert 'was built with model' in program('share', other, '--to', fleet).error
    (tmp_path / 'file.db').write_text('mine')
    assert 'found a file' in program('share', built, '--to', tmp_path / 'file.db').error
    nowhere = 'http://127.0.0.1:9'
    assert 'no server answers there' in program('share', built, '--to', nowhere).error
    assert 'no server answers there' in program('info', nowhere).error


def test_a_database_in_use_is_one_sentence(program, tmp_path):
    (tmp_path / 'fleet.db').mkdir()
    with (tmp_path / 'fleet.db' / 'LOCK').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        error = program('info', tmp_path / 'fleet.db').error
    assert 'may be in use by another process' in error


def test_a_missing_package_is_one_sentence(program, built, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pymilvus', None)
    error = program('share', built, '--to', tmp_path / 'fleet.db').error
    assert 'pip install pymilvus milvus-lite' in error


def test_a_shared_map_is_only_read(program, tmp_path):
    from ghost_vpr_ros.core.errors import MapError
    from ghost_vpr_ros.core.opened_map import open_map

    (tmp_path / 'fleet.db').mkdir()
    with pytest.raises(MapError, match='which is only read'):
        open_map(tmp_path / 'fleet.db', mode='localize_and_map')
