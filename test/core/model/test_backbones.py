"""The trunks of the papers: shapes, names, files, and what a robot without torchvision has."""

import subprocess
import sys

import pytest
import torch

from ghost_vpr_ros.core.config.model import BACKBONE_CHANNELS, ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError, PackageError
from ghost_vpr_ros.core.model.backbones import BACKBONES, build_backbone
from ghost_vpr_ros.core.model.ghostcnn import GhostCNN
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import model_from_bytes, model_to_bytes
from test.core.model.tiny_model import pictures, tiny_model

OTHERS = [name for name in BACKBONE_CHANNELS if name != 'ghostcnn']
VGA = PreprocessingConfig(width_px=640, height_px=480)


def tiny(backbone: str, **config) -> VprModel:
    return tiny_model(backbone=backbone, crop_channels=960, dilation=(5, 2), **config)


def test_every_backbone_has_a_name_and_a_builder():
    assert list(BACKBONES) == list(BACKBONE_CHANNELS)


@pytest.mark.parametrize(
    ('backbone', 'shape'),
    [
        ('alexnet', (256, 29, 39)),
        ('alexnet_ungrouped', (256, 29, 39)),
        ('vgg16', (512, 30, 40)),
        ('mobilenet_v3_large', (960, 15, 20)),
        ('resnet18', (256, 30, 40)),
    ],
)
def test_a_vga_image_gives_this_feature_map(backbone, shape):
    with torch.device('meta'):
        trunk = build_backbone(ModelConfig(backbone=backbone))
    assert trunk(torch.empty(1, 3, 480, 640, device='meta')).shape == (1, *shape)
    assert trunk.out_channels == ModelConfig(backbone=backbone).trunk_channels == shape[0]


@pytest.mark.parametrize('backbone', ['alexnet', 'alexnet_ungrouped', 'vgg16'])
def test_these_are_cropped_before_the_relu(backbone):
    torch.manual_seed(0)
    trunk = build_backbone(ModelConfig(backbone=backbone)).eval()
    with torch.no_grad():
        assert trunk(torch.randn(1, 3, 64, 64)).min() < 0.0


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        ({'backbone': 'vgg16'}, 'VGG16-NetVLAD, 640x480, 32768-D'),
        ({'backbone': 'alexnet'}, 'Alex-NetVLAD, 640x480, 16384-D'),
        ({'backbone': 'mobilenet_v3_large'}, 'MobileNetV3-NetVLAD, 640x480, 61440-D'),
        ({'backbone': 'resnet18', 'descriptor_dim': 512}, 'ResNet18-NetVLAD, 640x480, 512-D'),
        (
            {'backbone': 'vgg16', 'reduced_channels': 128},
            'VGG16-NetVLAD, reduced_channels=128, 640x480, 8192-D',
        ),
    ],
)
def test_the_name_is_that_of_the_papers_tables(config, name):
    with torch.device('meta'):
        assert VprModel(ModelConfig(**config), VGA).name == name


@pytest.mark.parametrize('backbone', OTHERS)
def test_a_network_describes_and_comes_back_from_its_file(backbone):
    model = tiny(backbone, reduced_channels=32, descriptor_dim=6)
    batch = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        descriptors = model(batch)
        loaded = model_from_bytes(model_to_bytes(model), 'here')
        assert torch.equal(loaded(batch), descriptors)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))
    assert loaded.model_hash == model.model_hash
    assert loaded.config.backbone == backbone


def test_weights_follow_from_the_seed():
    first, again, other = (tiny('resnet18', seed=seed) for seed in (1, 1, 2))
    assert first.model_hash == again.model_hash != other.model_hash


def test_the_default_trunk_is_not_written_so_that_older_files_keep_their_hashes():
    model = tiny_model()
    assert isinstance(model.backbone, GhostCNN)
    assert 'backbone' not in model.describe_configuration()['config']
    assert '"backbone": "vgg16"' in tiny('vgg16').describe_configuration()['config']


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (
            {'backbone': 'vgg16', 'crop_channels': 160},
            'crop_channels: a setting of ghostcnn, expected 960 with backbone vgg16 '
            '(512 channels), found 160',
        ),
        (
            {'backbone': 'resnet18', 'dilation': (1, 1)},
            r'dilation: a setting of ghostcnn, expected \(5, 2\) with backbone resnet18',
        ),
        ({'backbone': 'alexnet', 'squeeze_excite': False}, 'squeeze_excite: a setting of ghost'),
        ({'backbone': 'alexnet', 'dilate': 'both'}, 'dilate: a setting of ghostcnn'),
        (
            {'backbone': 'alexnet', 'reduced_channels': 257},
            "reduced_channels: expected at most alexnet's 256, found 257",
        ),
        ({'backbone': 'vgg'}, "backbone: expected one of ghostcnn, alexnet.*found 'vgg'"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused(config, message):
    with pytest.raises(ConfigError, match=message.replace('(512 channels)', r'\(512 channels\)')):
        ModelConfig(**config)


WITHOUT_TORCHVISION = """
import sys
sys.modules['torchvision'] = None
from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.errors import PackageError
from test.core.model.tiny_model import tiny_model
model = tiny_model()
tiny_model(backbone='alexnet_ungrouped', crop_channels=960)
try:
    tiny_model(backbone='vgg16', crop_channels=960)
except PackageError as error:
    print(error)
"""


def test_ghostcnn_runs_without_torchvision_and_the_others_say_what_is_missing():
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCHVISION], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'defined by torchvision, which cannot be imported here' in done.stdout
    assert 'or use the backbone ghostcnn' in done.stdout


def test_a_torchvision_of_another_torch_is_one_sentence(monkeypatch, tmp_path):
    package = tmp_path / 'torchvision'
    package.mkdir()
    (package / '__init__.py').write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition('.')[0] == 'torchvision']:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(PackageError, match='nms does not exist'):
        build_backbone(ModelConfig(backbone='resnet18'))


def test_the_pictures_are_described_apart():
    """A trunk that ignored its input would describe every picture alike."""
    model = tiny('mobilenet_v3_large')
    inputs = torch.stack([torch.from_numpy(p).float().permute(2, 0, 1) for p in pictures(2)])
    with torch.no_grad():
        first, second = model(inputs / 255.0)
    assert float(first @ second) < 0.999
