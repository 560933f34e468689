"""A user whom the system does not know, as in a container: no home folder."""

import os
import tempfile
from pathlib import Path

import pytest

from ghost_vpr_ros.core.home import home_folder, home_for_others


@pytest.fixture
def homeless(monkeypatch):
    monkeypatch.delenv('HOME')
    monkeypatch.setattr('pwd.getpwuid', {}.__getitem__)


def test_no_home_is_no_error(homeless):
    assert home_folder() is None
    with home_for_others():
        assert home_folder() == Path(tempfile.gettempdir())
    assert 'HOME' not in os.environ


def test_a_home_stays_what_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    with home_for_others():
        assert home_folder() == tmp_path
    assert home_folder() == tmp_path
