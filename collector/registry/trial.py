"""Tries keys on Ayrshare before they are relied on. Nothing is written."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient
from collector.errors import AyrshareError, CollectorError
from collector.loops.gate import Gate
from collector.models import Failure


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
        await anext(client.profiles(), None)
    except AyrshareError as error:
        match error.failure:
            case Failure.RATE_LIMITED:
                return
            case Failure.UNAUTHORIZED:
                why = "Ayrshare refuses the API key: check COLLECTOR_AYRSHARE_API_KEY"
            case _ if error.unsent:
                why = f"Ayrshare cannot be asked: {error}"
            case _:
                why = f"Ayrshare cannot be asked: {error}; check COLLECTOR_AYRSHARE_URL, which ends in /api"
        raise CollectorError(f"{why}; nothing was polled or written") from None
