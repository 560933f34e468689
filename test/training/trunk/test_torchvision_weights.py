"""State dicts of torchvision: the trunk answers as torchvision does, or fails with a reason."""

import pytest
import torch
from torch import nn

from ghost_vpr_ros.core.config.model import ModelConfig
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.backbones import build_backbone
from training.trunk.torchvision_weights import load_torchvision_weights

models = pytest.importorskip('torchvision.models')


def whole_network(name: str) -> nn.Module:
    torch.manual_seed(3)
    return getattr(models, name)(num_classes=5).eval()


def loaded(backbone: str, tensors: dict) -> nn.Module:
    trunk = build_backbone(ModelConfig(backbone=backbone)).eval()
    load_torchvision_weights(trunk, backbone, tensors, 'file.pth')
    return trunk


@pytest.fixture(scope='module')
def resnet() -> dict:
    return whole_network('resnet18').state_dict()


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_resnet_answers_as_torchvisions_does_up_to_conv4(resnet, prefix):
    network = whole_network('resnet18')
    trunk = loaded('resnet18', {prefix + name: tensor for name, tensor in resnet.items()})
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        x = network.maxpool(network.relu(network.bn1(network.conv1(image))))
        expected = network.layer3(network.layer2(network.layer1(x)))
        assert torch.equal(trunk(image), expected)


def test_mobilenet_answers_as_torchvisions_features_do():
    network = whole_network('mobilenet_v3_large')
    trunk = loaded('mobilenet_v3_large', network.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(trunk(image), network.features(image))


def test_alexnet_answers_as_torchvisions_features_do_before_the_last_relu():
    features = whole_network('alexnet').features
    trunk = loaded('alexnet', {f'features.{k}': v for k, v in features.state_dict().items()})
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        expected = features[:11](image)
        assert torch.equal(trunk(image), expected)


def test_vgg_answers_as_torchvisions_features_do_before_the_last_relu():
    with torch.device('meta'):
        features = models.vgg16().features
    features = features.to_empty(device='cpu')
    torch.manual_seed(4)
    for parameter in features.parameters():
        nn.init.normal_(parameter, std=0.02)
    trunk = loaded('vgg16', {f'features.{k}': v for k, v in features.state_dict().items()})
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(trunk(image), features[:29](image))


def test_counters_of_batch_norm_may_be_absent(resnet):
    early = {name: v for name, v in resnet.items() if not name.endswith('num_batches_tracked')}
    trunk = loaded('resnet18', early)
    assert torch.equal(trunk.state_dict()['conv1.weight'], resnet['conv1.weight'])


def renamed(tensors: dict, old: str, new: str) -> dict:
    return {new if name == old else name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda found: renamed(found, 'conv1.weight', 'conv_1.weight'),
            r"file.pth: the tensor 'conv1.weight' is missing \(found 'conv_1.weight'\)",
        ),
        (
            lambda found: {**found, 'layer3.0.conv9.weight': torch.zeros(1)},
            "'layer3.0.conv9.weight' is unknown .expected 'layer3.0.conv",
        ),
        (
            lambda found: {**found, 'conv1.weight': torch.zeros(64, 1, 7, 7)},
            r"'conv1.weight' of resnet18 in shape \(64, 3, 7, 7\), found \(64, 1, 7, 7\)",
        ),
        (
            lambda found: {**found, 'bn1.bias': torch.full((64,), float('nan'))},
            "'bn1.bias' is not finite",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(resnet, change, message):
    with pytest.raises(WeightsError, match=message):
        loaded('resnet18', change(resnet))


def test_a_file_of_another_network_is_refused_and_changes_nothing(resnet):
    trunk = build_backbone(ModelConfig(backbone='mobilenet_v3_large'))
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    with pytest.raises(WeightsError, match='choose the backbone that the file belongs to'):
        load_torchvision_weights(trunk, 'mobilenet_v3_large', resnet, 'file.pth')
    assert all(torch.equal(tensor, before[name]) for name, tensor in trunk.state_dict().items())


def test_ghostcnn_has_no_weights_of_torchvision(resnet):
    with pytest.raises(WeightsError, match='expected a backbone of torchvision'):
        loaded('ghostcnn', resnet)
