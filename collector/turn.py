"""How many pages and answers are made at once: more would only make each other late, and polls with them."""

import asyncio
from typing import Final

from aiohttp import web

# Enough that both the processor and the database have something to do.
AT_ONCE: Final = 8
TURNS: Final = web.AppKey("turns", asyncio.Semaphore)
"""Who reads for a page or a call of the API takes a turn; those who wait get theirs in the order in which they came."""
