"""`replay` shows its common options first, and all on request."""

import re

import pytest

from ghost_vpr_ros.cli.main import make_parser
from ghost_vpr_ros.cli.replay import COMMON_OPTIONS


def shown(capsys, option):
    with pytest.raises(SystemExit) as caught:
        make_parser().parse_args(['replay', option])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    return text, set(re.findall(r'^ +(?:-h, )?(--[a-z0-9-]+)', text, re.MULTILINE))


def test_the_common_options_come_first_and_all_of_them_exist(capsys):
    text, few = shown(capsys, '--help')
    everything = shown(capsys, '--help-all')[1]
    assert few == {*COMMON_OPTIONS, '--help', '--help-all'}
    assert few < everything
    assert re.search(r'\d+ more options: ', text)
