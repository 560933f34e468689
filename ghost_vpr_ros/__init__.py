"""Visual place recognition for ROS 2 with GhostCNN and NetVLAD.

`PlaceMap`, `PlaceRecognizer`, `Model` and `load_model` are the interface for programs; they are
imported when they are first named, so that `import ghost_vpr_ros` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghost_vpr_ros.api import Model, PlaceMap, PlaceRecognizer, load_model

__version__ = '0.1.0'

__all__ = ['Model', 'PlaceMap', 'PlaceRecognizer', 'load_model']


def __getattr__(name: str) -> Any:
    if name in __all__:
        from ghost_vpr_ros import api

        return getattr(api, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
