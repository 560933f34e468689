"""The documentation's commands work and its links lead somewhere."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ghost_vpr_ros.cli.main import main
from test.documented_commands import ROOT, Command, commands_in, fault_of
from test.source_rules import LEVELS

DOCUMENTS = [
    path
    for path in (ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted(ROOT.glob('docs/**/*.md')))
    if path.is_file()
]
COMMAND_TIMEOUT_S = 600
NEEDS_SHELL = re.compile(r'[|&;<>$`*?~(){}]')
PROGRAM = 'import sys; from ghost_vpr_ros.cli.main import main; sys.exit(main())'

LONG = ('README.md', 'fleet.md', 'models.md', 'sources.md', 'tutorial.md')
"""Documents whose commands render and describe images of the full size."""

by_document = pytest.mark.parametrize(
    'document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
long_ones_are_slow = pytest.mark.parametrize(
    'document',
    [
        pytest.param(
            path,
            id=str(path.relative_to(ROOT)),
            marks=[pytest.mark.slow] if path.name in LONG else [],
        )
        for path in DOCUMENTS
    ],
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
    """Run one documented line as a shell would; the test fails with its output.

    A line that needs no shell is run in this process, which has loaded the libraries already.
    """
    line = command.text.replace('.venv/bin/ghost-vpr', 'ghost-vpr')
    program, *arguments = shlex.split(line, comments=True)
    if program == 'ghost-vpr' and not NEEDS_SHELL.search(line):
        status, output = run_here(arguments, folder)
    else:
        status, output = run_in_shell(line, folder, environment)
    assert status == 0, f'line {command.line}: {line}\n{output}'


def run_here(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Exit status and output of the program with these arguments, run inside a folder."""
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                status = main(arguments)
            except SystemExit as end:
                status = end.code
    return status, output.getvalue()


def run_in_shell(line: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and output of a shell that is given this line inside a folder."""
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    return done.returncode, done.stdout


@long_ones_are_slow
def test_commands_run(document: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    commands = [each for each in commands_in(document.read_text()) if each.runs]
    folder = tmp_path / 'here'
    folder.mkdir()
    for command in commands:
        run(command, folder, environment)
    assert all(command.words[0] == 'ghost-vpr' for command in commands)


@by_document
def test_commands_exist_and_take_their_arguments(document: Path) -> None:
    commands = commands_in(document.read_text())
    assert [f'{c.line}: {c.text}: {fault_of(c)}' for c in commands if fault_of(c)] == []


@by_document
def test_links_lead_to_files(document: Path) -> None:
    targets = re.findall(r'\]\(([^)#:\s]+)[^):]*\)', document.read_text())
    assert [each for each in targets if not (document.parent / each).exists()] == []


def pages_of(navigation: list) -> list[str]:
    """The files that the navigation of the site names, in its order."""
    found = []
    for entry in navigation:
        for value in entry.values():
            found += pages_of(value) if isinstance(value, list) else [value]
    return found


def test_the_navigation_of_the_site_leads_to_pages() -> None:
    pages = pages_of(yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav'])
    assert pages[0] == 'index.md' and len(set(pages)) == len(pages)
    assert [page for page in pages if not (ROOT / 'docs' / page).is_file()] == []


def test_the_architecture_lists_the_levels_of_the_core() -> None:
    text = (ROOT / 'docs' / 'architecture.md').read_text()
    for number, parts in enumerate(LEVELS):
        (row,) = re.findall(rf'^\| {number} \| (.*) \|$', text, re.MULTILINE)
        assert [name.strip('`').removesuffix('.py').strip('/') for name in row.split(', ')] == [
            *parts
        ]


@pytest.mark.slow
def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    pytest.importorskip('mkdocs')
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'concepts.html').is_file()


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


@pytest.mark.parametrize('pipe', ['', ' | cat'])
def test_failing_command_fails_the_test(
    tmp_path: Path, environment: dict[str, str], pipe: str
) -> None:
    command = Command(7, f'ghost-vpr info missing.db{pipe}', may_run=True)
    with pytest.raises(AssertionError, match=r'(?s)line 7.*missing.db: '):
        run(command, tmp_path, environment)


def test_a_line_that_needs_a_shell_gets_one(tmp_path: Path, environment: dict[str, str]) -> None:
    text = '.venv/bin/ghost-vpr --version > version.txt'
    run(Command(7, text, may_run=True), tmp_path, environment)
    assert 'ghost-vpr' in (tmp_path / 'version.txt').read_text()
