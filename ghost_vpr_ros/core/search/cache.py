"""Cache files next to a map, used only if intact and made from this map."""

from __future__ import annotations

import contextlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import faiss
import numpy as np

from ghost_vpr_ros.core.map.columns import Columns
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.core.whole_file import write_whole

_MAGIC = b'ghost_vpr_ros search index 3\n'
_HEADER_LIMIT_BYTES = 4096
_CHUNK_BYTES = 4 * 2**20

_COLUMNS = 'columns'
_COMPARED_ROWS = 64
"""Number of descriptors compared to tell whether a map has grown from a cached one."""


class CachedIndex(NamedTuple):
    """Indexes of consecutive parts of the first rows of a map; of all rows if `is_current`."""

    parts: list[faiss.Index]
    is_current: bool


def cache_path(place_map: MapReader) -> Path:
    """`<map>.faiss` beside the map: the search index."""
    return place_map.path.with_name(place_map.path.name + '.faiss')


def columns_path(place_map: MapReader) -> Path:
    """`<map>.places` beside the map: positions, headings and sessions of its rows."""
    return place_map.path.with_name(place_map.path.name + '.places')


def read_cache(
    place_map: MapReader, kind: str, *, may_be_older: bool = False
) -> CachedIndex | None:
    """The cached index, or None if there is none for this map, model and kind.

    Args:
        place_map: the map.
        kind: of index.
        may_be_older: also accept one of an earlier revision from which this map has grown.
    """
    with _read(cache_path(place_map)) as found:
        if found is None:
            return None
        key, file = found
        is_current = key == _key(place_map, kind) | {'parts': key.get('parts')}
        if not is_current and not (may_be_older and _has_grown(place_map, kind, key)):
            return None
        # faiss may crash on damaged bytes, so it only reads checked ones.
        reader = faiss.PyCallbackIOReader(file.read)  # type: ignore[attr-defined]
        return CachedIndex([faiss.read_index(reader) for _ in range(key['parts'])], is_current)


def write_cache(place_map: MapReader, kind: str, parts: Sequence[faiss.Index]) -> None:
    """Write indexes in one step, or change nothing (read-only folder, full disk)."""
    payload = np.concatenate([faiss.serialize_index(part) for part in parts])
    _write(cache_path(place_map), _key(place_map, kind) | {'parts': len(parts)}, payload.data)


def read_columns(place_map: MapReader) -> Columns | None:
    """The cached columns of a map, or None if there are none for this revision."""
    with _read(columns_path(place_map)) as found:
        if found is None or found[0] != _key(place_map, _COLUMNS):
            return None
        with np.load(io.BytesIO(found[1].read())) as arrays:
            return Columns(**arrays)


def write_columns(place_map: MapReader, columns: Columns) -> None:
    """Write them in one step, or change nothing."""
    file = io.BytesIO()
    np.savez(file, **columns._asdict())
    _write(columns_path(place_map), _key(place_map, _COLUMNS), file.getbuffer())


@contextlib.contextmanager
def _read(path: Path) -> Iterator[tuple[dict[str, Any], IO[bytes]] | None]:
    """Key and payload of an intact file; None if there is none."""
    try:
        file = path.open('rb')
    except OSError:
        yield None
        return
    with file:
        try:
            key = _checked_key(file)
        except (OSError, ValueError, KeyError, TypeError):
            key = None
        yield None if key is None else (key, file)


def _checked_key(file: IO[bytes]) -> dict[str, Any] | None:
    """The key of a file whose payload, which is read next, is as it was written; else None."""
    if file.readline(len(_MAGIC)) != _MAGIC:
        return None
    header = json.loads(file.readline(_HEADER_LIMIT_BYTES))
    key = dict(header['key'])
    start, size, checksum = file.tell(), 0, zlib.crc32(json.dumps(key).encode())
    while chunk := file.read(_CHUNK_BYTES):
        size, checksum = size + len(chunk), zlib.crc32(chunk, checksum)
    file.seek(start)
    is_whole = (size, checksum) == (header['size'], header['crc32'])
    return key if is_whole else None


def _write(path: Path, key: dict[str, str | int], payload: memoryview) -> None:
    written = json.dumps(key).encode()
    header = {
        'size': len(payload),
        'crc32': zlib.crc32(payload, zlib.crc32(written)),
        'key': key,
    }
    start = _MAGIC + json.dumps(header).encode() + b'\n'
    with contextlib.suppress(OSError):
        write_whole(path, (start, payload), durable=False)


def _key(place_map: MapReader, kind: str) -> dict[str, str | int]:
    return {
        'map': place_map.uuid,
        'content': place_map.fingerprint,
        'revision': place_map.revision,
        'rows': len(place_map),
        'compared': _compared(place_map, len(place_map)),
        'descriptor_dim': place_map.descriptor_dim,
        'kind': kind,
        'faiss': faiss.__version__,
    }


def _has_grown(place_map: MapReader, kind: str, key: dict[str, Any]) -> bool:
    """Whether the rows of the cache are the first rows of this map: rows are only ever added."""
    rows = key.get('rows')
    if not isinstance(rows, int) or not 0 < rows <= len(place_map):
        return False
    revision = key.get('revision')
    if not isinstance(revision, int) or revision > place_map.revision:
        return False
    of_then = {name: key.get(name) for name in ('content', 'revision', 'rows', 'parts')}
    of_then['compared'] = _compared(place_map, rows)
    return bool(key == _key(place_map, kind) | of_then)


def _compared(place_map: MapReader, rows: int) -> int:
    """Checksum of some of the first rows, including the last one, which differs after a fork."""
    chosen = np.array(evenly_spaced(rows, _COMPARED_ROWS), np.int64)
    return zlib.crc32(place_map.descriptors_at(chosen).tobytes()) if rows else 0
