"""Texts and files in a vector database: a shared map's model, sources and views.

A field holds at most 65,535 bytes, so longer content is stored in parts. The first part is
written last: what an interrupted writer left is not seen.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.core.fleet.database import rows_where

if TYPE_CHECKING:
    from pymilvus import MilvusClient

PART_BYTES = 48_000
"""Of the content; as base64 this is 64,000 bytes."""

_PARTS_AT_ONCE = 16
_FIELDS = ('part', 'num_parts', 'content')
_NO_VECTOR = [0.0, 0.0]
"""Every collection needs vectors; those of this one are unused."""


class SharedPieces:
    """Content by kind and key, in a collection of its own.

    Args:
        client: of the database.
        collection: its name.
    """

    def __init__(self, client: MilvusClient, collection: str) -> None:
        self._client = client
        self._collection = collection

    def create(self) -> None:
        """Make the collection where it is missing."""
        if self._client.has_collection(self._collection):
            return
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field('piece', DataType.VARCHAR, max_length=256, is_primary=True)
        schema.add_field('kind', DataType.VARCHAR, max_length=32)
        schema.add_field('part', DataType.INT64)
        schema.add_field('num_parts', DataType.INT64)
        schema.add_field('content', DataType.VARCHAR, max_length=65_535)
        schema.add_field('no_vector', DataType.FLOAT_VECTOR, dim=len(_NO_VECTOR))
        index = self._client.prepare_index_params()
        index.add_index('no_vector', index_type='FLAT', metric_type='IP')
        self._client.create_collection(
            self._collection, schema=schema, index_params=index, consistency_level='Strong'
        )

    def load(self) -> None:
        """Have the database ready to answer; nothing where it is."""
        self._client.load_collection(self._collection)

    def put(self, kind: str, key: str, content: bytes) -> None:
        """Store or replace one piece."""
        starts = range(0, max(len(content), 1), PART_BYTES)
        rows = [
            {
                'piece': _piece(kind, key, part),
                'kind': kind,
                'part': part,
                'num_parts': len(starts),
                'content': base64.b64encode(content[start : start + PART_BYTES]).decode(),
                'no_vector': _NO_VECTOR,
            }
            for part, start in enumerate(starts)
        ]
        for start in range(len(rows) - 1, 0, -_PARTS_AT_ONCE):
            self._client.upsert(
                self._collection, rows[max(start - _PARTS_AT_ONCE + 1, 1) : start + 1]
            )
        self._client.upsert(self._collection, rows[:1])

    def get(self, kind: str, key: str) -> bytes | None:
        """One piece, or None where there is none."""
        first = self._rows([_piece(kind, key, 0)])
        if not first:
            return None
        others: list[dict[str, Any]] = []
        names = [_piece(kind, key, part) for part in range(1, first[0]['num_parts'])]
        for start in range(0, len(names), _PARTS_AT_ONCE):
            others += self._rows(names[start : start + _PARTS_AT_ONCE])
        parts = sorted([*first, *others], key=lambda row: int(row['part']))
        return b''.join(base64.b64decode(row['content']) for row in parts)

    def all_of(self, kind: str) -> list[bytes]:
        """Every piece of a kind whose pieces have one part."""
        rows = rows_where(self._client, self._collection, f'kind == "{kind}"', _FIELDS, 256)
        return [base64.b64decode(row['content']) for row in rows]

    def _rows(self, names: list[str]) -> list[dict[str, Any]]:
        return list(self._client.get(self._collection, ids=names, output_fields=list(_FIELDS)))


def _piece(kind: str, key: str, part: int) -> str:
    return f'{kind}/{key}#{part}'
