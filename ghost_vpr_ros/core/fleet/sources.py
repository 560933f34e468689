"""The sessions of robots' maps that a shared map holds, and their frame.

The unit is a session: copies of a map that different robots continue share its first sessions, and
each adds its own. A session's number is the upper half of its places' ids.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import GeoPoint, Keyframe
from ghost_vpr_ros.core.errors import MapError
from ghost_vpr_ros.core.fleet.pieces import SharedPieces
from ghost_vpr_ros.core.map.frame import MapFrame
from ghost_vpr_ros.core.map.reader import MapReader

_KIND = 'source'
_ID_BITS = 32
_ATTEMPTS = 20


@dataclass(frozen=True)
class SharedSource:
    """One session of one robot's map.

    Attributes:
        number: from 0 on, in the order of publishing.
        key: of this session's content, the same in every copy of the map.
        map_uuid: of the map.
        map_name: readable.
        session: its name in the map.
        frame: of the map's poses: 'none', 'enu' or 'local'.
        origin: of an 'enu' map.
    """

    number: int
    key: str
    map_uuid: str
    map_name: str
    session: str
    frame: str
    origin: GeoPoint | None = None

    @property
    def title(self) -> str:
        """The session's name among those of all robots."""
        return f'{self.map_name}/{self.session}'

    @property
    def ids(self) -> range:
        """The ids that its places may have."""
        return range(self.number << _ID_BITS, (self.number + 1) << _ID_BITS)

    def place_id(self, keyframe_id: int) -> int:
        """The stable id of a keyframe in the shared map."""
        return self.ids[keyframe_id]

    def to_json(self) -> bytes:
        """For the database."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> SharedSource:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(content)
        origin = values.pop('origin')
        return cls(**values, origin=None if origin is None else GeoPoint(**origin))


def number_of(place_id: int) -> int:
    """The number of the session that a place belongs to, by the place's id."""
    return place_id >> _ID_BITS


def map_uuid(place_map: MapReader) -> str:
    """An identity that stays the same while a map grows, and in its copies."""
    return place_map.fingerprint.partition(':')[0]


def session_key(uuid: str, first: Keyframe, descriptor: NDArray[np.float32]) -> str:
    """Names a session by its first keyframe: later ones join it without changing the key."""
    said = json.dumps([uuid, first.session, first.keyframe_id, first.stamp_ns, first.name])
    values = np.ascontiguousarray(descriptor, dtype='<f4').tobytes()
    return hashlib.blake2b(said.encode() + values, digest_size=16).hexdigest()


def read_sources(pieces: SharedPieces) -> list[SharedSource]:
    """All of them, by number."""
    found = map(SharedSource.from_json, pieces.all_of(_KIND))
    return sorted(found, key=lambda source: source.number)


def register(pieces: SharedPieces, wanted: SharedSource) -> SharedSource:
    """Store a new source under a number that no other one has.

    A writer that finds its number taken after writing chooses another one: of two that
    write at once at least the later sees the earlier.

    Raises:
        MapError: many others register at this very moment.
    """
    taken = {source.number for source in read_sources(pieces)}
    number = max(taken, default=-1) + 1
    for _ in range(_ATTEMPTS):
        source = SharedSource(**{**vars(wanted), 'number': number})
        pieces.put(_KIND, source.key, source.to_json())
        others = [s.number for s in read_sources(pieces) if s.key != source.key]
        if number not in others:
            return source
        number = max(others) + 1 + random.randrange(8)
    raise MapError(
        f'{wanted.title}: other robots publish to this shared map at this moment; try again'
    )


def shared_frame(sources: Sequence[SharedSource]) -> MapFrame:
    """The frame of a shared map: that of the first source with positions."""
    for source in sources:
        if source.frame != 'none':
            return MapFrame(source.frame, source.origin)
    return MapFrame()


def check_joins(
    wanted: SharedSource, sources: Sequence[SharedSource], same_frame: bool, where: str
) -> None:
    """Check that these positions and this name can be added to those already published.

    Raises:
        MapError: the frames cannot be brought together, or the name is another robot's.
    """
    if any(s.title == wanted.title for s in sources if s.key != wanted.key):
        raise MapError(
            f'{where} holds another map named {wanted.map_name!r} with a session '
            f'{wanted.session!r}; give this one another --name'
        )
    placed = [s for s in sources if s.frame != 'none' and s.map_uuid != wanted.map_uuid]
    if wanted.frame == 'none' or not placed:
        return
    if wanted.frame != placed[0].frame:
        raise MapError(
            f'{where} has positions in frame {placed[0].frame}, {wanted.map_name} in frame '
            f'{wanted.frame}; share it under another name'
        )
    if wanted.frame == 'local' and not same_frame:
        raise MapError(
            f'{where} and {wanted.map_name} have positions in local metres of two maps; add '
            '--same-frame if both are in one frame, or share it under another name'
        )
