"""Label maps for poolings that start from them: label images, segmenters, and what is refused."""

import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError, WeightsError
from ghost_vpr_ros.core.model.label_maps import DYNAMIC, STATIC, VOID
from ghost_vpr_ros.core.preprocessing import preprocess
from test.core.model.poolings.test_every_pooling import small_config
from training.experiment import Experiment
from training.head.semantics import (
    SemanticsConfig,
    labelled_frames,
    role_scores,
    roles_of,
)
from training.head.starting_model import starting_model
from training.head.torchvision_segmenter import TorchvisionSegmenter

INPUT = PreprocessingConfig(width_px=64, height_px=64)
SKY, BUILDING, CAR, UNLABELLED = 0, 1, 8, 11


def make_images(folder: Path, count: int = 6, size: tuple[int, int] = (48, 96)) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        image = rng.integers(0, 255, (*size, 3), np.uint8)
        assert cv2.imwrite(str(folder / f'{number}.jpg'), image)
    return folder


def make_labels(folder: Path, labels: np.ndarray, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f'{number}.png'), labels)
    return folder


def left_building_right_car(size: tuple[int, int] = (48, 96)) -> np.ndarray:
    labels = np.full(size, BUILDING, np.uint8)
    labels[:, size[1] // 2 :] = CAR
    return labels


def test_classes_become_roles():
    numbers = np.array([[SKY, BUILDING, CAR, UNLABELLED, 200]])
    assert roles_of(numbers, 'camvid').tolist() == [[DYNAMIC, STATIC, DYNAMIC, VOID, VOID]]
    # Cityscapes: road, sign, vegetation; sky, person, car; unlabelled.
    numbers = np.array([[0, 7, 8, 10, 11, 13, 255]])
    assert roles_of(numbers, 'cityscapes').tolist() == [[STATIC] * 3 + [DYNAMIC] * 3 + [VOID]]


def test_a_label_image_is_stretched_as_its_image_is(tmp_path):
    config = SemanticsConfig(
        images=str(make_images(tmp_path / 'images')),
        labels=str(make_labels(tmp_path / 'labels', left_building_right_car())),
    )
    found = labelled_frames(config, INPUT, [])
    assert [frame.name for frame in found.frames] == [f'{n}.jpg' for n in range(6)]
    roles = found.roles(found.frames[0])
    assert roles.shape == (64, 64)
    assert (roles[:, :32] == STATIC).all()
    assert (roles[:, 32:] == DYNAMIC).all()


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with a function that calls dark pixels sky and the others buildings."""
    module = types.ModuleType('a_segmenter')
    module.label = lambda image: np.where(image[..., 0] < 128, SKY, BUILDING)
    monkeypatch.setitem(sys.modules, 'a_segmenter', module)
    return 'a_segmenter:label'


def half_dark() -> list[Frame]:
    """Images of noise, dark in their upper half."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(8):
        image = rng.integers(128, 255, (96, 96, 3), np.uint8)
        image[:48] -= 128
        found.append(Frame(str(number), lambda image=image: image))
    return found


def test_a_segmenter_labels_the_training_images(segmenter):
    frames = half_dark()
    found = labelled_frames(SemanticsConfig(segmenter=segmenter), INPUT, frames)
    assert found.frames is frames
    roles = found.roles(frames[0])
    assert (roles[:32] == DYNAMIC).all()
    assert (roles[32:] == STATIC).all()


@pytest.mark.parametrize('pooling', ['sralnet-sc', 'ghostvlad-sc'])
def test_a_network_starts_from_a_segmenter(pooling, segmenter):
    sections = {'semantics': SemanticsConfig(segmenter=segmenter)}
    experiment = Experiment(0, INPUT, small_config(pooling), sections=sections)
    model = starting_model(experiment, half_dark(), source='here')
    assert model.pooling.initialised
    assert model.provenance.endswith('clusters initialised on label maps of here')


def test_a_network_starts_from_label_images_of_another_folder(tmp_path):
    config = SemanticsConfig(
        images=str(make_images(tmp_path / 'images')),
        labels=str(make_labels(tmp_path / 'labels', left_building_right_car())),
    )
    experiment = Experiment(0, INPUT, small_config('sralnet-sc'), sections={'semantics': config})
    model = starting_model(experiment, [], source='here')
    assert model.pooling.initialised
    assert model.provenance.endswith(f'label maps of {tmp_path / "images"}')


def test_without_a_section_it_is_one_sentence():
    with pytest.raises(ConfigError, match='semantics: expected either labels or a segmenter'):
        starting_model(Experiment(0, INPUT, small_config('sralnet-sc')), half_dark())


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        ({}, 'found neither'),
        ({'labels': 'a', 'segmenter': 'b:c'}, 'found both'),
        (
            {'labels': 'a'},
            r'semantics\.images: expected the folder of the images for the labels in a',
        ),
        ({'segmenter': 'absent:label'}, r"segmenter: expected MODULE:FUNCTION, found 'absent:la"),
        ({'segmenter': 'json:absent'}, r'no attribute'),
        ({'segmenter': 'json'}, r'no colon'),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        labelled_frames(SemanticsConfig(**settings), INPUT, half_dark())


@pytest.mark.parametrize(
    ('labels', 'sentence'),
    [
        (left_building_right_car((48, 80)), r'of the image 0\.jpg, 96x48, found 80x48'),
        (np.zeros((48, 96, 3), np.uint8), r'0\.jpg: expected a label map \(H, W\).*no colours'),
    ],
)
def test_label_images_that_do_not_fit_are_refused(tmp_path, labels, sentence):
    config = SemanticsConfig(
        images=str(make_images(tmp_path / 'images', 1)),
        labels=str(make_labels(tmp_path / 'labels', labels, 1)),
    )
    found = labelled_frames(config, INPUT, [])
    with pytest.raises(SourceError, match=sentence):
        found.roles(found.frames[0])


def test_labels_of_half_the_size_fit(tmp_path):
    config = SemanticsConfig(
        images=str(make_images(tmp_path / 'images', 1)),
        labels=str(make_labels(tmp_path / 'labels', left_building_right_car((24, 48)), 1)),
    )
    found = labelled_frames(config, INPUT, [])
    assert (found.roles(found.frames[0])[:, :32] == STATIC).all()


def test_an_image_without_labels_is_named(tmp_path):
    labels = str(make_labels(tmp_path / 'labels', left_building_right_car(), 4))
    config = SemanticsConfig(images=str(make_images(tmp_path / 'images')), labels=labels)
    with pytest.raises(SourceError, match=r'each of 6 images, found none for 2, first 4\.jpg'):
        labelled_frames(config, INPUT, [])
    (tmp_path / 'labels' / '4.png').write_bytes(b'x')
    (tmp_path / 'labels' / '5.png').write_bytes(b'x')
    found = labelled_frames(config, INPUT, [])
    with pytest.raises(SourceError, match=r'4\.png: expected a label image, found something'):
        found.roles(found.frames[4])


def test_camvid_has_static_and_dynamic_places(data_dir):
    config = SemanticsConfig(
        images=str(data_dir / 'camvid' / 'val'), labels=str(data_dir / 'camvid' / 'valannot')
    )
    found = labelled_frames(config, INPUT, [])
    roles = np.stack([found.roles(frame) for frame in found.frames[:5]])
    assert (roles == STATIC).mean() > 0.3
    assert (roles == DYNAMIC).mean() > 0.05
    # Sky is above, the road below.
    assert (roles[:, :8] == DYNAMIC).mean() > (roles[:, -8:] == DYNAMIC).mean()


def test_scores_count_by_the_best_class_of_each_role():
    scores = np.zeros((12, 1, 2), np.float32)
    scores[5, 0, 0], scores[8, 0, 0] = 2.0, 1.0  # Tree above car.
    scores[11, 0, 1] = 3.0  # Void.
    found = role_scores(scores, 'camvid')
    assert found[:, 0, 0].tolist() == [0.0, 2.0, 1.0]
    assert found[:, 0, 1].tolist() == [3.0, 0.0, 0.0]


@pytest.fixture(scope='module')
def lraspp(tmp_path_factory):
    """An untrained segmenter of torchvision with the classes of Cityscapes, and its file."""
    segmentation = pytest.importorskip('torchvision.models.segmentation')
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = segmentation.lraspp_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=19
        ).eval()
    path = tmp_path_factory.mktemp('segmenter') / 'lraspp.pth'
    torch.save(network.state_dict(), path)
    return network, path


def test_a_segmenter_of_torchvision_gives_its_scores(lraspp):
    network, path = lraspp
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    found = TorchvisionSegmenter('lraspp_mobilenet_v3_large', path)(image)
    with torch.no_grad():
        inputs = torch.from_numpy(preprocess(image, PreprocessingConfig(fit='own')))
        expected = network(inputs)['out'][0]
    assert found.shape == (19, 48, 64)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_network_starts_from_a_segmenter_of_torchvision(lraspp):
    """Its untrained scores decide what is static and what dynamic."""
    config = SemanticsConfig(
        segmenter='torchvision:lraspp_mobilenet_v3_large',
        segmenter_weights=str(lraspp[1]),
        classes='cityscapes',
    )
    frames = half_dark()
    roles = labelled_frames(config, INPUT, frames).roles(frames[0])
    assert roles.shape == (3, INPUT.height_px, INPUT.width_px)


@pytest.mark.parametrize(
    ('settings', 'error', 'sentence'),
    [
        ({'segmenter': 'torchvision:lraspp_mobilenet_v3_large'}, ConfigError, 'found none for'),
        ({'segmenter': 'a:b', 'segmenter_weights': 'w.pth'}, ConfigError, 'found w.pth for a:b'),
    ],
)
def test_weights_belong_to_a_segmenter_of_torchvision(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        labelled_frames(SemanticsConfig(**settings), INPUT, half_dark())


def test_a_segmenter_that_is_none_is_refused(lraspp):
    with pytest.raises(ConfigError, match="no segmenter 'lraspp'"):
        TorchvisionSegmenter('lraspp', lraspp[1])
    with pytest.raises(WeightsError, match='expected the state dict of fcn_resnet50'):
        TorchvisionSegmenter('fcn_resnet50', lraspp[1])
