"""The profile of a frame: its figures by hand, and a short run on a small map."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report

pytest.importorskip('rclpy')
from benchmarks import frame_profile
from test.ros.small_map import make_map, make_model, write_queries


def test_the_ratio_is_taken_frame_by_frame():
    frames = [
        {'bare engine': 10.0, 'whole frame': 12.0, 'verify': 4.0},
        {'bare engine': 20.0, 'whole frame': 30.0},
        {'bare engine': 40.0, 'whole frame': 80.0, 'verify': 2.0},
    ]
    found = frame_profile.summary(frames)
    assert found['ratio'] == 1.5
    # A frame that was not verified spent no time on it.
    assert found['median_ms'] == {'bare engine': 20.0, 'whole frame': 30.0, 'verify': 2.0}
    assert found['p95_ms'] == pytest.approx(75.0)


def test_by_default_both_precisions_are_measured_with_and_without_verification():
    variants = frame_profile.parse_arguments(['--out', 'frame.json']).variants
    assert len({variant.parameters for variant in variants}) == len(variants)
    given = {setting for variant in variants for setting in variant.parameters}
    assert {'verify:=true', 'verify:=false', 'inference_precision:=half'} <= given


@pytest.mark.slow
def test_a_quick_run_makes_a_section_of_the_page(tmp_path: Path):
    place_map, images = make_map(tmp_path / 'm.map', make_model()), write_queries(tmp_path / 'q')
    out, written = tmp_path / 'frame.json', tmp_path / 'page.md'
    command = [sys.executable, '-m', 'benchmarks.frame_profile', '--quick', '--out', str(out)]
    given = ['--map', str(place_map), '--images', str(images)]
    subprocess.run([*command, *given], check=True, capture_output=True)
    (row,) = json.loads(out.read_text())['rows']
    medians = row['median_ms']
    assert 0.0 < medians['describe'] < medians['whole frame']
    assert row['ratio'] > 1.0
    report.main([str(out), '--even-if-busy', '--out', str(written)])
    assert '## Where the time of a frame goes' in written.read_text()
    assert f'| {row["variant"]} |' in written.read_text()
