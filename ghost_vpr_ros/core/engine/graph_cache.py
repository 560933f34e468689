"""The network as an ONNX graph on the disk, exported once for each model.

PyTorch makes the graph, in a process of its own where this one does without: a robot's node that
runs another engine never loads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.vpr_model import VprModel

FOLDER_VARIABLE = 'GHOST_VPR_CACHE'
_LAYOUT = 1
"""Part of the names: another way to export makes other files."""

_EXPORT = (
    'import sys; from ghost_vpr_ros.core.engine.graph_export import export_file; '
    'export_file(*sys.argv[1:])'
)


def cache_folder() -> Path:
    """`GHOST_VPR_CACHE`, or `ghost_vpr_ros` in the user's cache folder."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'ghost_vpr_ros'


def compiled_folder() -> Path | None:
    """Where OpenVINO keeps what it compiled, for a quicker start; None where it cannot."""
    folder = cache_folder() / 'openvino'
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def graph_path(model_hash: str, precision: str = 'float32') -> Path:
    """Where the graph of a model is, or would be; `int8` has one of its own."""
    kind = '-int8r7' if precision == 'int8' else ''  # weights of seven bits, see quantisation.py
    return cache_folder() / f'{model_hash[:32]}-{_LAYOUT}{kind}.onnx'


def cached_graph(model_hash: str, precision: str = 'float32') -> bytes | None:
    """The graph where there is one."""
    try:
        return graph_path(model_hash, precision).read_bytes()
    except OSError:
        return None


def graph_of(model: VprModel | StoredModel, precision: str) -> bytes:
    """The graph of a model, from the cache or exported now (seconds) and kept there.

    Raises:
        DeviceError: there is none for int8, or none could be exported.
    """
    found = cached_graph(model.model_hash, precision)
    if found is not None:
        return found
    if precision == 'int8':
        raise DeviceError(
            f'inference_precision int8: {cache_folder()} has no int8 graph of model '
            f'{model.model_hash[:12]}; make it with `ghost-vpr export '
            '--precision int8`, or use another precision'
        )
    graph = _exported(model)
    keep_graph(model.model_hash, precision, graph)
    return graph


def keep_graph(model_hash: str, precision: str, graph: bytes) -> Path | None:
    """Put a graph into the cache; None where that cannot be written, and the graph is made anew.

    The name appears only when the content is complete.
    """
    path = graph_path(model_hash, precision)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, graph, durable=False)
    except OSError:
        return None
    return path


def _exported(model: VprModel | StoredModel) -> bytes:
    if isinstance(model, StoredModel):
        return _exported_elsewhere(model) if 'torch' not in sys.modules else _here(model.load())
    return _here(model)


def _here(model: VprModel) -> bytes:
    from ghost_vpr_ros.core.engine.graph_export import export_graph

    return export_graph(model)


def _exported_elsewhere(model: StoredModel) -> bytes:
    """The graph from another process: this one stays without PyTorch."""
    with tempfile.TemporaryDirectory(prefix='ghost_vpr_export_') as folder:
        weights, graph = Path(folder) / 'weights.safetensors', Path(folder) / 'graph.onnx'
        weights.write_bytes(model.data)
        command = [sys.executable, '-c', _EXPORT, str(weights), str(graph)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ['no message'])[-1]
            raise DeviceError(
                f'{model.where}: expected PyTorch to export the network as a graph, found: '
                f'{last}; run `ghost-vpr export` where PyTorch is installed and copy its file to '
                f'{graph_path(model.model_hash)}'
            )
        return graph.read_bytes()
