"""Finishes a step in spite of a cancellation."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_Result = TypeVar("_Result")


async def uninterrupted(work: Awaitable[_Result], *, seconds: float | None = None) -> _Result:
    """Run ``work`` to its end, however often the caller is cancelled meanwhile; the cancellation follows afterwards.

    ``work`` itself is cancelled ``seconds`` after its caller was.

    ``asyncio.shield`` alone would leave it running while nobody waits for it.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            if cancelled is None and seconds is not None:
                asyncio.get_running_loop().call_later(seconds, task.cancel)
            cancelled = error
    if cancelled is not None:
        raise cancelled from (None if task.cancelled() else task.exception())
    return task.result()
