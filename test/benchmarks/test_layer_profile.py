"""The profile of layers: work counted by hand, and a short run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('openvino')
from benchmarks import report
from benchmarks.layer_profile import Work, kinds, work_of


class Layer:
    """A layer of a graph as OpenVINO shows it."""

    def __init__(self, kind, inputs, output):
        self.get_type_name = lambda: kind
        self.inputs = lambda: [Port(shape) for shape in inputs]
        self.outputs = lambda: [Port(output)]


class Port:
    def __init__(self, shape):
        self.get_shape = lambda: shape


@pytest.mark.parametrize(
    ('layer', 'expected'),
    [
        # 2 x 4 x 4 outputs of 3 numbers each; 48 + 6 + 32 floats.
        (
            Layer('Convolution', [(1, 3, 4, 4), (2, 3, 1, 1)], (1, 2, 4, 4)),
            Work('1x1 convolutions', 96, 4 * 86),
        ),
        (
            Layer('Convolution', [(1, 3, 4, 4), (2, 3, 3, 3)], (1, 2, 4, 4)),
            Work('other convolutions', 32 * 27, 4 * (48 + 54 + 32)),
        ),
        # Groups, outputs and inputs of a group, height, width: 9 numbers for each output.
        (
            Layer('GroupConvolution', [(1, 5, 4, 4), (5, 1, 1, 3, 3)], (1, 5, 4, 4)),
            Work('depthwise convolutions', 80 * 9, 4 * (80 + 45 + 80)),
        ),
        (
            Layer('MatMul', [(1, 7), (7, 3)], (1, 3)),
            Work('matrix products', 21, 4 * (7 + 21 + 3)),
        ),
        (Layer('Add', [(1, 4), (1, 4)], (1, 4)), Work('sums, activations, norms', 0, 4 * 12)),
    ],
    ids=['1x1', '3x3', 'depthwise', 'product', 'sum'],
)
def test_the_work_of_a_layer(layer, expected):
    assert work_of(layer) == expected


def test_layers_of_a_kind_are_added_and_the_slowest_kind_comes_first():
    work = {'a': Work('x', 10, 1), 'b': Work('y', 20, 2), 'c': Work('x', 30, 3)}
    found = kinds({'a': 1.0, 'b': 2.5, 'c': 0.5}, work)
    assert list(found) == ['y', 'x']
    assert found['x'] == {'layers': 2, 'ms': 1.5, 'macs': 40, 'moved_bytes': 4}


@pytest.mark.slow
def test_a_short_run_makes_a_section_of_the_page(tmp_path: Path):
    out, written = tmp_path / 'layers.json', tmp_path / 'page.md'
    command = [sys.executable, '-m', 'benchmarks.layer_profile', '--quick', '--out', str(out)]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(out.read_text())
    for row in found['rows']:
        # Layers take part of the time of the whole, and the network's work is counted.
        assert 0.0 < sum(kind['ms'] for kind in row['kinds'].values()) < 2.0 * row['whole_ms']
        macs = sum(kind['macs'] for kind in row['kinds'].values())
        assert macs == pytest.approx(0.909e9, rel=0.01)
    report.main([str(out), '--even-if-busy', '--out', str(written)])
    assert '| Ghost-dil-NetVLAD, 640x480, f32 | all' in written.read_text()
