"""Returns freed memory of this process to the system."""

from __future__ import annotations

import contextlib
import ctypes


def return_freed_memory() -> None:
    """Return memory that the C library keeps for later, which is much after loading a network.

    Other C libraries than glibc have no such function; there nothing is done.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
