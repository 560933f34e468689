"""The GPU benchmark, as far as it goes without a GPU: parity, figures and the page on the CPU."""

import json

import pytest
import torch

from benchmarks import gpu


@pytest.mark.slow
def test_a_trial_on_the_cpu_measures_everything(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(gpu, 'OTHERS', ('CosPlace-R18-512',))
    monkeypatch.setattr(gpu, 'PARITY_IMAGES', 2)
    out, page = tmp_path / 'gpu.json', tmp_path / 'gpu.md'
    options = ['--device', 'cpu', '--seconds', '0', '--out', str(out), '--page', str(page)]
    assert gpu.main(options) == 0
    report = json.loads(out.read_text())
    exact = {(r['engine'], r['precision']): r.get('least_cosine') for r in report['parity']}
    assert exact['torch', 'float32'] == pytest.approx(1.0, abs=1e-5)
    assert exact['onnxruntime', 'float32'] == pytest.approx(1.0, abs=1e-4)
    ours, other = report['networks']
    # CosPlace's ResNet-18 at 640x480: 2 x 1.82 thousand million products and sums at 224x224.
    assert other['gflop'] == pytest.approx(3.64 * 640 * 480 / 224**2, rel=0.03)
    assert 0.1 < ours['gflop'] < 2.0
    assert report['training'][0]['views_per_s'] > 0.0
    assert '| CosPlace-R18-512 | 640x480 |' in page.read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_a_sentence_says_so(tmp_path, capsys) -> None:
    assert gpu.main(['--out', str(tmp_path / 'gpu.json')]) == 1
    assert 'expected a CUDA device, found none' in capsys.readouterr().err
    assert not (tmp_path / 'gpu.json').exists()
