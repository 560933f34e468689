"""A search index as a file beside its map, used only if it is whole and of that very map."""

from __future__ import annotations

import contextlib
import json
import zlib
from pathlib import Path

import faiss
import numpy as np

from ghost_vpr_ros.core.map_reader import MapReader

_MAGIC = b'ghost_vpr_ros search index 1\n'
_HEADER_LIMIT_BYTES = 4096


def cache_path(place_map: MapReader) -> Path:
    """`<map>.faiss` beside the map."""
    return place_map.path.with_name(place_map.path.name + '.faiss')


def read_cache(place_map: MapReader, kind: str) -> faiss.Index | None:
    """The cached index, or None where there is none for this map, revision, model and kind."""
    try:
        with cache_path(place_map).open('rb') as file:
            if file.readline(len(_MAGIC)) != _MAGIC:
                return None
            header = json.loads(file.readline(_HEADER_LIMIT_BYTES))
            if header['key'] != _key(place_map, kind):
                return None
            payload = np.fromfile(file, dtype=np.uint8)
            whole = (len(payload), zlib.crc32(payload.data)) == (header['size'], header['crc32'])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # faiss may crash on damaged bytes, so it only sees what was checked.
    return faiss.deserialize_index(payload) if whole else None


def write_cache(place_map: MapReader, kind: str, index: faiss.Index) -> None:
    """Write the cache in one step, or leave things as they are (read-only place, full disk)."""
    payload = faiss.serialize_index(index).data
    key = _key(place_map, kind)
    header = {'key': key, 'size': len(payload), 'crc32': zlib.crc32(payload)}
    path = cache_path(place_map)
    # One name for all: should two processes write it at once, the checksum tells.
    unfinished = path.with_name(f'.{path.name}.unfinished')
    try:
        with unfinished.open('wb') as file:
            file.write(_MAGIC + json.dumps(header).encode() + b'\n')
            file.write(payload)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _key(place_map: MapReader, kind: str) -> dict[str, str | int]:
    return {
        'map': place_map.fingerprint,
        'rows': len(place_map),
        'descriptor_dim': place_map.descriptor_dim,
        'kind': kind,
        'faiss': faiss.__version__,
    }
