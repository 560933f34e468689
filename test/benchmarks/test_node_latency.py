"""The benchmark of the node: its figures by hand, and a short run on a small map."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import report
from ghost_vpr_ros.core.image_stream import list_images

pytest.importorskip('rclpy')
from benchmarks import node_latency
from test.ros.small_map import make_map, make_model, write_queries


def test_lost_and_overtaken_frames_are_told_apart():
    answers = [{'received_after_ms': text} for text in ('10', '20', '30')]
    counts = {
        'frames received': '6',
        'frames lost in transport': '2',
        'inference p50 [ms]': '7.5',
    }
    found = node_latency.figures(answers, counts, published=10)
    # Of 10 images DDS missed 2, 3 were answered, and 5 gave way to newer ones.
    assert found['lost_in_transport'] == 2
    assert found['overtaken'] == 5
    assert found['latency_p50_ms'] == 20.0
    assert found['latency_p95_ms'] == pytest.approx(29.0)
    assert (found['published'], found['received'], found['answered']) == (10, 6, 3)


def test_frames_of_the_warm_up_are_not_counted():
    before = {'frames received': '60', 'frames lost in transport': '1', 'state': 'active'}
    after = {'frames received': '100', 'frames lost in transport': '4', 'state': 'active'}
    assert node_latency.since(before, after) == {
        'frames received': '40',
        'frames lost in transport': '3',
        'state': 'active',
    }


def test_the_engine_is_the_one_that_the_node_names():
    line = '[INFO] [place_recognition]: answering images on /image (openvino 1.2 on cpu, half)'
    assert node_latency.engine_of(f'before\n{line}\nafter') == 'openvino 1.2 on cpu, half'


def test_by_default_all_variants_are_measured_at_10_and_30_hz_jpeg_first():
    options = node_latency.parse_arguments(['--out', 'node.json'])
    assert options.rates == (10.0, 30.0)
    transports = [variant.transport for variant in options.variants]
    assert transports == ['compressed'] * 3 + ['raw'] * 2


def test_a_view_is_shown_several_times_in_a_row(tmp_path):
    views = write_queries(tmp_path / 'views')
    found = node_latency.repeated_images(views, 3, tmp_path)
    names = [path.name for path in list_images(str(found))]
    assert len(names) == 3 * len(list_images(str(views)))
    first = list_images(str(views))[0]
    assert names[:3] == [f'{first.stem}_{number:03d}.png' for number in range(3)]
    assert (found / names[2]).read_bytes() == first.read_bytes()


def test_runs_that_would_begin_after_the_budget_are_left_out_and_named(tmp_path, monkeypatch):
    clock = iter([0.0, 10.0, 100.0, 500.0])
    monkeypatch.setattr(node_latency, 'time', SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(node_latency, 'make_inputs', lambda *_: tmp_path)
    monkeypatch.setattr(node_latency, 'measure_rate', lambda *given: {'rate_hz': given[1]})
    words = ['--out', 'node.json', '--starts', '0', '--rates', '10', '20', '30']
    options = node_latency.parse_arguments([*words, '--budget-s', '480'])
    options.variants = options.variants[:1]
    found = node_latency.measure(options, tmp_path)
    assert [row['rate_hz'] for row in found['rows']] == [10.0, 20.0]
    assert found['left_out'] == ['JPEG, shipped profile at 30 Hz']


def test_a_line_that_is_still_being_written_is_not_read(tmp_path):
    (tmp_path / 'answers.jsonl').write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert node_latency.read_lines(tmp_path / 'answers.jsonl') == [{'a': 1}, {'a': 2}]


def test_a_map_without_images_is_refused(capsys):
    with pytest.raises(SystemExit):
        node_latency.parse_arguments(['--out', 'node.json', '--map', 'town.map'])
    assert '--map and --images: give both' in capsys.readouterr().err


@pytest.mark.slow
def test_a_quick_run_measures_latency_and_start(tmp_path: Path):
    place_map, images = make_map(tmp_path / 'm.map', make_model()), write_queries(tmp_path / 'q')
    out = tmp_path / 'node.json'
    command = [sys.executable, '-m', 'benchmarks.node_latency', '--quick', '--out', str(out)]
    given = ['--map', str(place_map), '--images', str(images)]
    subprocess.run([*command, *given], check=True, capture_output=True)
    found = json.loads(out.read_text())
    (row,) = found['rows']
    # A publisher that a busy machine slows down is stopped before.
    assert 0 < row['answered'] <= row['published'] <= 30
    assert row['overtaken'] == row['published'] - row['answered'] - row['lost_in_transport']
    assert 0.0 < row['latency_p50_ms'] <= row['latency_p95_ms']
    assert row['node_memory_mib'] > 50.0
    assert 'on cpu' in row['engine']
    assert all(0.0 < start_s < 120.0 for start_s in found['starts_s'])
    report.main([str(out), '--even-if-busy', '--out', str(tmp_path / 'page.md')])
    assert (
        f'| JPEG, shipped profile | 10 | {row["published"]} |'
        in (tmp_path / 'page.md').read_text()
    )
