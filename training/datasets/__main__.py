"""Build, render and check training data: `python -m training.datasets COMMAND ...`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from training.datasets import build_command, doctor_command
from training.datasets.panoramas import render_command
from training.entry import finish

COMMANDS: dict[str, ModuleType] = {
    'build': build_command,
    'render': render_command,
    'doctor': doctor_command,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 1 after a known error, which is one line on stderr."""
    parser = argparse.ArgumentParser(prog='training.datasets', description=__doc__)
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or '').splitlines()[0].rstrip('.')
        sub = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    return finish('datasets', lambda: args.run(args))


if __name__ == '__main__':
    sys.exit(main())
