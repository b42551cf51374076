"""Measures how far the fleet's polling is behind, for the gauges of ``/metrics``."""

from collector.store.fleet import FleetStore
from collector.telemetry import CLOCK_OFFSET, POLL_LAG, PROFILES_DUE


async def measure_backlog(fleet: FleetStore) -> None:
    """Set the gauges of due profiles, of the longest wait among them, and of the clocks."""
    backlog = await fleet.backlog()
    PROFILES_DUE.set(backlog.due)
    POLL_LAG.set(backlog.lag_seconds)
    CLOCK_OFFSET.set(backlog.clock_offset_seconds)
