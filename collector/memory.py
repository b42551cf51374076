"""Gives freed memory back to the system."""

import asyncio
import ctypes
from contextlib import suppress


async def release_memory() -> None:
    """Give back what large work has freed. Only glibc keeps it, and only glibc has this function."""
    with suppress(AttributeError):
        await asyncio.to_thread(ctypes.CDLL(None).malloc_trim, 0)
