"""Keeps the fleet current, what was polled at once, everything now and then; renders the pages that are asked for."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from collector.fleet.drops import render_drops
from collector.fleet.page import EVERYONE, Fleet, Page, Part
from collector.store.drop_list import DropList, ListedDrop
from collector.store.fleet import BATCH, FleetStore
from collector.store.fleet_drop import FleetDrop

# Everything is read again (registry changes, the date that moves on) at most this often, and for large fleets so
# rarely that it takes at most a twentieth of the time. The same share bounds the rendering of a part.
_FULL_SECONDS = 15.0
_SHARE = 20.0
# A page that nobody has asked for this long is forgotten.
_KEPT_SECONDS = 300.0


class _Kept:
    """The page of a part: of which reading it is, until when it is sent as it is, and when it was last asked for."""

    def __init__(self) -> None:
        self.page: Page | None = None
        self.reading = 0
        self.until = 0.0
        self.asked = time.monotonic()
        self.rendering = asyncio.Lock()


class Exporter:
    """Holds the newest values of all profiles; they stay as they were while the database is away."""

    def __init__(self, fleet_store: FleetStore, drops: DropList) -> None:
        self._store = fleet_store
        self._drops = drops
        self._fleet = Fleet()
        self._listed: tuple[Sequence[ListedDrop], Sequence[FleetDrop]] = ((), ())
        self._read_at: datetime | None = None
        self._full_due = 0.0
        self._reading = 0
        self._kept: dict[Part, _Kept] = {}

    async def refresh(self, beat: Callable[[], None] = lambda: None) -> None:
        """Read what changed; ``beat`` is called while everything is read, which takes minutes in a very large fleet."""
        self._forget()
        now = await self._store.now()
        if self._read_at is None or time.monotonic() >= self._full_due:
            await self._read_all(beat)
        elif not await self._read_polled(self._read_at):
            return
        self._listed = await self._drops.listed(0), await self._drops.fleet_listed(0)
        self._read_at = now
        self._reading += 1

    async def page(self, part: Part = EVERYONE) -> Page | None:
        """Return the part's page, rendered now if anything was read since; None before the first reading.

        Raises:
            LookupError: no profile has the part's client.
        """
        if self._read_at is None:
            return None
        if part.client is not None and not self._fleet.has_client(part.client):
            raise LookupError(part.client)
        kept = self._kept.setdefault(part, _Kept())
        async with kept.rendering:
            kept.asked = started = time.monotonic()
            if kept.page is None or (kept.reading != self._reading and started >= kept.until):
                reading = self._reading
                kept.page = await self._fleet.render(part, render_drops(*self._listed, part))
                kept.reading = reading
                now = time.monotonic()
                kept.until = now + _SHARE * (now - started)
        return kept.page

    def _forget(self) -> None:
        before = time.monotonic() - _KEPT_SECONDS
        self._kept = {part: kept for part, kept in self._kept.items() if kept.asked > before}

    async def _read_all(self, beat: Callable[[], None]) -> None:
        started = time.monotonic()
        fleet = Fleet()
        async for profiles in self._store.status():
            fleet.update(profiles)
            beat()
        self._fleet = fleet
        self._full_due = time.monotonic() + max(_FULL_SECONDS, _SHARE * (time.monotonic() - started))

    async def _read_polled(self, since: datetime) -> bool:
        profile_ids = await self._store.polled_since(since)
        for start in range(0, len(profile_ids), BATCH):
            self._fleet.update(await self._store.status_of(profile_ids[start : start + BATCH]))
        return bool(profile_ids)
