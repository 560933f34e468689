"""Local features of an image, found on a thread of their own while the network describes it.

Both take about the same time, and neither needs the other's result. Where one image was verified
the next one is likely to be.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.verification.local_features import FeatureExtractor, LocalFeatures


class FeaturesAhead:
    """Extracts one image ahead; `extract` must not be used by anybody else."""

    def __init__(self, extract: FeatureExtractor) -> None:
        self._extract = extract
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='local_features')
        self._begun: tuple[NDArray[np.uint8], Future[LocalFeatures]] | None = None
        self._was_asked = False

    def begin(self, image: NDArray[np.uint8]) -> None:
        """Start with an RGB uint8 (H, W, 3) image and return at once.

        Nothing is done where nobody asked for features since the image before.
        """
        if self._was_asked:
            self._begun = image, self._thread.submit(self._extract, image)
        self._was_asked = False

    def take(self, image: NDArray[np.uint8]) -> LocalFeatures | None:
        """Wait for the features of the image that was begun last; None of any other image."""
        self._was_asked = True
        begun, self._begun = self._begun, None
        if begun is None or begun[0] is not image:
            return None
        return begun[1].result()

    def close(self) -> None:
        """End the thread; an image in progress is finished."""
        self._thread.shutdown(cancel_futures=True)
