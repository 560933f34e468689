"""Memory that this process has freed, back to the system."""

from __future__ import annotations

import contextlib
import ctypes


def return_freed_memory() -> None:
    """Return what the C library keeps for later, which is much after a network was loaded.

    Other C libraries than glibc have no such function; there nothing is done.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
