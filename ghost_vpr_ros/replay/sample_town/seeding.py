"""Named random streams: what is drawn for one purpose never shifts what is drawn for another."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator that depends on the seed and the names only, on every machine alike."""
    text = '/'.join(str(name) for name in names)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, 'little')])


def pick_rgb(
    rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...], spread: float = 8.0
) -> tuple[int, int, int]:
    """One colour of the palette, shifted a little: sRGB, 0 to 255."""
    base = np.array(palette[int(rng.integers(len(palette)))], float)
    shifted = np.clip(base + rng.normal(0, spread) + rng.normal(0, spread / 3, 3), 0, 255)
    return int(shifted[0]), int(shifted[1]), int(shifted[2])
