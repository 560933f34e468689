"""Trunks of the papers learn, from a named layer on, or from torchvision's weights."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ghost_vpr_ros.core.config.model import BACKBONE_CHANNELS, ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.backbones import BACKBONES
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from test.training.tiny_places import write_experiment
from test.training.tiny_scenes import write_scenes
from test.training.trunk.test_distillation import tiny_teacher
from training import distill, pretrain, train
from training.experiment import read_experiment
from training.loop.checkpoint import load_checkpoint, unnamed
from training.loop.describing import quick_copy
from training.loop.optimiser import LAYERS, freeze_below, trunk_position
from training.trunk import distillation
from training.trunk.student import Student, distillation_loss

OTHERS = [name for name in BACKBONE_CHANNELS if name != 'ghostcnn']
# A step of VGG-16 takes as long as ten of any other.
VGG = pytest.param('vgg16', marks=pytest.mark.slow)
TRAINED = [VGG if name == 'vgg16' else name for name in OTHERS]


def changes(backbone: str) -> list[str]:
    """`--set` of a trunk whose settings keep their defaults."""
    model = f'model={{backbone: {backbone}, clusters: 4}}'
    return ['--set', model, '--set', 'schedule.epochs=1']


def make_model(backbone: str) -> VprModel:
    config = ModelConfig(backbone=backbone, clusters=2)
    with torch.device('meta'):
        return VprModel(config, PreprocessingConfig())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_experiment(tmp_path)
    return tmp_path


@pytest.mark.parametrize('backbone', TRAINED)
def test_a_training_run_changes_the_trunk_and_writes_its_name(folder: Path, backbone: str) -> None:
    options = ['--config', str(folder / 'experiment.yaml'), '--device', 'cpu', *changes(backbone)]
    # An untrained MobileNetV3 collapses with frozen batch norm.
    options += ['--set', 'optimiser.freeze_batch_norm=false']
    assert train.main([*options, '--out', str(folder / 'run')]) == 0
    # One picture a place: the best network is the one at the start.
    start = load_model(folder / 'run' / 'weights.safetensors')
    assert start.config.backbone == backbone
    assert start.pooling.initialised
    tensors, _ = load_checkpoint(folder / 'run' / 'checkpoint.safetensors')
    end = unnamed('model.backbone', tensors)
    changed = {k for k, p in start.backbone.named_parameters() if not torch.equal(p, end[k])}
    assert changed == set(dict(start.backbone.named_parameters()))


@pytest.mark.parametrize('backbone', OTHERS)
def test_every_layer_of_a_trunk_starts_with_one_that_learns(backbone: str) -> None:
    model = make_model(backbone)
    counts = []
    for layer, position in BACKBONES[backbone].layers.items():
        assert trunk_position(model, layer) == position
        assert any(True for _ in model.backbone[position].parameters())
        counts.append((position, freeze_below(model, layer)))
    in_order = [count for _, count in sorted(counts)]
    assert in_order == sorted(in_order, reverse=True)
    assert counts[0] == (0, freeze_below(model, 'all'))
    assert freeze_below(model, 'pooling') == sum(p.numel() for p in model.pooling.parameters())


def test_layers_are_numbered_as_in_the_papers() -> None:
    vgg, mobilenet, resnet = map(make_model, ('vgg16', 'mobilenet_v3_large', 'resnet18'))
    assert trunk_position(vgg, 'conv5') == trunk_position(vgg, 'conv5_1')
    convolutions = [n for n, part in enumerate(vgg.backbone) if isinstance(part, nn.Conv2d)]
    assert [trunk_position(vgg, f'conv{g}_1') for g in range(1, 6)] == [
        convolutions[n] for n in (0, 2, 4, 7, 10)
    ]
    assert trunk_position(vgg, 'conv5_3') == len(vgg.backbone) - 1
    assert trunk_position(mobilenet, 'last') == len(mobilenet.backbone) - 1
    assert list(resnet.backbone._modules)[trunk_position(resnet, 'conv4')] == 'layer3'


@pytest.mark.parametrize('layer', ['conv5_3', 'block3', 'conv5'])
def test_a_layer_of_another_trunk_is_refused(layer: str) -> None:
    assert layer in LAYERS
    with pytest.raises(ConfigError, match=f"train_from: .* layer of resnet18, found '{layer}'"):
        freeze_below(make_model('resnet18'), layer)


@pytest.mark.parametrize('backbone', ['alexnet', VGG, 'mobilenet_v3_large'])
def test_a_trunk_of_any_stride_is_distilled(
    folder: Path, backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, 'open_teacher', tiny_teacher)
    settings = (
        f'distillation={{teacher: tiny, photos: [1 {folder / "places"}], steps: 2, '
        'batch_size: 2, view_px: 64, late_view_px: 96}'
    )
    options = ['--config', str(folder / 'experiment.yaml'), '--device', 'cpu', '--set', settings]
    assert distill.main([*options, *changes(backbone), '--out', str(folder / 'run')]) == 0
    model = load_model(folder / 'run' / 'weights.safetensors')
    assert model.config.backbone == backbone
    assert 'distilled from tiny in 2 steps' in model.provenance


def test_smaller_cells_are_averaged_to_the_teachers() -> None:
    torch.manual_seed(0)
    student = Student(nn.AvgPool2d(16), (), [(3, 4)])
    with torch.no_grad():
        (found,) = student(torch.rand(1, 3, 64, 96))
    assert found.shape == (1, 4, 4, 6)
    teacher = nn.functional.avg_pool2d(found, 2)
    assert distillation_loss(found, teacher).item() == pytest.approx(0.0, abs=1e-6)
    assert distillation_loss(found, teacher.flip(1)).item() > 0.01


def test_a_trunk_is_pretrained(tmp_path: Path) -> None:
    options = ['--config', str(write_scenes(tmp_path)), '--device', 'cpu']
    few = ['--set', 'classification.max_steps=2']
    out = tmp_path / 'run'
    assert pretrain.main([*options, *changes('resnet18'), *few, '--out', str(out)]) == 0
    assert load_model(out / 'weights.safetensors').config.backbone == 'resnet18'


@pytest.mark.parametrize('backbone', OTHERS)
def test_the_quick_copy_describes_alike(backbone: str) -> None:
    torch.manual_seed(0)
    model = VprModel(ModelConfig(backbone=backbone, clusters=2), PreprocessingConfig()).eval()
    nn.init.normal_(model.pooling.centres, std=0.1)
    model.pooling.initialised = True
    batch = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        cosine = (model(batch) * quick_copy(model)(batch)).sum(dim=1)
    assert cosine.min() > 0.999


def state_dict_file(folder: Path, wrapped: bool) -> Path:
    models = pytest.importorskip('torchvision.models')
    torch.manual_seed(5)
    tensors = models.resnet18(num_classes=3).state_dict()
    path = folder / 'places.pth'
    named = {f'module.{name}': tensor for name, tensor in tensors.items()}
    torch.save({'state_dict': named, 'epoch': 9} if wrapped else tensors, path)
    return path


@pytest.mark.parametrize('wrapped', [False, True])
def test_training_starts_from_a_state_dict_of_torchvision(folder: Path, wrapped: bool) -> None:
    path = state_dict_file(folder, wrapped)
    options = ['--config', str(folder / 'experiment.yaml'), '--device', 'cpu']
    options += [*changes('resnet18'), '--set', 'optimiser.learning_rate=0.0']
    options += ['--set', f'backbone_weights={path}', '--out', str(folder / 'run')]
    assert train.main(options) == 0
    model = load_model(folder / 'run' / 'weights.safetensors')
    content = torch.load(path, weights_only=True)
    given = content['state_dict'] if wrapped else content
    prefix = 'module.' if wrapped else ''
    for name, tensor in model.backbone.named_parameters():
        assert torch.equal(tensor, given[prefix + name]), name


def test_the_start_is_said_where_the_weights_come_from(folder: Path) -> None:
    path = state_dict_file(folder, wrapped=False)
    options = ['--config', str(write_scenes(folder / 'scenes')), '--device', 'cpu']
    options += [*changes('resnet18'), '--set', 'classification.max_steps=1']
    options += ['--set', f'backbone_weights={path}', '--out', str(folder / 'run')]
    assert pretrain.main(options) == 0
    provenance = load_model(folder / 'run' / 'weights.safetensors').provenance
    assert 'started from resnet18 with the weights of places.pth' in provenance


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (b'', 'expected a state dict of torch or safetensors, found something else'),
        (b'no weights', 'expected a state dict of torch or safetensors, found something else'),
        (None, 'No such file or directory'),
    ],
)
@pytest.mark.parametrize('name', ['w.pth', 'w.safetensors'])
def test_a_file_that_is_no_state_dict_is_one_sentence(
    folder: Path,
    capsys: pytest.CaptureFixture,
    content: bytes | None,
    sentence: str,
    name: str,
) -> None:
    path = folder / name
    if content is not None:
        path.write_bytes(content)
    options = ['--config', str(folder / 'experiment.yaml'), *changes('resnet18')]
    change = ['--set', f'backbone_weights={path}', '--out', str(folder / 'run')]
    assert train.main([*options, *change]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count('\n') == 1


def test_a_list_of_tensors_is_refused(folder: Path) -> None:
    torch.save([torch.zeros(1)], folder / 'list.pth')
    experiment = read_experiment(
        folder / 'experiment.yaml',
        ['model={backbone: resnet18}', f'backbone_weights={folder / "list.pth"}'],
    )
    with pytest.raises(WeightsError, match='expected tensors by name, found list'):
        train.starting_model(experiment, [])


def test_two_starts_are_refused(folder: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"expected only one of init and backbone_weights, found init 'a\.safetensors'",
    ):
        read_experiment(folder / 'experiment.yaml', ['init=a.safetensors', 'backbone_weights=b'])


def test_weights_of_another_trunk_are_refused(folder: Path, capsys: pytest.CaptureFixture) -> None:
    options = ['--config', str(folder / 'experiment.yaml'), '--device', 'cpu']
    assert train.main([*options, *changes('resnet18'), '--out', str(folder / 'first')]) == 0
    init = f'init={folder / "first" / "weights.safetensors"}'
    second = [*options, *changes('alexnet'), '--set', init, '--out', str(folder / 'second')]
    assert train.main(second) == 1
    sentence = 'expected weights with backbone alexnet, found resnet18'
    assert sentence in capsys.readouterr().err
