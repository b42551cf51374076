"""Says that the database is down once, not once a loop, and since when."""

import time
from datetime import UTC, datetime

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Which loops of this process cannot use the database; it is over when the last of them can."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._reason = ""
        self._since = datetime.now(UTC)
        self._began = 0.0

    @property
    def problem(self) -> str | None:
        """What is wrong, for the operator; None when nothing is."""
        return f"{self._reason}; since {self._since:%Y-%m-%d %H:%M:%S} UTC" if self._waiting else None

    @property
    def since(self) -> datetime | None:
        """When it began; None when there is none."""
        return self._since if self._waiting else None

    def failed(self, loop: str, reason: str) -> None:
        if not self._waiting:
            self._since, self._began = datetime.now(UTC), time.monotonic()
            log.warning("down: the database cannot be used; what needs it waits", loop=loop, reason=reason)
        self._waiting.add(loop)
        self._reason = reason

    def worked(self, loop: str) -> bool:
        """Note that a loop can use the database, and tell whether that is news."""
        if loop not in self._waiting:
            return False
        self._waiting.discard(loop)
        if not self._waiting:
            seconds = round(time.monotonic() - self._began, 1)
            log.info("up: the database works again", down_since=f"{self._since:%Y-%m-%d %H:%M:%S} UTC", seconds=seconds)
        return True
