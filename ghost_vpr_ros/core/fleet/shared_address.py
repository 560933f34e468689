"""The address of a fleet's shared map: a server, or an embedded database in a folder.

http://host:19530          fleet.db           the shared map `places`
http://host:19530/hangar   fleet.db/hangar    another one beside it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ghost_vpr_ros.core.errors import MapError

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
    """The address that is meant, or None: then it is the path of a map file.

    Raises:
        MapError: an address whose map has no possible name.
    """
    server = _SERVER.match(str(place))
    if server is not None:
        return SharedAddress(f'{server[1]}://{server[2]}', server[3] or DEFAULT_NAME)
    for folder, name in ((Path(place), DEFAULT_NAME), (Path(place).parent, Path(place).name)):
        # A map file may end in .db, too, but is no folder.
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
