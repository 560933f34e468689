"""Features of the stored views of keyframes, computed on first use and then cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.map.views import Views

FeaturesT = TypeVar('FeaturesT')


class ViewFeatures(Generic[FeaturesT]):
    """Features of the views of keyframes; not for several threads at once."""

    def __init__(
        self,
        views: Views,
        describe: Callable[[NDArray[np.uint8]], FeaturesT],
        kept: int,
        stored: Callable[[int], FeaturesT | None] = lambda _: None,
    ) -> None:
        """Cache features of views.

        Args:
            views: of the keyframes.
            describe: the features of a view.
            kept: most keyframes that stay in memory.
            stored: gives features of a keyframe without its view, or None.
        """
        self._views = views
        self._stored = stored
        self._describe = describe
        self._cache: FeatureCache[FeaturesT] = FeatureCache(kept)

    def of(self, keyframe_id: int) -> FeaturesT | None:
        """None without a view; a damaged view must not cost the answer."""
        return self._cache.get(keyframe_id, lambda: self._described(keyframe_id))

    def _described(self, keyframe_id: int) -> FeaturesT | None:
        stored = self._stored(keyframe_id)
        if stored is not None:
            return stored
        try:
            view = self._views(keyframe_id)
        except ImageError:
            return None
        return None if view is None else self._describe(view)


class FeatureCache(Generic[FeaturesT]):
    """A cache of the last used keyframes by id: local features, patches."""

    def __init__(self, capacity: int) -> None:
        """Keep at most `capacity` keyframes; 0: none."""
        self._capacity = capacity
        self._kept: OrderedDict[int, FeaturesT] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, keyframe_id: int, make: Callable[[], FeaturesT | None]) -> FeaturesT | None:
        """The features of a keyframe, from `make` if they are not cached; None is not cached."""
        features = self._kept.pop(keyframe_id, None)
        # Not `or`: an image of fog has an empty set of features, which need not be computed again.
        features = make() if features is None else features
        if features is not None and self._capacity > 0:
            self._kept[keyframe_id] = features
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return features
