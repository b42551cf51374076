"""Puts a shorter poll interval into effect, which else each profile would only learn at its next poll."""

from datetime import UTC, datetime
from functools import partial

import structlog

from collector.ayrshare.refusal import RATE_LIMIT_WINDOW
from collector.poll.decision import Policy, seconds_to_slot
from collector.store.lease import LeaseStore

log = structlog.get_logger(__name__)


async def shorten_waits(leases: LeaseStore, policy: Policy) -> None:
    """Move healthy profiles that wait for longer than the interval explains to their slot of it.

    Running it again changes nothing. A profile that waits for Ayrshare's own next update, further away than that, is
    asked once too often, and then waits for it again. What waits because of a rate limit or a failure keeps its time.
    """
    # A slot is up to one and a half intervals away.
    longest = max(1.5 * policy.interval, RATE_LIMIT_WINDOW)
    slot = partial(seconds_to_slot, now=datetime.now(UTC), interval=policy.interval)
    moved = await leases.bring_forward(longest, slot)
    if moved:
        log.info("polls were brought forward to the poll interval", profiles=moved, interval_seconds=policy.interval)
