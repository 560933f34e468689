"""Run the fault campaign: all groups in turn, then a table; status 1 after a bad outcome.

python -m faults --out docs/reliability.md        at most 30 minutes on two cores
python -m faults --quick --out build/faults.md    a trial of a minute
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from faults import corruptions, io_errors, killed_writers, look_alikes, races, soak, texts
from faults.file_kinds import KINDS, SLOW_KINDS, TEXT_KINDS
from faults.tally import OUTCOMES, Tally
from faults.writers import WRITERS

_HEAD = """# Reliability

Results of `make faults`. *Refused*: with an error message. *Unharmed*: the answers of the intact
file. *Counted*: damaged rows were left out and counted. *Silent*: different answers without a
warning. *Crashed*: a traceback or a signal. *Lost*: something that was durable is missing. The
last three must be 0, otherwise the command ends with status 1.
"""


def groups(scale: float, seed: int) -> Iterator[Callable[[], Tally]]:
    """The groups of a run; `scale` 1 is the whole campaign."""

    def share(count: int) -> int:
        return max(2, round(scale * count))

    for name, cases in (('map', 200), ('file', 200)):
        yield partial(killed_writers.kill, name, seed, share(cases))
    for name in ('map', 'file'):
        yield partial(killed_writers.fill_disk, name, seed, share(40))
    yield partial(killed_writers.cut_power, seed, share(1_000))
    for kind in KINDS:
        cases = 60 if kind in SLOW_KINDS else 500
        yield partial(corruptions.corrupt, kind, seed, share(cases))
    for kind in texts.KINDS:
        cases = 10_000 if kind in texts.MESSAGES else 1_000
        yield partial(texts.fuzz, kind, seed, share(cases))
    for name in WRITERS:
        yield partial(io_errors.fail_writer, name, seed, share(40))
    for kind in sorted(set(KINDS) - {*SLOW_KINDS, *TEXT_KINDS}):
        yield partial(io_errors.fail_reader, kind, seed, share(30))
    for name in races.RACES:
        yield partial(races.race, name, max(2.0, scale * races.SECONDS))
    yield partial(look_alikes.tunnels, seed, share(300))
    yield partial(look_alikes.twin_streets, seed, share(200))
    yield partial(soak.soak, max(12.0, scale * soak.SECONDS), share(soak.CYCLES))


def page(tallies: list[Tally], seed: int, seconds: float) -> str:
    """The report as Markdown."""
    lines = [
        _HEAD,
        f'`python -m faults --seed {seed}`: {seconds / 60:.0f} minutes, Python '
        f'{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores, '
        f'load average {os.getloadavg()[2]:.1f} over the last 15 minutes.\n',
        f'| group | cases | {" | ".join(OUTCOMES)} |',
        f'|---|{"---|" * (1 + len(OUTCOMES))}',
    ]
    for tally in tallies:
        counts = ' | '.join(str(tally.outcomes[name]) for name in OUTCOMES)
        lines.append(f'| {tally.name} | {tally.cases} | {counts} |')
    sums = ' | '.join(str(sum(t.outcomes[name] for t in tallies)) for name in OUTCOMES)
    lines.append(f'| **all** | {sum(t.cases for t in tallies)} | {sums} |')
    return '\n'.join(lines) + '\n'


def main() -> int:
    """Run the campaign, print and write the report."""
    parser = argparse.ArgumentParser(prog='python -m faults', description=__doc__)
    parser.add_argument('--quick', action='store_true', help='a few cases of each group')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, help='Markdown; JSON goes beside it')
    options = parser.parse_args()
    start, tallies = time.monotonic(), []
    for group in groups(0.01 if options.quick else 1.0, options.seed):
        tally = group()
        tallies.append(tally)
        print(
            f'{time.monotonic() - start:6.0f} s  {tally.name}: {dict(tally.outcomes)}', flush=True
        )
        for detail in tally.details[:5]:
            print(f'          {detail}', flush=True)
    text = page(tallies, options.seed, time.monotonic() - start)
    print(text)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
        rows = json.dumps([tally.row() for tally in tallies], indent=1)
        options.out.with_suffix('.json').write_text(rows + '\n')
    return 0 if all(tally.is_good for tally in tallies) else 1


if __name__ == '__main__':
    sys.exit(main())
