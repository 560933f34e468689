"""A fleet's shared map in a vector database: its model, its sessions and its places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.database import SharedAddress, connect, explained, rows_where
from ghost_vpr_ros.core.fleet.pieces import SharedPieces
from ghost_vpr_ros.core.fleet.records import DESCRIPTOR, FIELDS, ID, create_places
from ghost_vpr_ros.core.fleet.sources import SharedSource, read_sources
from ghost_vpr_ros.core.map.schema import ModelRecord, check_model
from ghost_vpr_ros.core.probability.calibration import Calibration

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_SCHEMA = 1
_ABOUT, _MODEL, _VIEW, _CALIBRATION = 'about', 'model', 'view', 'calibration'
_ONLY = 'only'
_ANSWER_BYTES = 16 * 2**20
_ANSWER_ROWS = 10_000
"""Rows per request: an embedded database scans all places for each."""
_WRITE_BYTES = 4 * 2**20
_WRITE_ROWS = 1000


class SharedStore:
    """The collections of one shared map; made by `open` or `create`.

    Attributes:
        address: where it is.
        client: of the database.
        model: that made the descriptors.
        pieces: model, sessions and views.
    """

    def __init__(self, address: SharedAddress, client: MilvusClient, pieces: SharedPieces) -> None:
        self.address = address
        self.client = client
        self.pieces = pieces
        self.model = _read_about(address, pieces)

    @classmethod
    def open(cls, address: SharedAddress) -> SharedStore:
        """An existing shared map.

        Raises:
            MapError: it is not, nothing answers, or it is of a newer version.
        """
        client = connect(address)
        with explained(address):
            if not client.has_collection(_pieces_name(address)):
                client.close()
                raise MapError(
                    f'{address}: no shared map of this name; make it with `ghost-vpr share MAP '
                    f'--to {address}`'
                )
            pieces = SharedPieces(client, _pieces_name(address))
            pieces.load()
            store = cls(address, client, pieces)
            client.load_collection(address.name)
        return store

    @classmethod
    def create(
        cls, address: SharedAddress, model: ModelRecord, weights: bytes, index_type: str
    ) -> SharedStore:
        """The shared map of this model, created where it is missing.

        Raises:
            MapError: it has another model, or nothing answers.
        """
        client = connect(address)
        with explained(address):
            pieces = SharedPieces(client, _pieces_name(address))
            pieces.create()
            pieces.load()
            if pieces.get(_ABOUT, _ONLY) is None:
                pieces.put(_MODEL, _ONLY, weights)
                pieces.put(_ABOUT, _ONLY, _about(model))
            store = cls(address, client, pieces)
            check_model(store.model, Path(str(address)), model.model_hash, model.descriptor_dim)
            if not client.has_collection(address.name):
                create_places(client, address.name, model.descriptor_dim, index_type)
            client.load_collection(address.name)
        return store

    def model_bytes(self) -> bytes:
        """The weights file of the model."""
        with explained(self.address):
            return self.pieces.get(_MODEL, _ONLY) or b''

    def sources(self) -> list[SharedSource]:
        """The sessions that were published, by number."""
        with explained(self.address):
            return read_sources(self.pieces)

    def rows(self, ids: range | None = None) -> Iterator[dict[str, Any]]:
        """The fields of all places but their descriptors, or of those within a range of ids."""
        with explained(self.address):
            condition = _condition(ids)
            yield from rows_where(self.client, self.address.name, condition, FIELDS, _ANSWER_ROWS)

    def descriptors(self, place_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, D) descriptors of places (N,) whose ids rise.

        Raises:
            MapError: some were removed.
        """
        matrix = np.full((len(place_ids), self.model.descriptor_dim), np.nan, dtype=np.float32)
        chunk = _rows_within(_ANSWER_ROWS, _ANSWER_BYTES, self.model.descriptor_dim)
        with explained(self.address):
            fields = (ID, DESCRIPTOR)
            for row in rows_where(self.client, self.address.name, _condition(None), fields, chunk):
                place = int(np.searchsorted(place_ids, row[ID]))
                if place < len(place_ids) and place_ids[place] == row[ID]:
                    matrix[place] = row[DESCRIPTOR]
        if np.isnan(matrix).any():
            raise MapError(f'{self.address}: places were removed since it was opened')
        return matrix

    def descriptors_of(self, place_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) descriptors of chosen places (n,), in their order.

        Raises:
            MapError: some were removed.
        """
        wanted = np.unique(place_ids)
        found = np.full((len(wanted), self.model.descriptor_dim), np.nan, dtype=np.float32)
        chunk = _rows_within(_ANSWER_ROWS, _ANSWER_BYTES, self.model.descriptor_dim)
        with explained(self.address):
            for start in range(0, len(wanted), chunk):
                part = wanted[start : start + chunk].tolist()
                name, fields = self.address.name, [ID, DESCRIPTOR]
                for row in self.client.get(name, ids=part, output_fields=fields):
                    found[np.searchsorted(wanted, row[ID])] = row[DESCRIPTOR]
        if np.isnan(found).any():
            raise MapError(f'{self.address}: places were removed since it was opened')
        return found[np.searchsorted(wanted, place_ids)]

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        """Write places, each with its descriptor."""
        with explained(self.address):
            self.client.upsert(self.address.name, rows)

    def flush(self) -> None:
        """Have the database index what was written; a search is slow before."""
        with explained(self.address):
            self.client.flush(self.address.name)

    def view(self, place_id: int) -> bytes | None:
        """JPEG of what the camera saw there, or None where it was not published."""
        with explained(self.address):
            return self.pieces.get(_VIEW, str(place_id))

    def put_view(self, place_id: int, jpeg: bytes) -> None:
        """Store the view of a place."""
        with explained(self.address):
            self.pieces.put(_VIEW, str(place_id), jpeg)

    def calibration(self, map_uuid: str) -> Calibration | None:
        """The calibration of one robot's map, or None."""
        with explained(self.address):
            text = self.pieces.get(_CALIBRATION, map_uuid)
        return Calibration.from_json(text.decode()) if text else None

    def put_calibration(self, map_uuid: str, calibration: Calibration | None) -> None:
        """Store a map's calibration; None removes it."""
        text = '' if calibration is None else calibration.to_json()
        with explained(self.address):
            self.pieces.put(_CALIBRATION, map_uuid, text.encode())

    def close(self) -> None:
        """End the connection."""
        self.client.close()

    def __enter__(self) -> SharedStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def chunk_rows(descriptor_dim: int) -> int:
    """How many places are written with one message."""
    return _rows_within(_WRITE_ROWS, _WRITE_BYTES, descriptor_dim)


def _rows_within(most: int, most_bytes: int, descriptor_dim: int) -> int:
    return max(1, min(most, most_bytes // (4 * descriptor_dim)))


def _condition(ids: range | None) -> str:
    return f'{ID} >= 0' if ids is None else f'{ID} >= {ids.start} && {ID} < {ids.stop}'


def _pieces_name(address: SharedAddress) -> str:
    return f'{address.name}_pieces'


def _about(model: ModelRecord) -> bytes:
    values = {
        'schema': _SCHEMA,
        'model_name': model.name,
        'model_hash': model.model_hash,
        'descriptor_dim': model.descriptor_dim,
        'preprocessing': model.preprocessing.to_dict(),
    }
    return json.dumps(values, sort_keys=True).encode()


def _read_about(address: SharedAddress, pieces: SharedPieces) -> ModelRecord:
    content = pieces.get(_ABOUT, _ONLY)
    if content is None:
        raise MapError(f'{address}: the shared map is unfinished; publish a map to it again')
    values = json.loads(content)
    if values['schema'] != _SCHEMA:
        raise MapError(
            f'{address} has schema {values["schema"]}, this version of ghost_vpr_ros reads '
            f'schema {_SCHEMA}; update ghost_vpr_ros on all machines'
        )
    preprocessing = PreprocessingConfig.from_dict(values['preprocessing'])
    return ModelRecord(
        values['model_name'], values['model_hash'], values['descriptor_dim'], preprocessing
    )
