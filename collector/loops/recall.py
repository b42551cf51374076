"""Asks refused profiles again, at most once a minute, when there is a sign that they may be well."""

import time

import structlog

from collector.loops.gate import Gate
from collector.store.lease import LeaseStore

log = structlog.get_logger(__name__)

_RECALL_SECONDS = 60.0


class Recall:
    """Makes the profiles due that were refused within the last day, once somebody wants it and calls are not held."""

    def __init__(self, gate: Gate, leases: LeaseStore) -> None:
        self._gate = gate
        self._leases = leases
        self._wanted = False
        self._not_before = 0.0

    def want(self) -> None:
        self._wanted = True

    async def run_if_wanted(self) -> None:
        if not self._wanted or self._gate.hold is not None or time.monotonic() < self._not_before:
            return
        recalled = await self._leases.recall()
        self._wanted, self._not_before = False, time.monotonic() + _RECALL_SECONDS
        if recalled:
            log.info("profiles that were refused are asked again", profiles=recalled)
