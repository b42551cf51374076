"""Sends requests at a steady pace: ``python -m bench.traffic URL RATE SECONDS`` prints a line of JSON for each answer.

The mix is that of a hundred people with a page open, which renews its parts by itself, and of programs that read the
API: three whole pages, four parts and three calls of the API in ten. A request is timed from the moment at which it was
to be sent, so an answer that is late for having waited for others counts as late.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Iterator

import aiohttp
import msgspec
import uvloop

PROFILES = 10_000
CLIENTS = PROFILES // 3

# How many of a hundred, what for, and from where.
MIX = (
    (5, "fleet", "/"),
    (2, "fleet, profiles found", "/?view=profiles&q=profile-0{some}"),
    (1, "fleet, page of profiles", "/?view=profiles&page={page}"),
    (5, "client", "/client?name=client-{client:04}"),
    (6, "profile, 90 days", "/profiles/{profile}"),
    (2, "profile, a year", "/profiles/{profile}?days=365&compare=1"),
    (3, "drops", "/drops"),
    (3, "pins", "/pins"),
    (2, "operations", "/operations"),
    (1, "a day", "/profiles/{profile}/days/{day}"),
    (14, "pulse", "/pulse"),
    (5, "fleet: totals", "/?part=totals"),
    (5, "fleet: attention", "/?part=attention"),
    (3, "fleet: list", "/?part=list"),
    (5, "profile: head", "/profiles/{profile}?part=head"),
    (5, "profile: polls", "/profiles/{profile}?part=polls"),
    (3, "client: trouble", "/client?name=client-{client:04}&part=trouble"),
    (5, "API: profiles, 50", "/api/v1/profiles?limit=50"),
    (5, "API: a profile", "/api/v1/profiles/{profile}"),
    (8, "API: metrics, 90 days", "/api/v1/metrics?profile=profile-{place:05}&from={since}&to={day}"),
    (3, "API: a client's weeks", "/api/v1/metrics?client=client-{client:04}&from={since}&to={day}&granularity=week"),
    (4, "API: pins", "/api/v1/pins?limit=50"),
    (3, "API: drops", "/api/v1/drops?limit=50"),
    (1, "API: clients", "/api/v1/clients?limit=100"),
    (1, "API: status", "/api/v1/status"),
)  # fmt: skip
_SHARES = [share for share, _, _ in MIX]
_DAY = 86_400.0


class Answered(msgspec.Struct, frozen=True):
    """An answer: what it was for, its status, how long it took, and its bytes as they came."""

    name: str
    status: int
    milliseconds: float
    size: int


def wishes(seed: int) -> Iterator[tuple[str, str]]:
    """Yield names and paths without an end."""
    dice = random.Random(seed)  # noqa: S311 -- no secret
    today = time.time()
    while True:
        [(_, name, path)] = dice.choices(MIX, _SHARES)
        place = dice.randrange(PROFILES)
        yield name, path.format(
            profile=place + 1, place=place, client=dice.randrange(CLIENTS), some=dice.randrange(1000),
            page=dice.randrange(1, PROFILES // 50), day=_iso(today - 10 * _DAY), since=_iso(today - 99 * _DAY),
        )  # fmt: skip


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


async def main(url: str, rate: float, seconds: float, seed: int) -> None:
    headers = {
        "Authorization": f"Bearer {os.environ['COLLECTOR_API_TOKEN']}",
        "Accept": "text/html, application/json",
        "Accept-Encoding": "gzip, deflate",
    }
    connector = aiohttp.TCPConnector(limit=100)
    async with aiohttp.ClientSession(url, headers=headers, connector=connector, auto_decompress=False) as session:

        async def ask(name: str, path: str, due: float) -> Answered:
            async with session.get(path, allow_redirects=False) as response:
                size = len(await response.read())
            return Answered(name, response.status, 1000 * (time.perf_counter() - due), size)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for place, (name, path) in zip(range(int(rate * seconds)), wishes(seed), strict=False):
                due = began + place / rate
                await asyncio.sleep(due - time.perf_counter())
                tasks.append(group.create_task(ask(name, path, due)))
    sys.stdout.buffer.write(msgspec.json.encode([task.result() for task in tasks]))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
