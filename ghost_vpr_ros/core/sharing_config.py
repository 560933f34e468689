"""How a robot's map is published to a fleet's shared map."""

from __future__ import annotations

from dataclasses import dataclass

from ghost_vpr_ros.core.settings import Config, setting


@dataclass(frozen=True)
class SharingConfig(Config):
    """What is published, and how a new shared map is searched."""

    views: bool = setting(True, 'publish the views, which verification needs')
    same_frame: bool = setting(
        False, 'the local metres of this map are in the frame of the maps that are there'
    )
    index_type: str = setting(
        'FLAT',
        "Milvus's index of a new shared map; FLAT: exact, the answers of a map file",
        choices=('FLAT', 'HNSW', 'AUTOINDEX'),
    )
