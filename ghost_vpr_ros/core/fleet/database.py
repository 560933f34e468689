"""The Milvus database of a shared map: its address, its client, its errors in one sentence.

An address is a server, or an embedded database in a folder:

http://host:19530          fleet.db           the shared map `places`
http://host:19530/hangar   fleet.db/hangar    another one beside it
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.core.errors import MapError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

TOKEN_VARIABLE = 'GHOST_VPR_MILVUS_TOKEN'
"""Environment variable with `user:password` or an API key, where the server requires one."""

CONNECT_TIMEOUT_S = 10.0

_EXTRA = 'install it with pip install pymilvus milvus-lite'


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
        # They would log to the terminal what is raised as an error as well.
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


DEFAULT_NAME = 'places'

_SUFFIX = '.db'

# One slash, too: a command line's `Path` folds the two of an address into one.
_SERVER = re.compile(r'^(https?):/{1,2}([^/]+)(?:/(.*))?$')

_NAME = re.compile(r'[A-Za-z_]\w{0,199}')


@dataclass(frozen=True)
class SharedAddress:
    """Where a shared map is.

    Attributes:
        uri: of the server, or the folder of the embedded database.
        name: of the shared map there: letters, digits and underscores.
    """

    uri: str
    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MapError(
                f'{self.uri}: expected a name of letters, digits and underscores for the shared '
                f'map, found {self.name!r}; choose such a name'
            )

    def __str__(self) -> str:
        return self.uri if self.name == DEFAULT_NAME else f'{self.uri}/{self.name}'


def shared_address(place: Path | str) -> SharedAddress | None:
    """The address, or None for the path of a map file.

    Raises:
        MapError: an address whose map has no possible name.
    """
    server = _SERVER.match(str(place))
    if server is not None:
        return SharedAddress(f'{server[1]}://{server[2]}', server[3] or DEFAULT_NAME)
    for folder, name in ((Path(place), DEFAULT_NAME), (Path(place).parent, Path(place).name)):
        # A map file may end in .db, too, but is not a folder.
        if folder.suffix == _SUFFIX and folder.is_dir():
            return SharedAddress(str(folder), name)
    return None


def new_shared_address(place: Path | str) -> SharedAddress:
    """The address of a shared map that need not be there yet.

    Raises:
        MapError: it is neither a server nor a folder `NAME.db`, or a file stands in the way.
    """
    found = shared_address(place)
    if found is not None:
        return found
    path = Path(place)
    if path.is_file():
        raise MapError(
            f'{path}: expected a shared map (a folder {_SUFFIX} or http://HOST:PORT), found a '
            'file; choose another name'
        )
    for folder, name in ((path, DEFAULT_NAME), (path.parent, path.name)):
        if folder.suffix == _SUFFIX and folder.parent.is_dir():
            return SharedAddress(str(folder), name)
    raise MapError(
        f'{path}: expected http://HOST:PORT, or a name that ends in {_SUFFIX} in a folder that '
        'exists, for a shared map; change the address'
    )
