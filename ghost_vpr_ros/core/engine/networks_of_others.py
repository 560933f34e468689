"""Foreign networks as models of this package: an ONNX file, or a network of torchvision.

They become a weights file with a graph as its only tensor, which takes pixels and gives
descriptors of unit norm. Maps, caches and engines treat it like any other weights file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as save_arrays

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.errors import ConfigError, DeviceError, WeightsError
from ghost_vpr_ros.core.model.description import content_hash
from ghost_vpr_ros.core.model.weights_file import GRAPH_KEY, ONNX_FORMAT, StoredModel
from ghost_vpr_ros.core.preprocessing import scale_and_offset

if TYPE_CHECKING:
    from ghost_vpr_ros.core.engine.base import GraphEngine

TORCHVISION = 'torchvision:'
"""Prefix of the names of torchvision's networks."""

_PREFIX = 'ghost_vpr/'
_THEIR_PREFIX = 'network/'
_OUR_NAMES = ('pixels', 'descriptor')
_NAMES = ('descriptor', 'descriptors', 'global_descriptor', 'output', 'embedding')
"""Which of several outputs is taken, unless one is named."""

_LEAST_OPSET = 9
_MAX_BYTES = 950_000_000
"""SQLite, and so a map, holds values of up to 10^9 bytes."""

_SAME = 1e-6
"""Descriptors of two unlike images that differ by less do not depend on the image."""

_FLOAT, _FLOAT16 = 1, 10
_TYPES = {_FLOAT: 'float32', 2: 'uint8', 7: 'int64', _FLOAT16: 'float16', 11: 'float64'}
"""Of `onnx.TensorProto.DataType`."""

_SETTINGS = tuple(item.name for item in settings_of(PreprocessingConfig))
_EXAMPLE = '{"width_px": 322, "height_px": 322}'


def stored_model(name: Path | str, settings: Mapping[str, Any] | None = None) -> StoredModel:
    """The model that `--model`, or the node's parameter, names.

    Args:
        name: weights file of this package or a name of `SHIPPED`, `.onnx` file, or `torchvision:`
            and a name of its.
        settings: of `PreprocessingConfig`, for a foreign network; they take precedence over the
            JSON file beside an ONNX file.

    Raises:
        WeightsError: missing, damaged, or not a network that describes an image.
        ConfigError: a setting is out of range, or given for weights that have their own.
    """
    settings = dict(settings or {})
    if str(name).startswith(TORCHVISION):
        from ghost_vpr_ros.core.engine.torchvision_graph import torchvision_graph

        network = str(name).removeprefix(TORCHVISION)
        graph, preprocessing, provenance = torchvision_graph(network, settings)
        return graph_model(graph, preprocessing, str(name), provenance)
    if Path(name).suffix.lower() == '.onnx':
        return _onnx_model(Path(name), settings)
    if settings:
        raise ConfigError(f'{next(iter(settings))}: fixed by the weights {name}; leave it out')
    return StoredModel.from_file(name)


def is_of_others(name: Path | str | None) -> bool:
    """Whether the name is that of a foreign network."""
    text = str(name or '')
    return text.startswith(TORCHVISION) or text.lower().endswith('.onnx')


def graph_model(
    graph: bytes,
    preprocessing: PreprocessingConfig,
    name: str,
    provenance: str,
    *,
    takes_batches: bool = True,
    raw: str = '',
    where: str = '',
) -> StoredModel:
    """A graph as a model, tried on two images.

    Args:
        graph: ONNX with input `pixels`, RGB uint8 (B, h, w, 3), and output `descriptor`, (B, D).
        preprocessing: that it was trained with.
        name: readable.
        provenance: one sentence on where it comes from.
        takes_batches: whether B may be more than 1, as far as the graph states.
        raw: value of the graph that becomes the descriptor, whose shape is checked.
        where: what errors call it, such as the path of its file; empty: by its name.

    Raises:
        ConfigError: images are to keep sizes of their own, of which a graph has one.
        WeightsError: it does not run, its output is not a descriptor, or it is too large.
    """
    where = where or name
    if preprocessing.varies:
        raise ConfigError(
            f'{where}: fit: expected stretch or pad, since its input has one size, found '
            f'{preprocessing.fit}'
        )
    if len(graph) > _MAX_BYTES:
        raise WeightsError(
            f'{where}: expected a network of at most {_MAX_BYTES // 10**6} MB, which a map can '
            f'hold, found {len(graph) // 10**6} MB; export it in float16, or a smaller one'
        )
    dim, takes_batches = _tried(graph, preprocessing, where, raw, takes_batches=takes_batches)
    config = {'name': name, 'takes_batches': takes_batches, 'descriptor_dim': dim}
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


def _tried(
    graph: bytes, preprocessing: PreprocessingConfig, where: str, raw: str, *, takes_batches: bool
) -> tuple[int, bool]:
    """D, and whether several images go at once, from runs on a black image and on noise."""
    from ghost_vpr_ros.core.config.engine import EngineConfig
    from ghost_vpr_ros.core.engine.onnxruntime_engine import OnnxRuntimeEngine

    pixels = np.zeros((2, preprocessing.height_px, preprocessing.width_px, 3), np.uint8)
    pixels[1] = np.random.default_rng(0).integers(0, 256, pixels[1].shape, np.uint8)
    step = 'export it with an earlier opset'
    engine = None
    try:
        shown = _showing(graph, raw) if raw else graph
        engine = OnnxRuntimeEngine(shown, '', 0, EngineConfig(engine='onnxruntime'))
        step = 'correct width_px and height_px, or export it for this size'
        each = [engine.describe(pixels[n : n + 1]) for n in range(2)]
        shape = engine.value(raw, pixels[:1]).shape if raw else each[0].shape
    except DeviceError:
        raise
    except Exception as error:  # ONNX Runtime raises a different error for each cause.
        if engine is not None:
            engine.close()
        raise WeightsError(
            f'{where}: expected a network that ONNX Runtime runs on inputs of '
            f'{preprocessing.width_px}x{preprocessing.height_px} pixels, found one that it cannot '
            f'run ({_first_line(error)}); {step}'
        ) from error
    takes_batches = takes_batches and _describes_both(engine, pixels, each)
    engine.close()
    _check_descriptors(each, shape, where)
    return int(each[0].shape[1]), takes_batches


def _showing(graph: bytes, value: str) -> bytes:
    """The graph with one of its values as a further output."""
    import onnx

    model = onnx.load_from_string(graph)
    model.graph.output.append(onnx.ValueInfoProto(name=value))
    return bytes(model.SerializeToString())


def _describes_both(
    engine: GraphEngine, pixels: NDArray[np.uint8], each: Sequence[NDArray[np.float32]]
) -> bool:
    """Whether two images at once give what they give alone: tracing may fix their number at 1."""
    try:
        both = engine.describe(pixels)
    except Exception:  # As in `_tried`.
        return False
    wanted = np.concatenate(each)
    return both.shape == wanted.shape and bool(np.allclose(both, wanted, atol=1e-2))


def _check_descriptors(
    each: Sequence[NDArray[np.float32]], shape: tuple[int, ...], where: str
) -> None:
    """Check that the output describes an image.

    Raises:
        WeightsError: a feature map or tokens, numbers that are not finite, or always the same.
    """
    if len(shape) < 2 or shape[0] != 1 or sum(side != 1 for side in shape[1:]) > 1:
        raise WeightsError(
            f'{where}: expected one descriptor (1, D) for one image, found an output of shape '
            f'{shape}; export the network with its pooling, or name another output in the '
            'JSON file beside it'
        )
    if not all(np.isfinite(found).all() for found in each):
        raise WeightsError(
            f'{where}: expected descriptors of finite numbers, found NaN or infinity; export the '
            'network in float32, or correct mean and std'
        )
    if np.abs(each[0] - each[1]).max() < _SAME:
        raise WeightsError(
            f'{where}: expected descriptors that depend on the image, found the same for a black '
            'image and for noise; name another output in the JSON file beside it, or correct mean '
            'and std'
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition('\n')[0][:200]


def _onnx_model(path: Path, settings: dict[str, Any]) -> StoredModel:
    model = _read_onnx(path)
    written = {**_beside(path), **settings}
    output = str(written.pop('output', ''))
    title = str(written.pop('name', path.stem))
    source = _input_of(model, path)
    target = _output_of(model, output, path)
    size = {'width_px': source.width_px, 'height_px': source.height_px}
    for key, value in size.items():
        if value and written.get(key, value) != value:
            raise ConfigError(
                f'{path}: {key}: expected {value}, the size that the network was exported for, '
                f'found {written[key]}; leave it out, or export the network for any size'
            )
    unknown = {key: value for key, value in size.items() if value and key not in written}
    preprocessing = _preprocessing({**unknown, **written}, path)
    graph = _taking_pixels(model, source, target, preprocessing, path)
    return graph_model(
        graph,
        preprocessing,
        title,
        f'ONNX file {path.name} of the user, made elsewhere',
        takes_batches=source.takes_batches,
        raw=_their_name(target),
        where=str(path),
    )


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
            f'({_first_line(error)}); export it again, and keep files with its weights beside it'
        ) from error
    if not model.graph.output:
        raise WeightsError(
            f'{path}: expected an ONNX network, found a file without one; export it again'
        )
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
    _check_values(values, file)
    return dict(values)


def _check_values(values: Mapping[str, Any], file: Path) -> None:
    """Refuse values of the wrong kind or out of range, by the name of their file."""
    for key in ('output', 'name'):
        text = values.get(key, key)
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f'{file}: {key}: expected a name, found {text!r}')
    try:
        PreprocessingConfig.from_dict({key: values[key] for key in _SETTINGS if key in values})
    except ConfigError as error:
        raise ConfigError(f'{file}: {error}') from error


def _preprocessing(written: Mapping[str, Any], path: Path) -> PreprocessingConfig:
    missing = [name for name in ('width_px', 'height_px') if name not in written]
    if missing:
        raise ConfigError(
            f'{path}: expected to know {missing[0]}, since the network takes any size; write '
            f'{_EXAMPLE} into {path.with_suffix(".json")}'
        )
    return PreprocessingConfig.from_dict(dict(written))


@dataclass(frozen=True)
class _Input:
    """The images that a foreign network takes, (B, 3, h, w).

    Attributes:
        name: of the value.
        element_type: of `onnx.TensorProto.DataType`: float32 or float16.
        takes_batches: whether any B goes, as far as the graph states.
        height_px: h, 0 where any goes.
        width_px: w, 0 where any goes.
    """

    name: str
    element_type: int
    takes_batches: bool
    height_px: int
    width_px: int


def _input_of(model: Any, path: Path) -> _Input:
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    shapes = {item.name: _shape(item) for item in inputs}
    if len(inputs) != 1 or len(shapes[inputs[0].name]) != 4:
        raise WeightsError(
            f'{path}: expected one input, images (B, 3, h, w), found {shapes or "none"}; export '
            'the network for images alone'
        )
    name = inputs[0].name
    batch, channels, height_px, width_px = shapes[name]
    element_type = int(inputs[0].type.tensor_type.elem_type)
    is_last = width_px == 3 and channels != 3
    is_float = element_type in (_FLOAT, _FLOAT16)
    if channels not in (0, 3) or batch not in (0, 1) or not is_float or is_last:
        kind = _TYPES.get(element_type, f'ONNX type {element_type}')
        found = f'{kind} ({", ".join(str(side or "any") for side in shapes[name])})'
        raise WeightsError(
            f'{path}: expected float32 images (B, 3, h, w), found {found}'
            f'{", channels last" if is_last else ""}; export it with that input, for one image or '
            'any number of them'
        )
    return _Input(name, element_type, batch == 0, height_px, width_px)


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
    return int(next((o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')), 0))


def _taking_pixels(
    model: Any, source: _Input, output: str, config: PreprocessingConfig, path: Path
) -> bytes:
    """The network between normalisation of its input and of its output to unit norm."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    _give_way(graph)
    scale, offset = scale_and_offset(config)
    constants = {'scale': scale, 'offset': offset, 'least': np.array([1e-12], np.float32)}
    constants['axes'] = np.array([1], np.int64)
    for name, values in constants.items():
        graph.initializer.append(numpy_helper.from_array(values, _PREFIX + name))
    nodes = [
        *_before(_their_name(source.name), source.element_type),
        *graph.node,
        *_after(_their_name(output), _opset(model)),
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    kept = [item for item in graph.input if item.name != _their_name(source.name)]
    del graph.input[:]
    batch = 'batch' if source.takes_batches else 1
    shape = [batch, config.height_px, config.width_px, 3]
    graph.input.extend([helper.make_tensor_value_info('pixels', TensorProto.UINT8, shape), *kept])
    del graph.output[:]
    described = helper.make_tensor_value_info('descriptor', TensorProto.FLOAT, [batch, None])
    graph.output.append(described)
    # What an exporter noted of shapes need not hold for this size.
    del graph.value_info[:]
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except Exception as error:  # Of protobuf, which has several.
        raise WeightsError(
            f'{path}: expected a network of at most {_MAX_BYTES // 10**6} MB, which a map can '
            f'hold, found one that is larger ({_first_line(error)}); export a smaller one'
        ) from error


def _before(source: str, element_type: int) -> list[Any]:
    """Pixels to normalised images (B, 3, h, w)."""
    from onnx import helper

    return [
        _node('Cast', ['pixels'], 'float', to=_FLOAT),
        _node('Mul', ['float', 'scale'], 'scaled'),
        _node('Add', ['scaled', 'offset'], 'normalised'),
        _node('Cast', ['normalised'], 'typed', to=element_type),
        helper.make_node('Transpose', [_PREFIX + 'typed'], [source], perm=[0, 3, 1, 2]),
    ]


def _after(output: str, opset: int) -> list[Any]:
    """The network's output, in whatever precision, to descriptors of unit norm."""
    from onnx import helper

    summed = {'axes': [1]} if opset < 13 else {}
    terms = ['squared'] if opset < 13 else ['squared', 'axes']
    return [
        helper.make_node('Flatten', [output], [_PREFIX + 'flattened'], axis=1),
        _node('Cast', ['flattened'], 'flat', to=_FLOAT),
        _node('Mul', ['flat', 'flat'], 'squared'),
        _node('ReduceSum', terms, 'sum', keepdims=1, **summed),
        _node('Sqrt', ['sum'], 'length'),
        _node('Max', ['length', 'least'], 'divisor'),
        helper.make_node('Div', [_PREFIX + 'flat', _PREFIX + 'divisor'], ['descriptor']),
    ]


def _node(kind: str, inputs: list[str], output: str, **settings: Any) -> Any:
    from onnx import helper

    names = [name if name == 'pixels' else _PREFIX + name for name in inputs]
    return helper.make_node(kind, names, [_PREFIX + output], **settings)


def _their_name(name: str) -> str:
    """The name of a value of the foreign network, which leaves ours free."""
    is_ours = name in _OUR_NAMES or name.startswith(_PREFIX)
    return _THEIR_PREFIX + name if is_ours else name


def _give_way(graph: Any) -> None:
    """Rename values whose names are those of what is added, in the bodies of If and Loop, too."""
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.name = _their_name(item.name)
    for item in graph.sparse_initializer:
        item.values.name = _their_name(item.values.name)
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [_their_name(name) for name in values]
        for attribute in node.attribute:
            for body in [attribute.g] if attribute.HasField('g') else attribute.graphs:
                _give_way(body)
