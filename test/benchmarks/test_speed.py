"""The benchmark of networks: its figures by hand, and a run with two repetitions."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from benchmarks import report, speed
from benchmarks.markdown import significant
from benchmarks.speed_networks import OUR_NETWORK, Size, build_network
from benchmarks.speed_processes import Worker, WorkerError
from benchmarks.speed_worker import make_image, timed

TINY = 'CosPlace-R18-512'


def test_percentiles_are_those_of_all_repetitions_of_all_rounds():
    found = speed.figures([[1.0, 3.0], [2.0, 4.0, 105.0]])
    # Sorted: 1, 2, 3, 4, 105; the 95th percentile lies 0.8 of the way from 4 to 105.
    assert found['p50_ms'] == 3.0
    assert found['p95_ms'] == pytest.approx(4.0 + 0.8 * 101.0)
    assert (found['least_ms'], found['repetitions']) == (1.0, 5)


def test_a_round_that_was_slow_for_all_does_not_change_the_ratio():
    ours = [[10.0, 12.0, 11.0], [100.0, 110.0, 120.0], [10.0, 10.0, 10.0]]
    theirs = [[22.0, 22.0, 99.0], [220.0, 220.0, 220.0], [30.0, 30.0, 30.0]]
    assert speed.ratio(theirs, ours) == 2.0


def test_a_long_block_ends_early_but_never_before_two_repetitions():
    runs = []
    found = timed(lambda pixels: runs.append(pixels), make_image(8, 8, rng()), 9, 0.0)
    assert len(found) == 2
    assert len(runs) == 3  # One after the pause is not counted.
    assert len(timed(lambda _: None, make_image(8, 8, rng()), 9, 60.0)) == 9


def rng():
    return speed.np.random.default_rng(0)


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0.01234, '0.0123'), (1.0, '1'), (12.345, '12.3'), (879.4, '879'), (1234.5, '1234')],
)
def test_numbers_have_three_digits_and_no_exponent(value, text):
    assert significant(value) == text


@pytest.mark.parametrize('name', [OUR_NETWORK, 'MobileNetV3-NetVLAD', 'Alex-NetVLAD', TINY])
def test_signals_of_the_random_networks_neither_vanish_nor_explode(name):
    """Denormal numbers would make a network slower than it is."""
    size = Size(64, 64)
    pixels = torch.from_numpy(make_image(*size, rng()))
    with torch.inference_mode():
        feature_map = build_network(name, size, 'trunk')(pixels)
        descriptor = build_network(name, size, 'whole')(pixels)
    assert 1e-2 < float(feature_map.std()) < 1e3
    assert descriptor.shape == (1, 512)
    assert float(descriptor.norm()) == pytest.approx(1.0, abs=1e-4)


def test_a_worker_that_cannot_start_gives_the_reason():
    job = {'engine': 'onnxruntime', 'network': TINY, 'part': 'whole', 'graph': 'absent.onnx'}
    with pytest.raises(WorkerError, match=r'absent\.onnx'):
        Worker({**job, 'width_px': 32, 'height_px': 32, 'threads': 1})


def test_networks_that_cannot_start_are_rows_with_a_reason(tmp_path: Path):
    pytest.importorskip('onnxruntime')
    known = {'network': TINY, 'width_px': 32, 'height_px': 32}
    options = speed.parse_arguments(['--out', 'speed.json', '--quick'])
    # No graph was written into this folder.
    (row,) = speed.measure_engine('onnxruntime', [known], options, tmp_path)
    assert (row['network'], row['engine']) == (TINY, 'onnxruntime')
    assert 'No such file' in row['skipped']


def test_workers_of_other_engines_do_without_torch():
    code = (
        'import sys; import benchmarks.speed_worker; '
        'import ghost_vpr_ros.core.engine.openvino_engine; '
        'import ghost_vpr_ros.core.engine.onnxruntime_engine; sys.exit("torch" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


@pytest.fixture(scope='module')
def measured(tmp_path_factory) -> dict:
    engines = ['torch', *(name for name in ('onnxruntime', 'openvino') if find_spec(name))]
    out = tmp_path_factory.mktemp('bench') / 'new' / 'speed.json'
    few = ['--rounds', '1', '--repetitions', '2', '--size', '64x48', '--threads', '1']
    speed.main(['--out', str(out), '--networks', TINY, '--engines', *engines, *few])
    return json.loads(out.read_text())


@pytest.mark.slow
def test_a_run_has_a_row_for_each_engine(measured):
    rows = measured['rows']
    assert rows[0]['engine'] == 'torch'
    assert {row['network'] for row in rows} == {TINY}
    for row in rows:
        assert row['repetitions'] == 2
        assert 0.0 < row['least_ms'] <= row['p50_ms'] <= row['p95_ms']
        assert row['trunk_p50_ms'] > 0.0
        assert 10.0 < row['peak_mib'] < 10_000.0
        assert row['descriptor_dim'] == 512
        assert row['cosine'] > 0.9999
        assert (row['ratio'], row['ratio_to']) == (1.0, TINY)


@pytest.mark.slow
def test_a_run_states_what_the_network_costs_and_how_it_was_measured(measured):
    (known,) = measured['networks']
    # ResNet-18 up to layer4, the power of GeM, and a linear layer of 512 x 512 with its bias.
    assert known['trunk_parameters'] == 11_176_512
    assert known['parameters'] == 11_176_512 + 1 + 512 * 512 + 512
    assert known['macs'] - known['trunk_macs'] == 512 * 512
    assert (known['width_px'], known['height_px']) == (64, 48)
    assert measured['command'].endswith('--threads 1')
    assert measured['machine']['versions']['torch'] == torch.__version__.partition('+')[0]


def row(network: str, engine: str, p50_ms: float) -> dict:
    return {
        'network': network,
        'engine': engine,
        'p50_ms': p50_ms,
        'p95_ms': 2.0 * p50_ms,
        'trunk_p50_ms': 0.75 * p50_ms,
        'ratio': p50_ms / 8.0,
        'ratio_to': 'ours',
        'start_s': 1.25,
        'peak_mib': 321.4,
        'descriptor_dim': 512,
        'cosine': 0.999_99,
    }


@pytest.mark.slow
def test_the_page_shows_the_figures_and_what_was_left_out(measured, tmp_path: Path):
    costs = {'width_px': 640, 'height_px': 480, 'parameters': 2e6, 'trunk_parameters': 1e6}
    costs |= {'macs': 3e9, 'trunk_macs': 2.5e9}
    changed = {
        **measured,
        'networks': [{**costs, 'network': name} for name in ('ours', 'theirs')],
        'rows': [
            row('ours', 'torch', 8.0),
            row('theirs', 'torch', 20.0),
            row('ours', 'openvino', 4.0),
            {'network': 'theirs', 'engine': 'openvino', 'skipped': 'no such layer'},
            {'network': 'ours', 'engine': 'torch-compile', 'skipped': 'no compiler'},
        ],
    }
    (tmp_path / 'speed.json').write_text(json.dumps(changed))
    words = [str(tmp_path / 'speed.json'), '--even-if-busy', '--out', str(tmp_path / 'page.md')]
    report.main(words)
    lines = (tmp_path / 'page.md').read_text().splitlines()
    assert '| theirs | 640x480 | 1.00 | 2.00 | 2.500 | 3.000 |' in lines
    assert '| median, ms | PyTorch | OpenVINO | torch.compile |' in lines
    assert '| ours | 8 | 4 | - |' in lines
    assert '| theirs | 20 | - | - |' in lines
    assert '| theirs | 20 | 40 | 2.50 | 5 | 512 | 321 | 1.2 | 0.99999 |' in lines
    assert 'Not measured: theirs (no such layer).' in lines
    assert 'Not measured: no compiler.' in lines
    assert f'    {measured["command"]}' in lines


def test_a_file_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / 'other.json').write_text('{"benchmark": "size"}')
    with pytest.raises(
        SystemExit, match='expected one of speed, layers, frame, verifiers, node, found size'
    ):
        report.main([str(tmp_path / 'other.json'), '--out', str(tmp_path / 'page.md')])
