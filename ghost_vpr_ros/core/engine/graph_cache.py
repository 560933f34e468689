"""The network as an ONNX graph on the disk, exported once for each model.

PyTorch exports the graph, in a separate process if this one has not loaded PyTorch: a node that
runs another engine never loads it.

A cached file ends with the SHA-256 of its content, model and precision, written as the last entry
of the graph's metadata: any program can read the graph, and no engine gets a damaged one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.home import home_folder
from ghost_vpr_ros.core.model.weights_file import StoredModel
from ghost_vpr_ros.core.whole_file import write_whole

if TYPE_CHECKING:
    from ghost_vpr_ros.core.model.vpr_model import VprModel

FOLDER_VARIABLE = 'GHOST_VPR_CACHE'
_LAYOUT = 2
"""Part of the file names, changed whenever the export changes."""

_DIGEST_START = b'\x72\x54\x0a\x10ghost_vpr_sha256\x12\x40'
"""Of the last `metadata_props` entry of an ONNX model: key and length of the value (protobuf)."""

_DIGEST_BYTES = len(_DIGEST_START) + 64

_EXPORT = (
    'import sys; from ghost_vpr_ros.core.engine.graph_export import export_file; '
    'export_file(*sys.argv[1:])'
)


@dataclass(frozen=True)
class Graph:
    """A network's graph, which an engine reads where it has not kept what it compiled of it.

    Attributes:
        read: returns the ONNX file's bytes.
        digest: of these bytes and what they belong to.
    """

    read: Callable[[], bytes] = field(repr=False)
    digest: str

    @classmethod
    def of_bytes(cls, data: bytes) -> Graph:
        """A graph in memory."""
        return cls(lambda: data, hashlib.sha256(data).hexdigest())


def cache_folder() -> Path | None:
    """`GHOST_VPR_CACHE`, or `ghost_vpr_ros` in the user's cache folder; None without a home."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    base = os.environ.get('XDG_CACHE_HOME')
    if base:
        return Path(base) / 'ghost_vpr_ros'
    home = home_folder()
    return None if home is None else home / '.cache' / 'ghost_vpr_ros'


@contextlib.contextmanager
def cache_of_processes() -> Iterator[None]:
    """A cache for this process and those it starts meanwhile; temporary if there is no other.

    Without it (no home folder, or one that cannot be written) each would export the network.
    """
    folder = cache_folder()
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        is_usable = folder is not None and os.access(folder, os.W_OK)
    except OSError:
        is_usable = False
    if is_usable:
        yield
        return
    before = os.environ.get(FOLDER_VARIABLE)
    with tempfile.TemporaryDirectory(prefix='ghost_vpr_cache_') as passing:
        os.environ[FOLDER_VARIABLE] = passing
        try:
            yield
        finally:
            os.environ.pop(FOLDER_VARIABLE)
            if before is not None:
                os.environ[FOLDER_VARIABLE] = before


def graph_path(model_hash: str, precision: str = 'float32') -> Path | None:
    """Path of the graph of a model, which may not exist; `int8` has another; None: no cache."""
    folder = cache_folder()
    if folder is None:
        return None
    kind = '-int8r7' if precision == 'int8' else ''  # weights of seven bits, see quantisation.py
    return folder / f'{model_hash[:32]}-{_LAYOUT}{kind}.onnx'


def cached_graph(model_hash: str, precision: str) -> bytes | None:
    """The cached graph, if there is an intact one."""
    path = graph_path(model_hash, precision)
    try:
        data = b'' if path is None else path.read_bytes()
    except OSError:
        return None
    graph = data[:-_DIGEST_BYTES]
    return graph if graph and with_digest(graph, model_hash, precision) == data else None


def with_digest(graph: bytes, model_hash: str, precision: str) -> bytes:
    """The graph as a file that the cache takes."""
    digest = hashlib.sha256(graph)
    digest.update(f'{model_hash} {precision}'.encode())
    return graph + _DIGEST_START + digest.hexdigest().encode()


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
            f'inference_precision int8: expected {_place(model.model_hash, precision)} as '
            '`ghost-vpr export --precision int8` writes it, found none, or one that has changed '
            'since; make it with that command, or use another precision'
        )
    if isinstance(model, StoredModel) and model.graph:
        return model.graph
    graph = _exported(model)
    keep_graph(model.model_hash, precision, graph)
    return graph


def stored_graph(model: VprModel | StoredModel, precision: str) -> Graph:
    """The graph of a model, exported now if it is not cached; a cached one is not read yet.

    Raises:
        DeviceError: as `graph_of`; `read` as well, where the file has changed since.
    """
    digest = _recorded_digest(model.model_hash, precision)
    if digest:
        return Graph(partial(graph_of, model, precision), digest)
    made = Graph.of_bytes(graph_of(model, precision))
    # As the next start finds it when it looks for what was compiled from this graph.
    return replace(made, digest=_recorded_digest(model.model_hash, precision) or made.digest)


def _recorded_digest(model_hash: str, precision: str) -> str:
    """That at the end of the cached file, unchecked; empty where there is none."""
    path = graph_path(model_hash, precision)
    if path is None:
        return ''
    try:
        with path.open('rb') as file:
            file.seek(-_DIGEST_BYTES, os.SEEK_END)
            end = file.read()
    except OSError:
        return ''
    is_one = end.startswith(_DIGEST_START)
    return end[len(_DIGEST_START) :].decode('latin-1') if is_one else ''


def keep_graph(model_hash: str, precision: str, graph: bytes) -> Path | None:
    """Put a graph into the cache; None if it cannot be written, so it will be exported again.

    The name appears only when the content is complete.
    """
    path = graph_path(model_hash, precision)
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, with_digest(graph, model_hash, precision), durable=True)
    except OSError:
        return None
    return path


def _place(model_hash: str, precision: str) -> str:
    """The cached file in words."""
    path = graph_path(model_hash, precision)
    return (
        f'a file of the cache (no home folder: name one in {FOLDER_VARIABLE})'
        if (path is None)
        else str(path)
    )


def _exported(model: VprModel | StoredModel) -> bytes:
    """The graph, exported by another process if this one has not loaded PyTorch."""
    if isinstance(model, StoredModel) and 'torch' not in sys.modules:
        return _exported_elsewhere(model)
    from ghost_vpr_ros.core.engine.graph_export import export_graph
    from ghost_vpr_ros.core.model.weights import load_network

    return export_graph(load_network(model) if isinstance(model, StoredModel) else model)


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
                f'{_place(model.model_hash, "float32")}'
            )
        return graph.read_bytes()
