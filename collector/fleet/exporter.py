"""Keeps the fleet page current: what was polled is read again at once, everything now and then."""

import time
from datetime import datetime

import structlog

from collector.fleet.drops import render_drops
from collector.fleet.page import Fleet, Page
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore

log = structlog.get_logger(__name__)

# Everything is read again (registry changes, the date that moves on) at most this often, and for large fleets so
# rarely that it takes at most a twentieth of the time. The same share bounds the rendering.
_FULL_SECONDS = 15.0
_SHARE = 20.0


class Exporter:
    """Holds the newest page; it stays as it was while the database is away."""

    def __init__(self, fleet_store: FleetStore, drops: DropList) -> None:
        self._store = fleet_store
        self._drops = drops
        self._fleet = Fleet()
        self._read_at: datetime | None = None
        self._full_due = 0.0
        self._render_due = 0.0
        self.page: Page | None = None

    async def refresh(self) -> None:
        """Read what changed and render the page when anything did."""
        if time.monotonic() < self._render_due:
            return
        now = await self._store.now()
        if self._read_at is None or time.monotonic() >= self._full_due:
            await self._read_all()
        elif not await self._read_polled(self._read_at):
            return
        drops = render_drops(await self._drops.listed(0), await self._drops.fleet_listed(0))
        self._read_at = now
        started = time.monotonic()
        self.page = await self._fleet.render(drops)
        self._render_due = time.monotonic() + _SHARE * (time.monotonic() - started)

    async def _read_all(self) -> None:
        started = time.monotonic()
        fleet = Fleet()
        async for profiles in self._store.status():
            fleet.update(profiles)
        self._fleet = fleet
        self._full_due = time.monotonic() + max(_FULL_SECONDS, _SHARE * (time.monotonic() - started))

    async def _read_polled(self, since: datetime) -> bool:
        profile_ids = await self._store.polled_since(since)
        if profile_ids:
            self._fleet.update(await self._store.status_of(profile_ids))
        return bool(profile_ids)
