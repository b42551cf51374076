"""Looks for unreachable objects seldom, and keeps little of the memory that was freed."""

import asyncio
import ctypes
import gc
from contextlib import suppress

_ALLOCATIONS = 20_000
# glibc's numbers of these options (malloc.h), and what they are set to.
_LARGE_BYTES = 128 * 1024
_OPTIONS = (
    (-3, _LARGE_BYTES),  # M_MMAP_THRESHOLD: from this size a block is a mapping of its own, and gone when it is freed
    (-1, _LARGE_BYTES),  # M_TRIM_THRESHOLD: more than this is not kept at the end of the heap
    (-8, 1),  # M_ARENA_MAX: threads share the heap, instead of keeping one each
)


def collect_seldom() -> None:
    """Let the collector of cycles run seldom, and never over the objects that are here already.

    The objects of a poll go by their reference counts; looking through them took a tenth of an unchanged poll's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 50)


def keep_little() -> None:
    """Stop glibc from keeping what was freed for later: unless told, it raises its thresholds to 32 MiB by itself."""
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in _OPTIONS:
            mallopt(option, value)


async def release_memory() -> None:
    """Give back what large work has freed. Only glibc keeps it, and only glibc has this function."""
    with suppress(AttributeError):
        await asyncio.to_thread(ctypes.CDLL(None).malloc_trim, 0)
