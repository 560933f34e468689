"""Tables run end to end with stand-ins for the commands: resumed, shared, reported."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import OutputError
from training.experiments import main
from training.tables import row_runs
from training.tables.report import BEGIN, END, update_page
from training.tables.row_runs import files_digest

TABLE = """
name: small
question: Which one finds more?
published: sralnet/table1
base: base.yaml
seeds: [3, 4]
protocols: [gsv_val]
claims:
  - [trained, plain]
rows:
  plain: {stages: [initialise], published: NetVLAD}
  trained: {stages: [initialise, train], set: [loss.margin=0.2], published: SRALNet}
  elsewhere: {bring: weights of others}
"""
FAILING = ['where this stands, training fails']
BASE = """
data: {{train: {{path: [{data}/gsv_cambridge], split: train}}}}
loss: {{margin: 0.1}}
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / 'gsv_cambridge').mkdir()
    monkeypatch.setenv('GHOST_VPR_DATA', str(tmp_path))
    (tmp_path / 'base.yaml').write_text(BASE.format(data=tmp_path))
    (tmp_path / 'small.yaml').write_text(TABLE)
    files_digest.cache_clear()
    return tmp_path / 'small.yaml'


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were started; each writes what the real one would."""
    calls: list[list[str]] = []

    def command_of(name: str) -> Callable[[list[str]], int]:
        def command(arguments: list[str]) -> int:
            calls.append([name, *arguments])
            out = Path(arguments[arguments.index('--out') + 1])
            if name == 'train':
                out.mkdir(exist_ok=True)
                (out / 'config.yaml').write_text('')
                if FAILING in calls:
                    print('a sentence')
                    return 1
                (out / 'log.csv').write_text('step,loss\n1,9.0\n2,0.25\n')
            elif name == 'evaluate':
                right = [1, 1, 1, 1] if 'train-' in ' '.join(arguments) else [1, 0, 0, 0]
                row = {
                    'protocol': 'gsv_val',
                    'protocol_id': 'gsv_val#12345678',
                    'descriptor_dim': 8,
                    'recall': {'1': 100.0 * sum(right) / 4, '5': 100.0, '10': 100.0},
                    'right_at_1': right,
                }
                out.write_text(json.dumps([{'rows': [row]}]))
            else:
                out.write_text('weights')
            return 0

        return command

    monkeypatch.setattr(row_runs, 'command_of', command_of)
    return calls


def run(table: Path, *more: str) -> int:
    return main([str(table), '--out', str(table.parent / 'out'), *more])


def test_rows_share_their_stages_and_finish_once(
    table: Path, started: list[list[str]], capsys: pytest.CaptureFixture
) -> None:
    assert run(table) == 0
    # Both rows begin with the same clusters: the loss is not a setting of `initialise`.
    one_seed = ['initialise', 'evaluate', 'train', 'evaluate']
    assert [call[0] for call in started] == one_seed * 2
    started.clear()
    assert run(table) == 0
    assert started == []
    text = capsys.readouterr().out
    assert '| plain | 8 | 25.0 ± 0.0 / 100.0 ± 0.0 / 100.0 ± 0.0 | 2 |' in text
    assert '| trained | 8 | 100.0 ± 0.0 / 100.0 ± 0.0 / 100.0 ± 0.0 | 2 | 0.250 ± 0.000 |' in text
    assert '| trained >= plain | +75.0 (+25.0 to +100.0), confirmed (p ' in text
    assert '`gsv_val#12345678` (4 queries)' in text
    assert '#### Published (sralnet/table1)' in text
    assert '| SRALNet | 84.4 / 92.5 / 94.8 |' in text
    assert '- elsewhere: weights of others' in text


def test_commands_have_the_rows_settings(table: Path, started: list[list[str]]) -> None:
    assert run(table, '--rows', 'trained', '--seeds', '7') == 0
    by_name = {call[0]: ' '.join(call) for call in started}
    options = f'--config {table.parent / "base.yaml"} --set seed=7 --set loss.margin=0.2'
    assert by_name['initialise'].startswith(f'initialise {options} --out ')
    assert f'train {options} --init ' in by_name['train']
    assert '--only gsv_val' in by_name['evaluate']
    assert not any('--maps' in call for call in by_name.values())


def test_only_what_changed_is_computed_again(table: Path, started: list[list[str]]) -> None:
    assert run(table, '--seeds', '3') == 0
    started.clear()
    table.write_text(TABLE.replace('margin=0.2', 'margin=0.3'))
    assert run(table, '--seeds', '3') == 0
    assert [call[0] for call in started] == ['train', 'evaluate']
    started.clear()
    (table.parent / 'gsv_cambridge' / 'new.jpg').write_bytes(b'1')
    files_digest.cache_clear()
    assert run(table, '--seeds', '3', '--rows', 'plain') == 0
    assert [call[0] for call in started] == ['initialise', 'evaluate']


def test_a_failed_command_is_resumed(
    table: Path, started: list[list[str]], capsys: pytest.CaptureFixture
) -> None:
    assert run(table, '--seeds', '3', '--rows', 'plain') == 0
    started[:] = [FAILING]
    assert run(table, '--seeds', '3', '--rows', 'trained') == 1
    error = capsys.readouterr().err
    assert 'stage train failed (a sentence)' in error and 'log.txt' in error
    started.clear()
    assert run(table, '--seeds', '3', '--rows', 'trained') == 0
    assert [call[0] for call in started] == ['train', 'evaluate']
    assert started[0][-1] == '--resume'


def test_finished_reports_without_running(
    table: Path, started: list[list[str]], capsys: pytest.CaptureFixture
) -> None:
    assert run(table, '--seeds', '3', '--rows', 'plain') == 0
    started.clear()
    assert run(table, '--finished') == 0
    assert started == []
    text = capsys.readouterr().out
    assert '| plain | 8 | 25.0 / 100.0 / 100.0 | 1 |' in text and '| trained | 8 |' not in text
    assert (table.parent / 'out' / 'small.png').read_bytes().startswith(b'\x89PNG')
    assert json.loads((table.parent / 'out' / 'small.json').read_text())['verdicts'] == []


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (['--rows', 'plane'], "unknown row 'plane'; did you mean 'plain'"),
        (['s-tabel1'], "unknown table 's-tabel1'"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    table: Path, capsys: pytest.CaptureFixture, more: list[str], sentence: str
) -> None:
    assert main([*([] if more[0] == 's-tabel1' else [str(table)]), *more, '--out', 'o']) == 1
    assert sentence in capsys.readouterr().err


def test_tables_are_listed(capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out.split()
    assert {'g-table2', 'g-fig5', 'n-table2', 'n-fig6', 's-table1'} <= set(listed)
    assert 's-base' not in listed


def test_a_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(f'# Mine\n{BEGIN}\nold\n{END}\nmine, too\n')
    update_page(page, ['### a\n', '### b\n\n'])
    assert page.read_text() == f'# Mine\n{BEGIN}\n\n### a\n\n### b\n\n{END}\nmine, too\n'
    page.write_text('# Mine\n')
    with pytest.raises(OutputError, match='expected the marks'):
        update_page(page, [])


def test_the_baseline_learns_from_the_training_images_alone(table, started) -> None:
    table.write_text(
        TABLE.replace('plain: {stages: [initialise]', 'plain: {stages: [rootsift]').replace(
            'seeds: [3, 4]', 'seeds: [3]'
        )
    )
    base = table.parent / 'base.yaml'
    base.write_text(base.read_text() + 'preprocessing: {width_px: 96}\nwhitening: {dim: 48}\n')
    assert main([str(table), '--rows', 'plain', '--out', str(table.parent / 'out')]) == 0
    (learn, evaluate) = started
    images = f'{table.parent}/gsv_cambridge split=train'
    assert learn[:3] == ['rootsift', '--images', images]
    options = dict(zip(learn[3:-1:2], learn[4::2], strict=True))
    assert options.items() >= {'--dim': '48', '--size-px': '96', '--seed': '3'}.items()
    assert evaluate[evaluate.index('--weights') + 1] == learn[-1]
    assert '--maps' not in evaluate


def test_the_baseline_takes_no_other_choice_of_images(table, started, capsys) -> None:
    table.write_text(TABLE.replace('plain: {stages: [initialise]', 'plain: {stages: [rootsift]'))
    base = table.parent / 'base.yaml'
    base.write_text(base.read_text().replace('split: train', 'split: train, views: 4'))
    assert main([str(table), '--rows', 'plain', '--out', str(table.parent / 'out')]) == 1
    assert (
        'expected training data by path, split and conditions, found views'
        in capsys.readouterr().err
    )
    assert started == []
