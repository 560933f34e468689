"""The connection to a Milvus database: errors in one sentence, rows one chunk at a time."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.shared_address import SharedAddress

if TYPE_CHECKING:
    from pymilvus import MilvusClient

TOKEN_VARIABLE = 'GHOST_VPR_MILVUS_TOKEN'
"""Environment variable with `user:password` or an API key, where the server asks for one."""

CONNECT_TIMEOUT_S = 10.0

_EXTRA = "install it with pip install 'ghost_vpr_ros[fleet]'"


def connect(address: SharedAddress) -> MilvusClient:
    """A client of the server, or of the embedded database, which is made where it is missing.

    Raises:
        MapError: the client is not installed, or nothing answers.
    """
    pymilvus = _installed(address)
    options: dict[str, Any] = {'token': os.environ.get(TOKEN_VARIABLE, '')}
    with explained(address):
        try:
            return pymilvus.MilvusClient(address.uri, timeout=CONNECT_TIMEOUT_S, **options)
        except pymilvus.exceptions.ConnectionConfigException as error:
            raise MapError(
                f'{address}: the embedded database cannot be opened; it may be in use by another '
                'process (several need a server), or the folder may be read-only or of another '
                'kind'
            ) from error


def _installed(address: SharedAddress) -> Any:
    try:
        import pymilvus

        if not address.uri.startswith('http'):
            import milvus_lite  # noqa: F401 - pymilvus would only warn
    except ModuleNotFoundError as error:
        raise MapError(f'{address}: a shared map needs {error.name}; {_EXTRA}') from error
    for name in ('pymilvus', 'milvus_lite'):
        # What they would write to the terminal is raised as an error as well.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return pymilvus


@contextlib.contextmanager
def explained(address: SharedAddress) -> Iterator[None]:
    """Turn the database's errors into a `MapError` of one sentence."""
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        text = ' '.join(error.message.split())
        if 'connect' in text.lower() or 'unavailable' in text.lower():
            raise MapError(
                f'{address}: no server answers there; start it, or check address and network'
            ) from error
        raise MapError(f'{address}: the database refuses ({text[:200]})') from error


def rows_where(
    client: MilvusClient, collection: str, condition: str, fields: Sequence[str], chunk: int
) -> Iterator[dict[str, Any]]:
    """All rows for which the condition holds, in no particular order, `chunk` in one answer."""
    iterator = client.query_iterator(
        collection, filter=condition, output_fields=list(fields), batch_size=chunk
    )
    try:
        while found := iterator.next():
            yield from found
    finally:
        iterator.close()
