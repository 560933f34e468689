"""Engines: the same descriptors as the bare model, and clear words for what does not exist."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.engine import chosen_engine, create_engine, prepare_engine
from ghost_vpr_ros.core.engine.graph_export import PixelNetwork
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_network, model_to_bytes
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.preprocessing import pixel_batch, scale_and_offset
from test.core.model.tiny_model import tiny_model

ON_CPU = ('torch', 'openvino', 'onnxruntime')
PARITY = {'float32': 0.9999, 'half': 0.999}


@pytest.fixture(scope='module')
def model() -> VprModel:
    return tiny_model(descriptor_dim=6)


@pytest.fixture(scope='module')
def stored(model) -> StoredModel:
    return StoredModel.from_bytes(model_to_bytes(model), 'tiny')


def pixels(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def network_inputs(batch: np.ndarray, preprocessing: PreprocessingConfig) -> torch.Tensor:
    scale, offset = scale_and_offset(preprocessing)
    return torch.from_numpy((batch * scale + offset).transpose(0, 3, 1, 2).copy())


def engine_named(model, name: str, **settings):
    return create_engine(model, EngineConfig(engine=name, **settings))


@pytest.fixture(scope='module', params=ON_CPU)
def engine(request, model):
    return engine_named(model, request.param)


@pytest.mark.parametrize('join', ['maps', 'vlads'])
@pytest.mark.parametrize('name', ['torch', 'openvino'])
def test_an_engine_joins_the_maps_of_several_rows(name, join):
    model = tiny_model(rows=(9, 11, 16), join=join, reduced_channels=8, descriptor_dim=6)
    with torch.no_grad():
        expected = model(network_inputs(pixels(), model.preprocessing)).numpy()
    found = engine_named(model, name).describe(pixels())
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize('count', [1, 3])
def test_an_engine_describes_as_the_bare_model_does(model, engine, count):
    with torch.no_grad():
        expected = model(network_inputs(pixels(count), model.preprocessing)).numpy()
    found = engine.describe(pixels(count))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_the_feature_map_is_what_an_engine_pools(model, engine):
    found = engine.feature_map(pixels())
    assert (found.shape, found.dtype) == ((3, 160, 2, 2), np.float32)
    with torch.no_grad():
        pooled = model.whitening(model.pooling(torch.from_numpy(found))).numpy()
    np.testing.assert_allclose(pooled, engine.describe(pixels()), atol=1e-4)


@pytest.mark.parametrize('count', [1, 3])
@pytest.mark.parametrize('name', ON_CPU)
def test_one_run_gives_the_descriptor_and_the_map(name, count):
    model = tiny_model(rows=(9, 11, 14), dilation=(1, 1), reduced_channels=8, descriptor_dim=6)
    with torch.no_grad():
        expected_map = model.feature_map(network_inputs(pixels(count), model.preprocessing))
        expected = model(network_inputs(pixels(count), model.preprocessing))
    descriptors, maps = engine_named(model, name).describe_with_map(pixels(count))
    assert (maps.shape, maps.dtype) == ((count, 8, 4, 4), np.float32)
    np.testing.assert_allclose(descriptors, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(maps, expected_map.numpy(), atol=1e-3)


@pytest.mark.parametrize(
    'settings',
    [
        {'crop_channels': 960},
        {'crop_channels': 160},
        {'squeeze_excite': False, 'dilation': (1, 1)},
        {'dilate': 'both', 'dilation': (3, 2)},
        {'dilate': 'stride'},
        {'netvlad_version': 'v1', 'reduced_channels': 8},
        {'rows': (9, 11, 16), 'reduced_channels': 8},
        {'rows': (9, 14), 'reduced_channels': 8, 'join': 'vlads', 'dilation': (1, 1)},
    ],
)
def test_the_network_of_the_graph_is_the_model(settings):
    model = tiny_model(**settings)
    for norm in (layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.running_mean, -0.1, 0.1)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    with torch.no_grad():
        expected_map = model.feature_map(network_inputs(pixels(), model.preprocessing))
        expected = model(network_inputs(pixels(), model.preprocessing))
        found, found_map = PixelNetwork(model)(torch.from_numpy(pixels()))
    torch.testing.assert_close(found_map, expected_map, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


SIZES = [pytest.param((448, 448), id='square', marks=pytest.mark.slow)]
SIZES += [pytest.param((640, 480), id='vga')]


@pytest.fixture(scope='module', params=SIZES)
def real(request, data_dir):
    """The shipped network at an input size, real images, and their descriptors by torch."""
    model = load_network(default_weights())
    size = {'width_px': request.param[0], 'height_px': request.param[1]}
    model.preprocessing = PreprocessingConfig(**{**model.preprocessing.to_dict(), **size})
    images = sorted((data_dir / 'gardens_point' / 'day_left').glob('*.jpg'))[::60]
    batch = np.concatenate([pixel_batch(read_image(path), model.preprocessing) for path in images])
    assert len(batch) >= 3
    return model, batch, engine_named(model, 'torch').describe(batch)


@pytest.mark.parametrize(
    ('name', 'precision'),
    [('openvino', 'float32'), ('openvino', 'half'), ('onnxruntime', 'float32'), ('torch', 'half')],
)
def test_on_real_images_engines_agree_with_torch(real, name, precision):
    model, batch, expected = real
    engine = engine_named(model, name, inference_precision=precision)
    one_by_one = np.concatenate([engine.describe(one[None]) for one in batch])
    for found in (engine.describe(batch), one_by_one):
        assert (found * expected).sum(axis=1).min() >= PARITY[precision]


def test_an_engine_states_what_it_runs(model):
    engine = engine_named(model, 'torch')
    assert engine.model_hash == model.model_hash
    assert engine.descriptor_dim == 6
    assert engine.name.endswith('on cpu, float32')
    assert engine_named(model, 'openvino').name.startswith('openvino 20')


def test_auto_takes_the_fastest_engine_for_weights_that_stay_as_they_are(stored):
    fresh = tiny_model(descriptor_dim=5)
    assert chosen_engine(stored, EngineConfig()) == 'openvino'
    assert chosen_engine(fresh, EngineConfig()) == 'torch'
    assert chosen_engine(stored, EngineConfig(device='cuda')) == 'torch'
    create_engine(fresh, EngineConfig(engine='onnxruntime'))
    assert chosen_engine(fresh, EngineConfig()) == 'openvino'


def test_the_model_is_left_as_it_was(model):
    before = model.model_hash
    weight = model.backbone[0][0].weight
    for name in ON_CPU:
        engine_named(model, name).describe(pixels())
    assert model.model_hash == before
    assert weight.requires_grad
    assert weight.is_contiguous()


def test_changes_of_the_model_do_not_reach_the_engine():
    changed = tiny_model()
    engine = create_engine(changed)
    before = engine.describe(pixels())
    with torch.no_grad():
        changed.pooling.centres.add_(1.0)
    np.testing.assert_array_equal(engine.describe(pixels()), before)


@pytest.mark.parametrize('name', ['torch', 'openvino'])
def test_a_model_in_training_mode_is_run_in_evaluation_mode(name):
    trained = tiny_model(descriptor_dim=7)
    expected = engine_named(tiny_model(descriptor_dim=7), 'torch').describe(pixels())
    trained.train()
    found = engine_named(trained, name).describe(pixels())
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert trained.training


def test_descriptors_stay_as_they_are_when_the_next_image_comes(engine):
    first = engine.describe(pixels()[:1])
    kept = first.copy()
    engine.describe(pixels()[1:2])
    np.testing.assert_array_equal(first, kept)


def test_the_pixels_are_left_alone(engine):
    inputs = pixels()
    engine.describe(inputs)
    np.testing.assert_array_equal(inputs, pixels())


@pytest.mark.parametrize('name', ON_CPU)
def test_a_closed_engine_reports_it(model, name):
    engine = engine_named(model, name)
    engine.close()
    engine.close()
    with pytest.raises(DeviceError, match='the engine was closed'):
        engine.describe(pixels())


@pytest.mark.parametrize('device', ['gpu', '', 'cpu:x', 'mps', 'meta', 'cuda:-1', 'cuda:'])
def test_a_device_that_is_none_is_refused(model, device):
    with pytest.raises(DeviceError, match=f"device '{device}'"):
        engine_named(model, 'torch', device=device)


@pytest.mark.parametrize('device', ['cuda', 'cuda:0', 'cuda:7'])
def test_a_cuda_device_that_this_machine_lacks_is_refused(model, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(DeviceError, match=f"device '{device}': this machine has 0 usable CUDA"):
        engine_named(model, 'torch', device=device)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'engine': 'openvino', 'device': 'cuda'}, 'engine openvino: expected device cpu'),
        ({'engine': 'tensorrt'}, 'engine tensorrt: expected device cuda'),
        ({'engine': 'tensorrt', 'device': 'cuda'}, 'expected TensorrtExecutionProvider'),
        ({'engine': 'onnxruntime', 'device': 'cuda'}, 'expected CUDAExecutionProvider'),
        (
            {'engine': 'onnxruntime', 'inference_precision': 'half'},
            'inference_precision half: ONNX Runtime',
        ),
        (
            {'engine': 'torch', 'inference_precision': 'int8'},
            'inference_precision int8: engine torch has none',
        ),
        ({'inference_precision': 'int8'}, 'int8: expected .*-int8r7.onnx'),
    ],
)
@pytest.mark.parametrize('run', [create_engine, prepare_engine])
def test_what_does_not_go_together_is_refused(model, settings, message, run):
    with pytest.raises(DeviceError, match=message):
        run(model, EngineConfig(**settings))


@pytest.mark.parametrize('module', ['openvino', 'onnxruntime'])
def test_an_engine_that_is_not_installed_is_named(model, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeviceError, match=f'pip install {module}'):
        engine_named(model, module)


def test_threads_come_from_the_setting_or_the_environment(monkeypatch):
    from ghost_vpr_ros.core.engine.base import thread_count

    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    assert thread_count(EngineConfig()) == 3
    assert thread_count(EngineConfig(inference_threads=2)) == 2
    monkeypatch.setenv('OMP_NUM_THREADS', 'many')
    assert thread_count(EngineConfig()) == os.cpu_count()


def test_the_size_of_the_descriptor_is_known_without_the_network():
    for config in ({'descriptor_dim': 6}, {'descriptor_dim': 0}, {'reduced_channels': 8}):
        model = tiny_model(**config)
        assert ModelConfig(**config).descriptor_dim == model.config.descriptor_dim
        stored = StoredModel.from_bytes(model_to_bytes(model), 'tiny')
        assert stored.descriptor_dim == model.descriptor_dim
        assert stored.name == model.name


ENGINES_FREED_IN_ORDER = """
import gc, os, signal
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.engine import create_engine
from test.core.model.tiny_model import tiny_model

model = tiny_model(descriptor_dim=6)
first, second = (create_engine(model, EngineConfig(engine='openvino')) for _ in range(2))
for engine in (first, second):
    engine.close()
del first, second, engine
gc.collect()
signal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_finds_the_process_alive_after_two_engines():
    """On a CPU with AMX, OpenVINO ends it when two of its cores were freed in their order."""
    done = subprocess.run(
        [sys.executable, '-c', ENGINES_FREED_IN_ORDER], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, 'heard\n'), done.stderr


def test_inputs_of_any_size_are_run_by_pytorch_alone():
    model = tiny_model()
    model.preprocessing = PreprocessingConfig(width_px=64, height_px=64, fit='inside')
    assert chosen_engine(model, EngineConfig()) == 'torch'
    with pytest.raises(DeviceError, match='any size, found engine openvino; use engine torch'):
        create_engine(model, EngineConfig(engine='openvino'))
