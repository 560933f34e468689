"""Networks of others: made here as tiny ONNX graphs, run as every model of ours."""

import json
import shutil

import numpy as np
import pytest

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.engine import create_engine, networks_of_others
from ghost_vpr_ros.core.engine.networks_of_others import is_of_others, stored_model
from ghost_vpr_ros.core.errors import ConfigError, DeviceError, WeightsError
from ghost_vpr_ros.core.model.weights import load_network
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.preprocessing import pixel_batch, preprocess
from test.core.model.tiny_model import pictures

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SIZE = 32
WEIGHTS = np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)


def write_network(
    path,
    batch='n',
    size=SIZE,
    opset=17,
    outputs=('out',),
    kind=TensorProto.FLOAT,
    shape=None,
    last=(),
    names=('image', 'map'),
):
    """A convolution whose mean over the image is a descriptor (B, 5), not of unit norm."""
    source, features = names
    sides = shape or [batch, 3, size, size]
    image = helper.make_tensor_value_info(source, kind, sides)
    nodes = [
        helper.make_node('Conv', [source, 'w'], [features], strides=[8, 8]),
        helper.make_node('GlobalAveragePool', [features], ['mean']),
        helper.make_node('Flatten', ['mean'], ['out'], axis=1),
        *last,
    ]
    values = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    numbers = WEIGHTS.astype(helper.tensor_dtype_to_np_dtype(kind))
    constants = [numpy_helper.from_array(numbers, 'w')]
    constants.append(numpy_helper.from_array(np.array([1, 5]), 'single'))
    constants.append(numpy_helper.from_array(np.array([1, 80]), 'cells'))
    graph = helper.make_graph(nodes, 'tiny', [image], values, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


def describe(model, images, **engine):
    pixels = np.concatenate([pixel_batch(image, model.preprocessing) for image in images])
    runner = create_engine(model, EngineConfig(**engine))
    found = runner.describe(pixels)
    runner.close()
    return found


def expected(image, preprocessing):
    """Worked out without ONNX: blocks of 8 x 8 pixels, each times the weights, and their mean."""
    pixels = preprocess(image, preprocessing)[0]
    count = SIZE // 8
    blocks = pixels.reshape(3, count, 8, count, 8)
    mean = np.einsum('cyhxw,dchw->d', blocks, WEIGHTS) / count**2
    return mean / np.linalg.norm(mean)


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / 'tiny.onnx')


@pytest.mark.parametrize('engine', ['onnxruntime', 'openvino'])
@pytest.mark.parametrize('opset', [11, 13, 20])
@pytest.mark.parametrize('batch', ['n', 1])
def test_it_describes_pictures_as_worked_out_by_hand(tmp_path, engine, opset, batch):
    pytest.importorskip(engine)
    model = stored_model(write_network(tmp_path / 'tiny.onnx', batch=batch, opset=opset))
    assert (model.descriptor_dim, model.description.takes_batches) == (5, batch == 'n')
    images = pictures(3)
    found = describe(model, images, engine=engine)
    wanted = [expected(image, model.preprocessing) for image in images]
    assert found == pytest.approx(np.array(wanted), abs=1e-4)


@pytest.mark.parametrize('engine', ['onnxruntime', 'openvino'])
def test_a_network_in_float16_describes_as_well(tmp_path, engine):
    pytest.importorskip(engine)
    model = stored_model(write_network(tmp_path / 'half.onnx', kind=TensorProto.FLOAT16))
    image = pictures(1)[0]
    found = describe(model, [image], engine=engine)
    assert found[0] == pytest.approx(expected(image, model.preprocessing), abs=0.01)


@pytest.mark.parametrize('names', [('pixels', 'descriptor'), ('ghost_vpr/float', 'ghost_vpr/sum')])
def test_its_values_may_have_the_names_that_ours_have(tmp_path, names):
    model = stored_model(write_network(tmp_path / 'same.onnx', names=names))
    image = pictures(1)[0]
    found = describe(model, [image], engine='onnxruntime')
    assert found[0] == pytest.approx(expected(image, model.preprocessing), abs=1e-4)


def test_a_network_whose_reshape_fixes_one_image_gets_them_one_by_one(tmp_path):
    last = [helper.make_node('Reshape', ['out', 'single'], ['one'])]
    model = stored_model(write_network(tmp_path / 'traced.onnx', outputs=('one',), last=last))
    assert not model.description.takes_batches
    assert describe(model, pictures(3)).shape == (3, 5)


def test_weights_in_a_file_beside_it_are_taken_along_and_missed(tmp_path, network):
    path = tmp_path / 'outside.onnx'
    onnx.save_model(
        onnx.load(network),
        path,
        save_as_external_data=True,
        location='outside.data',
        size_threshold=0,
    )
    model = stored_model(path)
    (tmp_path / 'outside.data').unlink()
    assert 'keep files with its weights beside it' in refused(path)
    image = pictures(1)[0]
    wanted = expected(image, model.preprocessing)
    assert describe(model, [image])[0] == pytest.approx(wanted, abs=1e-4)


def test_what_is_no_descriptor_is_refused(tmp_path):
    def of(name, **network):
        return refused(write_network(tmp_path / f'{name}.onnx', **network))

    found = of('map', outputs=('map',))
    assert found.startswith(str(tmp_path / 'map.onnx: '))
    assert 'found an output of shape (1, 5, 4, 4)' in found
    same = [helper.make_node('Sub', ['out', 'out'], ['same'])]
    assert 'depend on the image' in of('same', outputs=('same',), last=same)
    infinite = [helper.make_node('Div', ['same', 'same'], ['nan'])]
    assert 'found NaN' in of('nan', outputs=('nan',), last=[*same, *infinite])


def test_other_inputs_are_refused_with_what_they_are(tmp_path):
    def of(name, **network):
        return refused(write_network(tmp_path / f'{name}.onnx', **network))

    assert 'found float32 (any, 32, 32, 3), channels last;' in of('last', shape=['n', 32, 32, 3])
    assert 'found float32 (any, any, any, 3), channels' in of('free', shape=['n', 'h', 'w', 3])
    assert 'found float64 (any, 3, 32, 32);' in of('double', kind=TensorProto.DOUBLE)


def test_a_size_that_it_does_not_run_on_is_told(tmp_path):
    last = [helper.make_node('Reshape', ['map', 'cells'], ['flat'])]
    network = write_network(tmp_path / 'free.onnx', size=None, outputs=('flat',), last=last)
    with pytest.raises(WeightsError, match='correct width_px and height_px'):
        stored_model(network, {'width_px': 64, 'height_px': 32})


def test_what_no_map_can_hold_is_refused(network, monkeypatch):
    monkeypatch.setattr(networks_of_others, '_MAX_BYTES', 1000)
    assert 'expected a network of at most' in refused(network)


def test_it_is_one_file_that_is_read_again(network, tmp_path):
    model = stored_model(network)
    path = tmp_path / 'stored.safetensors'
    path.write_bytes(model.data)
    again = StoredModel.from_file(path)
    assert again.model_hash == model.model_hash == stored_model(network).model_hash
    assert again.name == 'tiny, 32x32, 5-D'
    assert again.graph == model.graph


def test_settings_come_from_the_file_beside_it_and_from_options(tmp_path):
    network = write_network(tmp_path / 'free.onnx', size=None)
    with pytest.raises(ConfigError, match='expected to know width_px'):
        stored_model(network)
    beside = {'width_px': 64, 'height_px': 40, 'mean': [0.5, 0.5, 0.5], 'name': 'Free'}
    network.with_suffix('.json').write_text(json.dumps(beside))
    model = stored_model(network, {'width_px': 48})
    size = model.preprocessing
    assert (size.width_px, size.height_px, size.mean) == (48, 40, (0.5, 0.5, 0.5))
    assert model.name == 'Free, 48x40, 5-D'


def test_other_preprocessing_is_another_model(network):
    other = stored_model(network, {'std': [1.0, 1.0, 1.0]})
    assert stored_model(network).model_hash != other.model_hash


def test_one_of_several_outputs_is_named(tmp_path):
    network = write_network(tmp_path / 'two.onnx', outputs=('map', 'out'))
    with pytest.raises(WeightsError, match='expected one output, a descriptor'):
        stored_model(network)
    network.with_suffix('.json').write_text('{"output": "out"}')
    assert stored_model(network).descriptor_dim == 5


def refused(path, kind=WeightsError):
    with pytest.raises(kind) as caught:
        stored_model(path)
    return str(caught.value)


def test_bad_files_are_refused_in_one_sentence(tmp_path, network):
    assert 'no such file' in refused(tmp_path / 'missing.onnx')
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(network.read_bytes()[:50])
    assert 'expected an ONNX network' in refused(broken)
    broken.write_bytes(b'')
    assert 'expected an ONNX network, found a file without one' in refused(broken)
    assert 'expected float32 images' in refused(write_network(tmp_path / 'b.onnx', batch=4))
    other = shutil.copy(network, tmp_path / 'other.onnx')
    (tmp_path / 'other.json').write_text('{"witdh_px": 3}')
    assert "found 'witdh_px'" in refused(other, ConfigError)
    (tmp_path / 'other.json').write_text('{"width_px": 40}')
    assert 'expected 32, the size that the network was exported for' in refused(other, ConfigError)


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ('{"mean": [0.5]}', 'mean: expected a list of 3 values'),
        ('{"std": [58, 57, 57]}', 'std: expected 0.001 .. 1'),
        ('{"width_px": "32"}', 'width_px: expected a value of type int'),
        ('{"output": 5}', 'output: expected a name, found 5'),
        ('{"name": " "}', "name: expected a name, found ' '"),
    ],
)
def test_a_bad_value_is_named_with_its_file(network, values, words):
    network.with_suffix('.json').write_text(values)
    assert f'tiny.json: {words}' in refused(network, ConfigError)


@pytest.mark.parametrize('fit', ['inside', 'own'])
def test_a_graph_takes_no_images_of_many_sizes(network, fit):
    network.with_suffix('.json').write_text(json.dumps({'fit': fit}))
    assert (
        f'tiny.onnx: fit: expected stretch or pad, since its input has one size, found {fit}'
        in (refused(network, ConfigError))
    )


def test_it_has_no_feature_map_and_pytorch_does_not_run_it(network):
    model = stored_model(network)
    engine = create_engine(model)
    with pytest.raises(DeviceError, match='use verify_features sift or orb'):
        engine.feature_map(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    engine.close()
    with pytest.raises(WeightsError, match='PyTorch cannot run'):
        load_network(model)


def test_what_is_of_others_is_told_by_the_name():
    names = ('a.onnx', 'torchvision:resnet18', 'a.safetensors', None)
    assert [is_of_others(name) for name in names] == [True, True, False, False]


def test_settings_of_our_own_weights_are_fixed(tmp_path):
    with pytest.raises(ConfigError, match=r'^width_px: fixed by the weights'):
        stored_model(tmp_path / 'ours.safetensors', {'width_px': 64})


def test_torchvision_downloads_nothing(tmp_path, monkeypatch):
    pytest.importorskip('torchvision')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    assert 'nothing is downloaded at run time; fetch https://' in refused('torchvision:resnet18')
    assert 'found none of that name' in refused('torchvision:resnet1')


def test_damaged_weights_of_torchvision_are_told(tmp_path, monkeypatch):
    models = pytest.importorskip('torchvision.models')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    file = models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url.rpartition('/')[2]
    (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
    (tmp_path / 'hub' / 'checkpoints' / file).write_bytes(b'cut')
    assert 'found others or a damaged file' in refused('torchvision:shufflenet_v2_x0_5')


def test_features_that_torchvision_pools_in_its_classifier_are_averaged():
    torch = pytest.importorskip('torch')
    from ghost_vpr_ros.core.config.model import PreprocessingConfig
    from ghost_vpr_ros.core.engine.torchvision_graph import _Describer

    describer = _Describer(torch.nn.Conv2d(3, 5, 8), PreprocessingConfig())
    assert describer(torch.zeros(2, 32, 32, 3, dtype=torch.uint8)).shape == (2, 5)


def test_torchvision_runs_without_its_classifier(tmp_path, monkeypatch):
    models = pytest.importorskip('torchvision.models')
    import torch

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    file = models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url.rpartition('/')[2]
    (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
    network = models.shufflenet_v2_x0_5(weights=None)
    torch.save(network.state_dict(), tmp_path / 'hub' / 'checkpoints' / file)
    model = stored_model('torchvision:shufflenet_v2_x0_5', {'width_px': 64, 'height_px': 64})
    assert model.name == 'torchvision:shufflenet_v2_x0_5, 64x64, 1024-D'
    image = pictures(1)[0]
    engine = create_engine(model)
    found = engine.describe(pixel_batch(image, model.preprocessing))
    engine.close()
    network.fc = torch.nn.Identity()
    with torch.inference_mode():
        wanted = network.eval()(torch.from_numpy(preprocess(image, model.preprocessing)))
    wanted = torch.nn.functional.normalize(wanted).numpy()
    assert found == pytest.approx(wanted, abs=1e-4)
