"""Measures how far the fleet's polling is behind, for the gauges of ``/metrics``."""

from collector.store.fleet import FleetStore
from collector.telemetry import POLL_LAG, PROFILES_DUE


async def measure_backlog(fleet: FleetStore) -> None:
    """Set the gauges of due profiles and of the longest wait among them."""
    backlog = await fleet.backlog()
    PROFILES_DUE.set(backlog.due)
    POLL_LAG.set(backlog.lag_seconds)
