"""Tries keys on Ayrshare before they are relied on. Nothing is written."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
import structlog
from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient
from collector.errors import AyrshareError, CollectorError
from collector.loops.gate import Gate, Hold
from collector.models.outcome import Failure

log = structlog.get_logger(__name__)

# The gate lets one call a minute through.
_AGAIN_SECONDS = 5.0


class Standing(StrEnum):
    """What Ayrshare says of a profile key; ``UNTRIED`` is nothing."""

    LINKED = "linked to Pinterest"
    NOT_LINKED = "not linked to Pinterest"
    SUSPENDED = "suspended at Ayrshare"
    INVALID = "not a key of this Ayrshare account"
    UNTRIED = "not tried"


class Trial(msgspec.Struct, frozen=True):
    """What came of trying a key; ``detail`` are Ayrshare's words, or why there are none."""

    standing: Standing
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.standing}: {self.detail}" if self.detail else self.standing.value


_STANDINGS = {
    Failure.UNLINKED: Standing.NOT_LINKED,
    Failure.SUSPENDED: Standing.SUSPENDED,
    Failure.KEY_INVALID: Standing.INVALID,
}


async def try_key(client: AyrshareClient, key: SecretStr) -> Trial:
    """Make the call with which profiles are polled, once."""
    try:
        await client.account_analytics(key, today=datetime.now(UTC).date())
    except AyrshareError as error:
        return Trial(_STANDINGS.get(error.failure, Standing.UNTRIED), str(error))
    return Trial(Standing.LINKED)


async def try_keys(
    client: AyrshareClient, gate: Gate, keys: Mapping[str, SecretStr], *, concurrency: int
) -> dict[str, Trial]:
    """Try the keys of profiles by name, at the gate's pace; not one more when it holds all calls."""
    slots = asyncio.Semaphore(concurrency)

    async def attempt(key: SecretStr) -> Trial:
        async with slots:
            while gate.hold is None:
                with gate.permits(1) as permits:
                    if permits.count:
                        permits.used = 1
                        return await try_key(client, key)
                await asyncio.sleep(gate.seconds_to_next())
            return Trial(Standing.UNTRIED, gate.hold)

    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(attempt(key)) for name, key in keys.items()}
    return {name: task.result() for name, task in tasks.items()}


async def insist_on_ayrshare(client: AyrshareClient) -> None:
    """Make the cheapest call, which concerns no profile.

    Raises:
        CollectorError: the address or the API key is wrong, or Ayrshare is away.

    """
    try:
        await client.insist_on_answer()
    except AyrshareError as error:
        if error.failure is not Failure.RATE_LIMITED:
            raise CollectorError(f"{_why(error)}; nothing was polled or written") from None


async def try_api_key(client: AyrshareClient, gate: Gate) -> None:
    """Make the cheapest call, so that a refused API key is known before a profile is due; then until it is accepted.

    The gate logs the refusal, and is what readiness asks. Any other failure is only logged: calls are tried again when
    there is something to do.
    """
    while True:
        with gate.permits(1) as permits:
            permits.used = permits.count
            if permits.count:
                await _try_once(client)
        if gate.hold is not Hold.KEY_REFUSED:
            return
        await asyncio.sleep(_AGAIN_SECONDS)


async def _try_once(client: AyrshareClient) -> None:
    try:
        await client.insist_on_answer()
    except AyrshareError as error:
        if error.failure not in {Failure.RATE_LIMITED, Failure.UNAUTHORIZED}:
            log.warning("the API key could not be tried", reason=_why(error))


def _why(error: AyrshareError) -> str:
    match error.failure:
        case Failure.UNAUTHORIZED:
            return Hold.KEY_REFUSED.value
        case _ if error.unsent:
            return f"Ayrshare cannot be asked: {error}"
        case _:
            return f"Ayrshare cannot be asked: {error}; check COLLECTOR_AYRSHARE_URL, which ends in /api"
