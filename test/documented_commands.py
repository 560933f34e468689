"""The commands in the documentation's fenced blocks, and checks of each.

A block fenced as `console` (commands follow `$ `), `bash` or `sh` is read. Each `ghost-vpr` line
is run, in the order of the document, in one folder; where the fence is `bash no-run`, its
arguments are only parsed. Other commands are looked up: make targets, ROS executables, launch
files and training modules have to exist.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ghost_vpr_ros.cli.main import make_parser

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r'^ *```(\S*) *(.*)$')
LANGUAGES = ('console', 'bash', 'sh')
INSTALLERS = {'apt', 'apt-get', 'colcon', 'docker', 'pip', 'pre-commit', 'rosdep', 'sudo', 'uv'}
SHELL = {'cat', 'cd', 'cp', 'export', 'git', 'ls', 'mkdir', 'python', 'python3', 'source'}
OTHERS = {*INSTALLERS, *SHELL, 'ros2', 'rviz2', 'sqlite3', 'torchrun'}


@dataclass(frozen=True)
class Command:
    """One command of a document: its line number, its text, and whether its block may be run."""

    line: int
    text: str
    may_run: bool

    @property
    def words(self) -> list[str]:
        """The words without leading `NAME=value`; a path before the program's name is dropped."""
        words = shlex.split(self.text, comments=True)
        while words and re.match(r'^[A-Z_]+=', words[0]):
            words = words[1:]
        return [words[0].removeprefix('.venv/bin/'), *words[1:]] if words else []

    @property
    def runs(self) -> bool:
        """Whether it is a `ghost-vpr` line in a block that may be run."""
        return self.may_run and self.words[:1] == ['ghost-vpr']


def commands_in(document: str) -> Iterator[Command]:
    """The commands of all shell blocks of a Markdown text; continued lines are joined."""
    language, note, pending, start = '', '', '', 0
    for number, line in enumerate(document.splitlines(), 1):
        fence = FENCE.match(line)
        if fence:
            language, note = ('', '') if language else (fence[1] or 'text', fence[2])
            continue
        text = _command_text(line, language, continued=bool(pending))
        if not text:
            continue
        start = start if pending else number
        pending += text.removesuffix('\\')
        if not text.endswith('\\'):
            yield Command(start, pending, 'no-run' not in note)
            pending = ''


def _command_text(line: str, language: str, *, continued: bool) -> str:
    """The part of a line that a shell would read; empty for output, comments and other text."""
    line = line.strip()
    if language not in LANGUAGES or line.startswith('#'):
        return ''
    if language == 'console' and not continued:
        return line.removeprefix('$ ') if line.startswith('$ ') else ''
    return line


def fault_of(command: Command) -> str:
    """Why a command that is not run cannot be right; empty where it may be."""
    program, *rest = command.words or ['']
    if program == 'ghost-vpr':
        return _arguments_fault(rest)
    if program == 'make':
        return _missing(rest, make_targets(), 'make target')
    if program.startswith('.venv/lib/ghost_vpr_ros/'):
        return _ros_fault(['run', 'ghost_vpr_ros', Path(program).name])
    if program == 'ros2' and rest[:1] in (['run'], ['launch']):
        return _ros_fault(rest)
    if program.startswith('python') and rest[:1] == ['-m'] and rest[1].startswith('training'):
        module = ROOT / rest[1].replace('.', '/')
        files = (module.with_suffix('.py'), module / '__main__.py')
        return '' if any(file.is_file() for file in files) else f'no module {rest[1]}'
    return '' if program in OTHERS else f'unknown program {program!r}'


def make_targets() -> set[str]:
    """The targets that the Makefile documents."""
    return set(re.findall(r'^([a-z-]+):.*## ', (ROOT / 'Makefile').read_text(), re.MULTILINE))


def _arguments_fault(arguments: list[str]) -> str:
    try:
        make_parser(arguments).parse_args(arguments)
    except SystemExit as end:
        return f'ghost-vpr refuses these arguments ({end.code})' if end.code else ''
    return ''


def _ros_fault(rest: list[str]) -> str:
    verb, package, *more = rest
    if package != 'ghost_vpr_ros':
        return ''
    folder = {'run': 'resource/lib', 'launch': 'launch'}[verb]
    return _missing(more[:1], {path.name for path in (ROOT / folder).iterdir()}, f'{verb} target')


def _missing(words: list[str], known: set[str], kind: str) -> str:
    asked = [word for word in words if '=' not in word and not word.startswith('-')]
    unknown = [word for word in asked if word not in known]
    return f'no {kind} {", ".join(unknown)}' if unknown else ''
