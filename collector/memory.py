"""Looks for unreachable objects seldom, and gives freed memory back to the system."""

import asyncio
import ctypes
import gc
from contextlib import suppress

_ALLOCATIONS = 20_000


def collect_seldom() -> None:
    """Let the collector of cycles run seldom, and never over the objects that are here already.

    The objects of a poll go by their reference counts; looking through them took a tenth of an unchanged poll's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 50)


async def release_memory() -> None:
    """Give back what large work has freed. Only glibc keeps it, and only glibc has this function."""
    with suppress(AttributeError):
        await asyncio.to_thread(ctypes.CDLL(None).malloc_trim, 0)
