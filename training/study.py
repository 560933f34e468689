"""Run a study: variants of one recipe, each with several seeds, evaluated by the same protocols.

Use: `python -m training.study training/configs/studies/NAME.yaml --out FOLDER`. Every run is a
chain of this folder's commands in FOLDER/VARIANT/seed_N. What is finished is not computed again,
what was interrupted goes on. The table (mean and spread over seeds) is written as JSON and
Markdown.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.output_files import write_file, write_json
from training.command import finish, new_parser
from training.run_folder import LOG_NAME
from training.study_plan import RESULT_NAME, Run, Stage, Study, read_study
from training.study_table import study_table

TIMES_NAME = 'times.json'


def run_study(study: Study, out: Path) -> dict[str, Any]:
    """All runs of the study that are not finished yet, and the table of all.

    Raises:
        SourceError: a command of a run failed; its log is named.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for run in tqdm(study.runs(out), 'study', unit='run', disable=None):
        results.setdefault(run.variant, []).append(_result(run))
    return study_table(study, results)


def _result(run: Run) -> dict[str, Any]:
    """Recall of a run by protocol, the seconds of its stages, its last loss."""
    run.folder.mkdir(parents=True, exist_ok=True)
    file = run.folder / TIMES_NAME
    seconds: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    for stage in run.stages:
        if stage.name not in seconds:
            seconds[stage.name] = _timed(run, stage)
            write_json(file, seconds)
    rows = json.loads((run.folder / RESULT_NAME).read_text())[0]['rows']
    recall = {row['protocol']: row['recall'] for row in rows}
    return {'seed': run.seed, 'recall': recall, 'seconds': seconds, 'loss': _last_loss(run)}


def _last_loss(run: Run) -> float | None:
    """Mean loss of the last tenth of a run's last training; None where nothing was trained."""
    logs = [run.folder / stage.name / LOG_NAME for stage in run.stages]
    trained = [log for log in logs if log.exists()]
    if not trained:
        return None
    with trained[-1].open(newline='') as file:
        losses = [float(row['loss']) for row in csv.DictReader(file) if row['loss']]
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


def _timed(run: Run, stage: Stage) -> float:
    """Run the command of a stage, or go on with it; seconds that took.

    Raises:
        SourceError: it failed.
    """
    log = run.folder / f'{stage.name}.log'
    resume = ['--resume'] if (run.folder / stage.name).is_dir() else []
    command = [sys.executable, '-m', *stage.command, *resume]
    start = time.monotonic()
    with log.open('w') as stream:
        process = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False)
    if process.returncode:
        lines = log.read_text().strip().splitlines() or ['no output']
        raise SourceError(
            f'{log}: stage {stage.name} of {run.variant!r}, seed {run.seed}, failed '
            f'({lines[-1]}); mend it and start the study again, finished stages are kept'
        )
    return round(time.monotonic() - start, 1)


def _run(file: Path, out: Path) -> str:
    study = read_study(file)
    table = run_study(study, out)
    write_json(out / f'{study.name}.json', table)
    write_file(out / f'{study.name}.md', table['markdown'])
    return str(table['markdown'])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after a known error, which is one line on stderr."""
    parser = new_parser('study', __doc__)
    parser.add_argument('study', type=Path, help='study, YAML')
    parser.add_argument('--out', type=Path, required=True, help='folder for all runs')
    args = parser.parse_args(arguments)
    return finish('study', lambda: _run(args.study, args.out))


if __name__ == '__main__':
    sys.exit(main())
