import json
import subprocess
import sys
from pathlib import Path

import pytest
from training.study_plan import Variant, read_study
from training.study_table import study_table

from ghost_vpr_ros.core.errors import ConfigError, SourceError
from training import study

STUDY = """
name: small
question: Which?
base: base.yaml
seeds: [3, 4]
protocols: [one, two]
variants:
  no training: {stages: [initialise]}
  all of it: {stages: [distill, initialise, train, whiten], set: [model.clusters=8]}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / 'study.yaml'
    path.write_text(STUDY)
    return path


def test_a_run_is_a_chain_of_commands(plan: Path, tmp_path: Path) -> None:
    runs = read_study(plan).runs(tmp_path / 'out')
    assert [(run.variant, run.seed) for run in runs] == [
        ('no training', 3),
        ('all of it', 3),
        ('no training', 4),
        ('all of it', 4),
    ]
    folder = tmp_path / 'out' / 'all_of_it' / 'seed_4'
    commands = {stage.name: ' '.join(stage.command) for stage in runs[3].stages}
    base = f'--config {tmp_path / "base.yaml"}'
    changes = '--set seed=4 --set model.clusters=8'
    assert commands == {
        'distill': f'training.distill {base} --out {folder / "distill"} {changes}',
        'initialise': f'training.initialise {base} '
        f'--init {folder / "distill" / "weights.safetensors"} '
        f'--out {folder / "initialise.safetensors"} {changes}',
        'train': f'training.train {base} --init {folder / "initialise.safetensors"} '
        f'--out {folder / "train"} {changes}',
        'whiten': f'training.whiten {base} '
        f'--weights {folder / "train" / "weights.safetensors"} '
        f'--out {folder / "whiten.safetensors"} {changes}',
        'evaluate': f'training.evaluate --weights {folder / "whiten.safetensors"} '
        f'--only one two --out {folder / "recall.json"}',
    }


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (('seeds', 'sedes'), "unknown key 'sedes'; did you mean 'seeds'"),
        (('base: base.yaml', ''), "expected the key 'base', found none"),
        (('[initialise]', '[train, distill]'), r"found \['train', 'distill'\]"),
        (('[initialise]', '[teach]'), r"variant 'no training'.*found \['teach'\]"),
        (('[initialise]', '[]'), 'expected stages among pretrain, distill'),
    ],
)
def test_a_wrong_plan_is_refused(plan: Path, change: tuple[str, str], message: str) -> None:
    plan.write_text(STUDY.replace(*change))
    with pytest.raises(ConfigError, match=message):
        read_study(plan)


def test_the_table_has_mean_and_spread(plan: Path) -> None:
    def result(seed: int, first: float) -> dict[str, object]:
        recall = {name: {'1': first, '5': 90.0} for name in ('one', 'two')}
        seconds = {'train': 60.0, 'evaluate': 30.0}
        return {'seed': seed, 'recall': recall, 'seconds': seconds, 'loss': first / 100.0}

    table = study_table(read_study(plan), {'all of it': [result(3, 70.0), result(4, 74.0)]})
    row = table['rows'][0]
    assert row['recall']['two']['1'] == {'mean': 72.0, 'spread': 2.83}
    assert row['seconds']['mean'] == 90.0
    assert (
        '| all of it | 72.0 ± 2.8 / 90.0 ± 0.0 | 72.0 ± 2.8 / 90.0 ± 0.0 '
        '| 0.720 ± 0.028 | 1.5 |' in (table['markdown'])
    )


def test_finished_stages_are_not_run_again(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    broken = ['training.train']

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        started.append(command[2])
        out = Path(command[command.index('--out') + 1])
        if command[2] == 'training.train':
            out.mkdir(exist_ok=True)
            (out / 'log.csv').write_text('step,loss\n1,9.0\n2,0.25\n')
        if command[2] == 'training.evaluate':
            rows = [{'protocol': 'one', 'recall': {'1': 50.0, '5': 60.0}}]
            out.write_text(json.dumps([{'rows': rows}]))
        return subprocess.CompletedProcess(command, int(command[2] in broken))

    monkeypatch.setattr(study.subprocess, 'run', run)
    assert study.main([str(plan), '--out', str(tmp_path / 'out')]) == 1
    assert started[-1] == 'training.train'
    broken.clear()
    started.clear()
    assert study.main([str(plan), '--out', str(tmp_path / 'out')]) == 0
    assert started[:3] == ['training.train', 'training.whiten', 'training.evaluate']
    assert len(started) == 3 + 2 + 5
    started.clear()
    assert study.main([str(plan), '--out', str(tmp_path / 'out')]) == 0
    assert started == []
    text = (tmp_path / 'out' / 'small.md').read_text()
    assert text.startswith('| small | one | loss | minutes |')
    assert '| 0.250 ± 0.000 | 0.0 |' in text


def test_a_failed_stage_names_its_log(tmp_path: Path) -> None:
    failing = study.Stage('train', ('training.nothing_of_that_name',))
    run = study.Run('v', 0, tmp_path, (failing,))
    with pytest.raises(
        SourceError, match=r'train\.log: stage train of .v., seed 0, failed \(.*No'
    ):
        study._timed(run, failing)
    assert sys.executable in (tmp_path / 'train.log').read_text()


def test_variants_keep_their_changes(plan: Path) -> None:
    variants = read_study(plan).variants
    assert variants['all of it'] == Variant(
        ('distill', 'initialise', 'train', 'whiten'), ('model.clusters=8',)
    )
