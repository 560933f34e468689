"""The documentation's commands work and its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from test.documented_commands import ROOT, Command, commands_in, fault_of

DOCUMENTS = [
    path
    for path in (ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted(ROOT.glob('docs/*.md')))
    if path.is_file()
]
COMMAND_TIMEOUT_S = 600
PROGRAM = 'import sys; from ghost_vpr_ros.cli.main import main; sys.exit(main())'

by_document = pytest.mark.parametrize(
    'document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment in which `ghost-vpr` is the one of this checkout."""
    program = tmp_path / 'bin' / 'ghost-vpr'
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(PROGRAM)} "$@"\n')
    program.chmod(0o755)
    path = f'{program.parent}{os.pathsep}{os.environ["PATH"]}'
    return {**os.environ, 'PATH': path, 'PYTHONPATH': str(ROOT)}


def run(command: Command, folder: Path, environment: dict[str, str]) -> None:
    """Run one documented line as a shell would; the test fails with its output."""
    line = command.text.replace('.venv/bin/ghost-vpr', 'ghost-vpr')
    shell = ['bash', '-euo', 'pipefail', '-c', line]
    done = subprocess.run(
        shell,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    assert done.returncode == 0, f'line {command.line}: {line}\n{done.stdout}\n{done.stderr}'


@by_document
def test_commands_run(document: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    commands = [each for each in commands_in(document.read_text()) if each.runs]
    folder = tmp_path / 'here'
    folder.mkdir()
    for command in commands:
        run(command, folder, environment)
    assert all(command.words[0] == 'ghost-vpr' for command in commands)


@by_document
def test_other_commands_exist(document: Path) -> None:
    rest = [each for each in commands_in(document.read_text()) if not each.runs]
    assert [f'{c.line}: {c.text}: {fault_of(c)}' for c in rest if fault_of(c)] == []


@by_document
def test_links_lead_to_files(document: Path) -> None:
    targets = re.findall(r'\]\(([^)#:\s]+)[^):]*\)', document.read_text())
    assert [each for each in targets if not (document.parent / each).exists()] == []


SAMPLE = """
```console
$ ghost-vpr --version
ghost-vpr 0.1.0
$ make setup  # once
```
```bash no-run
ghost-vpr build-map \\
    my_photos map.db
```
```python
import rclpy
```
```bash
# a comment
GHOST_VPR_DATA=../shared .venv/bin/ghost-vpr doctor | head -n 1
```
"""


def test_blocks_are_read_as_written() -> None:
    found = [(each.line, each.words[:2], each.runs) for each in commands_in(SAMPLE)]
    assert found == [
        (3, ['ghost-vpr', '--version'], True),
        (5, ['make', 'setup'], False),
        (8, ['ghost-vpr', 'build-map'], False),
        (16, ['ghost-vpr', 'doctor'], True),
    ]


@pytest.mark.parametrize(
    'text',
    [
        'make everything',
        'ghost-vpr build-mop a b',
        'ghost-vpr query --no-such-option map.db a.jpg',
        'ros2 run ghost_vpr_ros no_such_executable',
        'ros2 launch ghost_vpr_ros no_such.launch.py',
        'python -m training.no_such_module',
        'gohst-vpr info map.db',
    ],
)
def test_wrong_commands_are_found(text: str) -> None:
    assert fault_of(Command(1, text, may_run=False)) != ''


@pytest.mark.parametrize(
    'text',
    [
        'make demo DATA="my photos"',
        'ghost-vpr build-map photos map.db --where split=train',
        'ros2 run ghost_vpr_ros place_recognition --ros-args -p map:=map.db',
        'ros2 launch ghost_vpr_ros vpr.launch.py map:=map.db',
        'ros2 topic echo /place_recognition/status',
        'git clone URL',
    ],
)
def test_right_commands_pass(text: str) -> None:
    assert fault_of(Command(1, text, may_run=False)) == ''


def test_failing_command_fails_the_test(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match='line 7'):
        run(Command(7, 'ghost-vpr info missing.db', may_run=True), tmp_path, environment)
