import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from ghost_vpr_ros.core.errors import ConfigError, OutputError, WeightsError
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.weights import load_model
from training import distill
from training.experiment import Experiment, read_experiment
from training.loop.checkpoint import load_checkpoint
from training.loop.parallel import Processes
from training.trunk import distillation, teacher
from training.trunk.distillation import Distillation, DistillationConfig
from training.trunk.student import Student, distillation_loss
from training.trunk.taught_maps import square
from training.trunk.teacher import Teacher, open_teacher
from training.trunk.view_bank import ViewBank

EXPERIMENT = """
seed: 5
preprocessing: {{width_px: 64, height_px: 64}}
model: {{crop_channels: 160, clusters: 4, dilation: [1, 1]}}
distillation:
  teacher: tiny
  photos: [1 {photos}]
  steps: {steps}
  batch_size: 4
  view_px: 64
  late_view_px: 64
  checkpoint_every: 3
  average_decay: 0.5
"""


class PulledPlug(Exception):
    """Stands for the end of the process: nothing of ours catches it."""


def tiny_teacher(name: str, blocks: Sequence[int] = ()) -> Teacher:
    """A fixed random network: blocks 0 and 1 of stride 16, block 2 of stride 32."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if not blocks:
            return Teacher(name, nn.Sequential(nn.Conv2d(3, 8, 32, stride=32), nn.Tanh()))
        parts = (
            nn.Sequential(nn.Conv2d(3, 6, 16, stride=16), nn.Tanh()),
            nn.Sequential(nn.Conv2d(6, 8, 1), nn.Tanh()),
            nn.Sequential(nn.Conv2d(8, 170, 2, stride=2), nn.Tanh()),
        )
        return Teacher(name, nn.Sequential(*parts), blocks)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    photos = tmp_path / 'photos'
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        image = cv2.resize(rng.integers(0, 255, (5, 5, 3), np.uint8), (64, 64))
        assert cv2.imwrite(str(photos / f'{number}.png'), image)
    path = tmp_path / 'experiment.yaml'
    path.write_text(EXPERIMENT.format(photos=photos, steps=8))
    return path


def test_the_loss_is_one_minus_the_cosine_of_each_cell() -> None:
    student = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
    target = torch.tensor([[[[3.0, 1.0]], [[0.0, 0.0]]]])
    assert distillation_loss(student, target).item() == pytest.approx(0.5)


def test_the_rate_rises_and_falls() -> None:
    config = DistillationConfig(steps=100, learning_rate=1.0, warm_up_share=0.1)
    rates = [config.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5, abs=0.01)
    assert rates[99] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_late_views_come_last() -> None:
    config = DistillationConfig(steps=10, view_px=64, late_view_px=96, late_share=0.3)
    assert config.view_sizes() == [64] * 7 + [96] * 3
    with pytest.raises(ConfigError, match='a multiple of 32 px, found 100 px'):
        DistillationConfig(view_px=100)


def test_unknown_and_absent_teachers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="found 'resnet'"):
        open_teacher('resnet')
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(WeightsError, match=r"the package 'timm' is not installed"):
        open_teacher('timm:resnet18')


def test_a_teacher_stays_as_it_is() -> None:
    found = tiny_teacher('tiny').train()
    assert not found.trunk.training
    assert not any(parameter.requires_grad for parameter in found.parameters())
    assert [each.shape for each in found(torch.zeros(2, 3, 64, 96))] == [(2, 8, 2, 3)]


def test_the_student_learns(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    monkeypatch.setattr(distill, 'LOG_EVERY', 1)
    out = tmp_path / 'run'
    options = ['--config', str(config), '--out', str(out), '--device', 'cpu']
    assert distill.main([*options, '--set', 'distillation.steps=20']) == 0
    lines = (out / 'log.csv').read_text().splitlines()
    column = lines[0].split(',').index('loss')
    losses = [float(line.split(',')[column]) for line in lines[1:]]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:3])
    model = load_model(out / 'weights.safetensors')
    assert not model.pooling.initialised
    assert 'distilled from tiny in 20 steps (80 views), seed 5' in model.provenance


def test_half_precision_stays_in_the_students_trunk(config: Path) -> None:
    experiment = read_experiment(config, ['distillation.precision=bfloat16'])
    run = Distillation(experiment, tiny_teacher('tiny'), Processes(0, 1, torch.device('cpu')))
    views = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (exact,) = run.average.module.eval()(views)
        (rough,) = run.student.eval()(views)
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1 * float(exact.abs().max()))
    run.student.train()
    run.advance(run.targets(views), views)
    assert all(each.dtype == torch.float32 for each in run.student.parameters())
    # The average runs its own weights, which follow the student's at a distance.
    with torch.no_grad():
        assert not torch.equal(run.average.module(views)[0], run.student.eval()(views)[0])


SCRIPT = """
import sys
from test.training.trunk.test_distillation import tiny_teacher
from training import distill
from training.trunk import distillation
distillation.open_teacher = tiny_teacher
sys.exit(distill.main(sys.argv[1:]))
"""


def test_an_interrupted_run_goes_on_to_the_same_weights(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(config.read_text().replace('steps: 8', 'steps: 5'))

    def run(name: str, *more: str) -> int:
        options = ['--config', str(config), '--out', str(tmp_path / name), '--device', 'cpu']
        return distill.main([*options, *more])

    whole_step, calls = Distillation.advance, []

    def advance(run: Distillation, *arguments: object) -> float:
        calls.append(run)
        if len(calls) == 5:
            raise PulledPlug
        return whole_step(run, *arguments)

    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    assert run('whole') == 0
    with monkeypatch.context() as patch, pytest.raises(PulledPlug):
        patch.setattr(Distillation, 'advance', advance)
        run('interrupted')
    assert not (tmp_path / 'interrupted' / 'weights.safetensors').exists()
    assert run('interrupted', '--resume') == 0
    whole, interrupted = (
        load_model(tmp_path / name / 'weights.safetensors') for name in ('whole', 'interrupted')
    )
    assert whole.model_hash == interrupted.model_hash


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(config: Path, tmp_path: Path) -> None:
    def command(name: str, *more: str) -> list[str]:
        options = ['--config', str(config), '--out', str(tmp_path / name), '--device', 'cpu']
        return [sys.executable, '-c', SCRIPT, *options, *more]

    subprocess.run(command('whole'), check=True, capture_output=True)
    process = subprocess.Popen(command('killed'), stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / 'killed' / 'checkpoint.safetensors'
    deadline = time.monotonic() + 120.0
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    subprocess.run(command('killed', '--resume'), check=True, capture_output=True)
    whole, killed = (
        load_model(tmp_path / name / 'weights.safetensors') for name in ('whole', 'killed')
    )
    assert whole.model_hash == killed.model_hash


@pytest.mark.slow
def test_another_run_goes_on_where_an_earlier_one_ended(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    first, second = tmp_path / 'first', tmp_path / 'second'
    assert distill.main(['--config', str(config), '--out', str(first)]) == 0
    changes = [
        f'distillation.continue_from={first / "checkpoint.safetensors"}',
        'distillation.steps=2',
        'distillation.learning_rate=0.0',
    ]
    more = [text for change in changes for text in ('--set', change)]
    assert distill.main(['--config', str(config), '--out', str(second), *more]) == 0
    before, after = (load_model(run / 'weights.safetensors') for run in (first, second))
    for old, new in zip(before.backbone.parameters(), after.backbone.parameters(), strict=True):
        assert torch.equal(old, new)
    assert 'in 10 steps (40 views)' in after.provenance


def test_an_earlier_run_of_another_architecture_is_refused(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    first = tmp_path / 'first'
    options = ['--config', str(config), '--set', 'distillation.steps=1']
    assert distill.main([*options, '--out', str(first)]) == 0
    changes = [
        f'distillation.continue_from={first / "checkpoint.safetensors"}',
        'model.squeeze_excite=false',
    ]
    more = [text for change in changes for text in ('--set', change)]
    assert distill.main(['--config', str(config), '--out', str(tmp_path / 'b'), *more]) == 1
    assert 'another architecture' in capsys.readouterr().err


def test_a_teacher_by_torchvision_needs_a_known_name() -> None:
    with pytest.raises(ConfigError, match='teacher torchvision:nothing'):
        teacher.open_teacher('torchvision:nothing')


def test_a_reduction_is_the_projection_and_its_components(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    out = tmp_path / 'run'
    options = ['--config', str(config), '--out', str(out), '--device', 'cpu']
    changes = ['--set', 'model.reduced_channels=8', '--set', 'distillation.steps=3']
    assert distill.main([*options, *changes]) == 0
    model = load_model(out / 'weights.safetensors')
    assert isinstance(model.reduction, Reduction)
    assert model.reduction.initialised
    tensors, _ = load_checkpoint(out / 'checkpoint.safetensors')
    weight = tensors['average.module.projections.0.weight'].flatten(1)
    bias = tensors['average.module.projections.0.bias']
    features = torch.rand(5, 160)
    with torch.no_grad():
        reduced = model.reduction(features[:, :, None, None]).flatten(1)
    # All 8 directions of 8 channels: a rotation of what the projection returns.
    projected = features @ weight.T + bias
    torch.testing.assert_close(reduced @ reduced.T, projected @ projected.T)


THREE_MAPS = (
    'distillation.maps=[9-0, 11-1, 14-2]',
    'model.rows=[9, 11, 14]',
    'model.reduced_channels=8',
)


def distilled(config: Path, out: Path, *changes: str) -> int:
    more = [text for change in changes for text in ('--set', change)]
    return distill.main(['--config', str(config), '--out', str(out), '--device', 'cpu', *more])


def losses_of(run: Path) -> list[float]:
    lines = (run / 'log.csv').read_text().splitlines()
    column = lines[0].split(',').index('loss')
    return [float(line.split(',')[column]) for line in lines[1:]]


@pytest.mark.parametrize(
    'bank',
    [pytest.param((), marks=pytest.mark.slow), ('distillation.bank_views=40',)],
    ids=['new', 'bank'],
)
def test_rows_learn_blocks(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bank: tuple[str, ...]
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    monkeypatch.setattr(distill, 'LOG_EVERY', 1)
    out = tmp_path / 'run'
    assert distilled(config, out, *THREE_MAPS, 'distillation.steps=25', *bank) == 0
    losses = losses_of(out)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:3])
    model = load_model(out / 'weights.safetensors')
    assert model.config.rows == (9, 11, 14)
    assert 'from tiny (rows-blocks 9-0, 11-1, 14-2) in 25 steps (100 views)' in model.provenance
    # The joined map separates cells as the student's projections do: 8 channels become 112.
    tensors, _ = load_checkpoint(out / 'checkpoint.safetensors')
    weight = tensors['average.module.projections.1.weight'].flatten(1)
    bias = tensors['average.module.projections.1.bias']
    with torch.no_grad():
        raw = model.backbone.row_maps(torch.rand(1, 3, 64, 64), [11])[0].flatten(2)[0].T
        own = torch.nn.functional.normalize(raw @ weight.T + bias, dim=1)
        taken = model.backbone.joint.projections[1](raw.T[None, :, :, None])[0, :, :, 0].T
        taken = torch.nn.functional.normalize(taken, dim=1)
    torch.testing.assert_close(taken @ taken.T, own @ own.T, atol=1e-5, rtol=1e-4)


def test_rows_learn_from_several_teachers(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    monkeypatch.setattr(distill, 'LOG_EVERY', 1)
    maps = 'distillation.maps=[9-0, 9-1@other, 11-1, 14-2, 14-2@other]'
    rows = 'model.rows=[9, 11, 14]'
    changes = [maps, rows, 'distillation.steps=25', 'distillation.bank_views=40']
    assert distilled(config, tmp_path / 'run', *changes) == 0
    losses = losses_of(tmp_path / 'run')
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:3])
    bank = tmp_path / 'run' / 'bank'
    shapes = [np.load(bank / f'map{number}.npy', mmap_mode='r').shape for number in range(5)]
    assert [shape[-1] for shape in shapes] == [6, 8, 170, 8, 170]
    provenance = load_model(tmp_path / 'run' / 'weights.safetensors').provenance
    assert 'from tiny, other (rows-blocks 9-0, 9-1@other, 11-1, 14-2, 14-2@other)' in provenance


def test_what_several_teachers_taught_a_row_counts_alike() -> None:
    torch.manual_seed(0)
    student = Student(nn.Identity(), (3, 5, 3), [(6, 4), (6, 4), (6, 7)])
    weight, bias = student.taught(3)
    assert (weight.shape, bias.shape) == ((11, 6), (11,))
    torch.testing.assert_close(weight[:4].norm(), weight[4:].norm())
    assert torch.equal(student.taught(5)[0], student.projections[1].weight.flatten(1))
    cosine = torch.nn.functional.cosine_similarity
    features = torch.randn(2, 6)
    own = student.projections[2](features.T[None, :, :, None])[0, :, :, 0].T
    kept = features @ weight[4:].T + bias[4:]
    torch.testing.assert_close(cosine(kept[0], kept[1], 0), cosine(own[0], own[1], 0))


def test_a_projection_to_more_channels_keeps_its_inner_products() -> None:
    torch.manual_seed(0)
    weight, bias, features = torch.randn(9, 6), torch.zeros(9), torch.randn(20, 6)
    smaller, offset = square(weight, bias)
    assert smaller.shape == (6, 6)
    before, after = features @ weight.T, features @ smaller.T + offset
    torch.testing.assert_close(after @ after.T, before @ before.T, atol=1e-4, rtol=1e-4)
    wider, longer = square(weight[:4], bias[:4])
    assert wider.shape == (6, 6) and longer.shape == (6,)
    assert not wider[4:].any()


def test_a_bank_is_made_once_and_belongs_to_its_settings(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = read_experiment(config, [*THREE_MAPS, 'distillation.bank_views=40'])
    views = distill._views(experiment, distill_run(experiment), 0)
    teacher = tiny_teacher('tiny', (0, 1, 2))
    bank = ViewBank(tmp_path / 'bank', views, teacher, 40)
    assert [each.shape for each in bank.maps] == [(40, 4, 4, 6), (40, 4, 4, 8), (40, 2, 2, 170)]
    again = teacher(views.inputs(bank.views[33:34]))
    np.testing.assert_allclose(bank.maps[1][33], again[1][0].permute(1, 2, 0), atol=1e-2)

    monkeypatch.setattr(type(views), 'clean_views', lambda *_: pytest.fail('cut again'), False)
    with pytest.raises(OutputError, match='settings'):
        monkeypatch.undo()
        ViewBank(tmp_path / 'bank', views, teacher, 41)


def test_an_interrupted_bank_is_completed(config: Path, tmp_path: Path) -> None:
    experiment = read_experiment(config, [*THREE_MAPS, 'distillation.bank_views=40'])
    views = distill._views(experiment, distill_run(experiment), 0)
    teacher = tiny_teacher('tiny', (0, 1, 2))
    whole = ViewBank(tmp_path / 'whole', views, teacher, 40)
    ViewBank(tmp_path / 'part', views, teacher, 40)
    made = np.load(tmp_path / 'part' / 'made.npy', mmap_mode='r+')
    assert made.tolist() == [True, True]
    made[1] = False
    made.flush()
    part = np.load(tmp_path / 'part' / 'views.npy', mmap_mode='r+')
    part[32:] = 0
    part.flush()
    completed = ViewBank(tmp_path / 'part', views, teacher, 40)
    np.testing.assert_array_equal(completed.views, whole.views)
    np.testing.assert_array_equal(completed.maps[2], whole.maps[2])


def distill_run(experiment: Experiment) -> Distillation:
    blocks = [each.block for each in experiment.section(DistillationConfig).lessons()]
    return Distillation(
        experiment, tiny_teacher('tiny', blocks), Processes(0, 1, torch.device('cpu'))
    )


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (['distillation.maps=[9+0]'], 'ROW-BLOCK'),
        (['distillation.maps=[11-0, 9-1]'], 'ascend'),
        (['distillation.maps=[9-0, 11-1@b, 9-0@b]'], 'ascend for each teacher'),
        (['distillation.maps=[9-0, 17-1]'], 'rows of ghostcnn, found 17'),
        (['distillation.maps=[9-0, 11-5]'], 'blocks that it has, 0 to 2, found 5'),
        (['distillation.maps=[9-0]', 'model.rows=[9, 11]'], 'distillation.maps, .*found 11'),
        (['distillation.bank_views=8', 'distillation.late_view_px=96'], 'one size'),
    ],
)
def test_maps_that_cannot_be_learned_are_refused(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: list[str],
    words: str,
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    assert distilled(config, tmp_path / 'run', *changes) == 1
    assert re.search(words, capsys.readouterr().err)


@pytest.mark.slow
def test_a_run_goes_on_from_the_trunk_of_given_weights(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    assert distilled(config, tmp_path / 'first') == 0
    weights = tmp_path / 'first' / 'weights.safetensors'
    changes = [
        f'distillation.continue_from={weights}',
        'distillation.learning_rate=0.0',
        'model.dilation=[2, 2]',
    ]
    assert distilled(config, tmp_path / 'second', *THREE_MAPS, *changes) == 0
    before = load_model(weights).backbone.state_dict()
    after = load_model(tmp_path / 'second' / 'weights.safetensors').backbone.state_dict()
    assert torch.equal(
        before['9.residual.0.primary.0.weight'], after['9.residual.0.primary.0.weight']
    )
