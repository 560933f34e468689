"""Foreign networks as models of this package: an ONNX file, or a network of torchvision.

What becomes of them is a weights file whose one tensor is a graph that takes pixels and gives
descriptors of unit norm. It goes into maps, caches and engines as every other file does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_arrays

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.description import content_hash
from ghost_vpr_ros.core.model.weights_file import GRAPH_KEY, ONNX_FORMAT, StoredModel
from ghost_vpr_ros.core.preprocessing import scale_and_offset

TORCHVISION = 'torchvision:'
"""How the name of a network of torchvision begins."""

_PREFIX = 'ghost_vpr/'
_NAMES = ('descriptor', 'descriptors', 'global_descriptor', 'output', 'embedding')
"""Which of several outputs is taken, unless one is named."""

_LEAST_OPSET = 9
_SETTINGS = tuple(item.name for item in settings_of(PreprocessingConfig))
_EXAMPLE = '{"width_px": 322, "height_px": 322}'


def stored_model(name: Path | str, settings: Mapping[str, Any] | None = None) -> StoredModel:
    """The model that `--model`, or the node's parameter, names.

    Args:
        name: weights file of this package, `.onnx` file, or `torchvision:` and a name of its.
        settings: of `PreprocessingConfig`, for a foreign network; they take precedence over the
            JSON file beside an ONNX file.

    Raises:
        WeightsError: missing, damaged, or not a network that describes an image.
        ConfigError: a setting is out of range, or given for weights that have their own.
    """
    settings = dict(settings or {})
    if str(name).startswith(TORCHVISION):
        from ghost_vpr_ros.core.engine.torchvision_graph import torchvision_model

        return torchvision_model(str(name).removeprefix(TORCHVISION), settings)
    if Path(name).suffix.lower() == '.onnx':
        return _onnx_model(Path(name), settings)
    if settings:
        raise ConfigError(
            f'--{next(iter(settings)).replace("_", "-")}: fixed by the weights; leave it out'
        )
    return StoredModel.from_file(name)


def is_of_others(name: Path | str | None) -> bool:
    """Whether the name has the form of a foreign network."""
    text = str(name or '')
    return text.startswith(TORCHVISION) or text.lower().endswith('.onnx')


def graph_model(
    graph: bytes,
    preprocessing: PreprocessingConfig,
    name: str,
    provenance: str,
    *,
    takes_batches: bool = True,
) -> StoredModel:
    """A graph as a model, tried on a black image.

    Args:
        graph: ONNX with input `pixels`, RGB uint8 (B, h, w, 3), and output `descriptor`, (B, D).
        preprocessing: that it was trained with.
        name: readable.
        provenance: one sentence on where it comes from.
        takes_batches: whether B may be more than 1.

    Raises:
        WeightsError: it does not run, or its output is not a descriptor.
    """
    config = {'name': name, 'takes_batches': takes_batches}
    config['descriptor_dim'] = _tried(graph, preprocessing, name)
    texts = {
        'config': json.dumps(config, sort_keys=True),
        'preprocessing': json.dumps(preprocessing.to_dict(), sort_keys=True),
    }
    arrays = {GRAPH_KEY: np.frombuffer(graph, np.uint8)}
    metadata = {
        'format': ONNX_FORMAT,
        **texts,
        'provenance': provenance,
        'model_hash': content_hash(texts, arrays),
    }
    return StoredModel.from_bytes(save_arrays(arrays, metadata), name)


def _tried(graph: bytes, preprocessing: PreprocessingConfig, name: str) -> int:
    """D, from a run on a black image."""
    from ghost_vpr_ros.core.config.engine import EngineConfig
    from ghost_vpr_ros.core.engine.onnxruntime_engine import OnnxRuntimeEngine

    engine = OnnxRuntimeEngine(graph, '', 0, EngineConfig(engine='onnxruntime'))
    pixels = np.zeros((1, preprocessing.height_px, preprocessing.width_px, 3), np.uint8)
    try:
        found = engine.describe(pixels)
    except Exception as error:  # ONNX Runtime has errors of its own for each cause.
        raise WeightsError(
            f'{name}: expected a network for inputs of {preprocessing.width_px}x'
            f'{preprocessing.height_px} pixels, found that it does not run on them '
            f'({str(error).splitlines()[0][:200]}); correct width_px and height_px'
        ) from error
    finally:
        engine.close()
    if found.ndim != 2 or len(found) != 1 or not found.shape[1]:
        raise WeightsError(
            f'{name}: expected one descriptor (1, D) for one image, found an output of shape '
            f'{found.shape}; export the network with its pooling, or name another output in the '
            'JSON file beside it'
        )
    return int(found.shape[1])


def _onnx_model(path: Path, settings: dict[str, Any]) -> StoredModel:
    model = _read_onnx(path)
    written = {**_beside(path), **settings}
    output = str(written.pop('output', ''))
    title = str(written.pop('name', path.stem))
    source, takes_batches, height_px, width_px = _input_of(model, path)
    size = {'width_px': width_px, 'height_px': height_px}
    for key, value in size.items():
        if value and written.get(key, value) != value:
            raise ConfigError(
                f'{path}: {key}: expected {value}, the size that the network was exported for, '
                f'found {written[key]}; leave it out, or export the network for any size'
            )
    unknown = {key: value for key, value in size.items() if value and key not in written}
    preprocessing = _preprocessing({**unknown, **written}, path)
    graph = _taking_pixels(
        model, source, _output_of(model, output, path), preprocessing, takes_batches=takes_batches
    )
    provenance = f'ONNX file {path.name} of the user, made elsewhere'
    return graph_model(graph, preprocessing, title, provenance, takes_batches=takes_batches)


def _read_onnx(path: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise WeightsError(
            f'{path}: expected the package onnx to read it, found none; pip install onnx'
        ) from error
    if not path.is_file():
        raise WeightsError(f'{path}: the network cannot be read (no such file); check the path')
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf, ONNX and the file system each have their own.
        raise WeightsError(
            f'{path}: expected an ONNX network, found something else or a damaged one '
            f'({str(error).splitlines()[0][:200]}); export it again'
        ) from error
    if _opset(model) < _LEAST_OPSET:
        raise WeightsError(
            f'{path}: expected opset {_LEAST_OPSET} or later, found {_opset(model)}; export again'
        )
    return model


def _beside(path: Path) -> dict[str, Any]:
    """Settings of the JSON file of the same name; none where there is none."""
    file = path.with_suffix('.json')
    if not file.is_file():
        return {}
    try:
        values = json.loads(file.read_text('utf-8'))
    except (OSError, ValueError) as error:
        raise ConfigError(f'{file}: expected JSON such as {_EXAMPLE}, found {error}') from error
    known = (*_SETTINGS, 'output', 'name')
    unknown = [key for key in values if key not in known] if isinstance(values, dict) else ['']
    if unknown:
        raise ConfigError(
            f'{file}: expected an object of {", ".join(known)}, found {unknown[0] or values!r}'
        )
    return dict(values)


def _preprocessing(written: Mapping[str, Any], path: Path) -> PreprocessingConfig:
    missing = [name for name in ('width_px', 'height_px') if name not in written]
    if missing:
        raise ConfigError(
            f'{path}: expected to know {missing[0]}, since the network takes any size; write '
            f'{_EXAMPLE} into {path.with_suffix(".json")}'
        )
    return PreprocessingConfig.from_dict(dict(written))


def _input_of(model: Any, path: Path) -> tuple[str, bool, int, int]:
    """Name, whether any B goes, h and w (0 where any goes) of the input, images (B, 3, h, w)."""
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    shapes = {item.name: _shape(item) for item in inputs}
    if len(inputs) != 1 or len(shapes[inputs[0].name]) != 4:
        raise WeightsError(
            f'{path}: expected one input, images (B, 3, h, w), found {shapes or "none"}; export '
            'the network for images alone'
        )
    batch, channels, height_px, width_px = shapes[inputs[0].name]
    is_float = inputs[0].type.tensor_type.elem_type == 1
    if channels not in (0, 3) or batch not in (0, 1) or not is_float:
        raise WeightsError(
            f'{path}: expected float32 images (B, 3, h, w), found '
            f'{(batch, channels, height_px, width_px)} of ONNX type '
            f'{inputs[0].type.tensor_type.elem_type}; export it with that input, for one image or '
            'any number of them'
        )
    return inputs[0].name, batch == 0, height_px, width_px


def _shape(value: Any) -> tuple[int, ...]:
    """0 for what is not fixed."""
    return tuple(int(d.dim_value) for d in value.type.tensor_type.shape.dim)


def _output_of(model: Any, wanted: str, path: Path) -> str:
    names = [item.name for item in model.graph.output]
    fitting = [name for name in (wanted or '', *_NAMES) if name in names]
    if wanted and wanted not in names:
        raise WeightsError(f'{path}: expected output {wanted}, found {", ".join(names)}')
    if len(names) != 1 and not fitting:
        raise WeightsError(
            f'{path}: expected one output, a descriptor (B, D), found {", ".join(names)}; name it '
            f'as "output" in {path.with_suffix(".json")}'
        )
    return str(fitting[0] if fitting else names[0])


def _opset(model: Any) -> int:
    return int(next(o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')))


def _taking_pixels(
    model: Any, source: str, output: str, config: PreprocessingConfig, *, takes_batches: bool
) -> bytes:
    """The network behind its normalisation, and in front of that to unit norm."""
    from onnx import TensorProto, helper, numpy_helper

    graph, opset = model.graph, _opset(model)
    scale, offset = scale_and_offset(config)
    constants = {'scale': scale, 'offset': offset, 'least': np.array([1e-12], np.float32)}
    constants['axes'] = np.array([1], np.int64)
    for name, values in constants.items():
        graph.initializer.append(numpy_helper.from_array(values, _PREFIX + name))
    before = [
        _node(helper, 'Cast', ['pixels'], 'float', to=TensorProto.FLOAT),
        _node(helper, 'Mul', ['float', 'scale'], 'scaled'),
        _node(helper, 'Add', ['scaled', 'offset'], 'normalised'),
        helper.make_node('Transpose', [_PREFIX + 'normalised'], [source], perm=[0, 3, 1, 2]),
    ]
    summed = {'axes': [1]} if opset < 13 else {}
    terms = ['squared'] if opset < 13 else ['squared', 'axes']
    after = [
        helper.make_node('Flatten', [output], [_PREFIX + 'flat'], axis=1),
        _node(helper, 'Mul', ['flat', 'flat'], 'squared'),
        _node(helper, 'ReduceSum', terms, 'sum', keepdims=1, **summed),
        _node(helper, 'Sqrt', ['sum'], 'length'),
        _node(helper, 'Max', ['length', 'least'], 'divisor'),
        helper.make_node('Div', [_PREFIX + 'flat', _PREFIX + 'divisor'], ['descriptor']),
    ]
    if output == 'descriptor':
        _rename(graph, output, _PREFIX + 'raw')
        after[0].input[0] = _PREFIX + 'raw'
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    kept = [item for item in graph.input if item.name != source]
    del graph.input[:]
    batch = 'batch' if takes_batches else 1
    shape = [batch, config.height_px, config.width_px, 3]
    graph.input.extend([helper.make_tensor_value_info('pixels', TensorProto.UINT8, shape), *kept])
    del graph.output[:]
    described = helper.make_tensor_value_info('descriptor', TensorProto.FLOAT, [batch, None])
    graph.output.append(described)
    return bytes(model.SerializeToString(deterministic=True))


def _node(helper: Any, kind: str, inputs: list[str], output: str, **settings: Any) -> Any:
    names = [name if name == 'pixels' else _PREFIX + name for name in inputs]
    return helper.make_node(kind, names, [_PREFIX + output], **settings)


def _rename(graph: Any, old: str, new: str) -> None:
    """Rename a value everywhere in a graph."""
    for node in graph.node:
        for values in (node.input, node.output):
            for number, name in enumerate(values):
                if name == old:
                    values[number] = new
