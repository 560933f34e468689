"""Int8 graphs: which layers change, and what the engines make of them."""

import numpy as np
import onnx
import pytest

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.engine.graph_cache import graph_of, graph_path, keep_graph
from ghost_vpr_ros.core.engine.quantisation import quantised_graph
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.core.model.default_weights import default_weights
from ghost_vpr_ros.core.preprocessing import pixel_batch
from test.core.model.tiny_model import pictures, tiny_model

ENGINES_WITH_INT8 = ('onnxruntime', 'openvino')


@pytest.fixture(scope='module')
def model():
    return tiny_model(descriptor_dim=6)


@pytest.fixture(scope='module')
def quantised(model):
    frames = [Frame(str(n), lambda image=image: image) for n, image in enumerate(pictures(6))]
    counted = []
    graph = quantised_graph(
        graph_of(model, 'float32'), frames, model.preprocessing, progress=counted.append
    )
    assert sum(counted) == 6
    return graph


def test_wide_convolutions_alone_become_int8(quantised):
    graph = onnx.load_from_string(quantised).graph
    kinds = {
        item.name: onnx.TensorProto.DataType.Name(item.data_type) for item in graph.initializer
    }
    dequantised = {n.output[0]: n.input[0] for n in graph.node if n.op_type == 'DequantizeLinear'}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    small = [node for node in convolutions if kinds.get(dequantised.get(node.input[1])) == 'INT8']
    assert 0 < len(small) < len(convolutions)
    for node in small:
        shape = next(i.dims for i in graph.initializer if i.name == dequantised[node.input[1]])
        assert shape[1] > 40, node.name
        assert 'reduce' not in node.name and 'expand' not in node.name


def test_weights_keep_to_seven_bits_for_processors_whose_sums_saturate(quantised):
    graph = onnx.load_from_string(quantised).graph
    weights = [onnx.numpy_helper.to_array(item) for item in graph.initializer]
    small = [each for each in weights if each.dtype == np.int8 and each.ndim == 4]
    assert small
    # Two products of a byte and a weight fit into 16 bits: 2 * 255 * 64 < 2 ** 15.
    assert max(np.abs(each.astype(int)).max() for each in small) <= 64


def test_graphs_of_eight_bits_made_before_are_not_found(model):
    assert graph_path(model.model_hash, 'int8').name.endswith('-int8r7.onnx')


@pytest.mark.parametrize('name', ENGINES_WITH_INT8)
def test_an_engine_finds_the_int8_graph_in_the_cache(model, quantised, name):
    keep_graph(model.model_hash, 'int8', quantised)
    batch = np.concatenate([pixel_batch(image, model.preprocessing) for image in pictures(3)])
    engine = create_engine(model, EngineConfig(engine=name, inference_precision='int8'))
    found = engine.describe(batch)
    assert engine.name.endswith('int8')
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    exact = create_engine(model, EngineConfig(engine=name)).describe(batch)
    assert not np.array_equal(found, exact)
    assert (found * exact).sum(axis=1).min() > 0.9


def test_an_image_that_cannot_be_read_is_named(model):
    def broken():
        raise ImageError('broken.jpg: cannot be read')

    with pytest.raises(ImageError, match='cannot be read'):
        quantised_graph(
            graph_of(model, 'float32'), [Frame('broken.jpg', broken)], model.preprocessing
        )


def test_the_shipped_network_in_int8_describes_alike(data_dir):
    weights = default_weights()
    images = sorted((data_dir / 'camvid' / 'train').glob('*.[jp][pn]g'))[::40]
    training = [Frame(path.name, lambda path=path: read_image(path)) for path in images]
    assert len(training) >= 8
    graph = quantised_graph(graph_of(weights, 'float32'), training, weights.preprocessing)
    keep_graph(weights.model_hash, 'int8', graph)
    others = sorted((data_dir / 'gardens_point' / 'day_left').glob('*.jpg'))[::60]
    batch = np.concatenate([pixel_batch(read_image(p), weights.preprocessing) for p in others])
    exact = create_engine(weights, EngineConfig(engine='openvino')).describe(batch)
    for name in ENGINES_WITH_INT8:
        found = create_engine(weights, EngineConfig(engine=name, inference_precision='int8'))
        assert (found.describe(batch) * exact).sum(axis=1).min() >= 0.99
