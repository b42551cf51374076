"""Measures the console and the API at 200 requests a second, while the same daemon polls 1,000 of 10,000 profiles.

Generator, emulator and database are processes of their own, which share the machine's cores with the daemon. A round
polls with and without the load: at a steady pace, and all 1,000 at once. ``--rate`` takes other rates, ``--apart``
gives the pages a process of their own, and ``--attach`` takes a filled database, which it leaves as it is, but for what
a daemon does. COLLECTOR_PG_BINDIR chooses the server.
"""

import argparse
import asyncio
import os
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from itertools import cycle, islice

import aiohttp
import msgspec
import uvloop
from pydantic import SecretStr

from bench.dashboards import fill
from bench.peers.server import ServerCpu, postmaster_of
from bench.startup import PORT, URL, daemon
from bench.support import KEYS, bench_dsn, describe, emulator_process, identities
from bench.traffic import MIX, PROFILES, Answered
from collector.crypto import fingerprint
from collector.store.pool import Database, open_database

POLLED = 1_000
DAYS = 30
PACE = 100
RATE = 200
ROLES = "poller,publisher,exporter,detector"
APART = {"pages": "exporter", "daemon": "poller,publisher,detector"}
TOKEN = "bench-0123456789abcdef"  # noqa: S105 -- of this benchmark's daemon

# Only some are ever due: the others' keys are nobody's.
_NOT_DUE = "UPDATE profile SET key_ciphertext = $1, next_poll_at = now() + interval '23 hours'"
_POLLED = """
UPDATE profile p
SET key_ciphertext = k.ciphertext, key_fingerprint = k.fingerprint, state = 'active', next_poll_at = now()
FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS k (ciphertext, fingerprint, place)
WHERE p.id = k.place * $3
RETURNING p.id
"""
_DUE = "UPDATE profile SET next_poll_at = now() WHERE id = ANY ($1::bigint[]) RETURNING now()"
_OPEN = "SELECT count(*) FROM profile WHERE id = ANY ($1::bigint[]) AND next_poll_at <= now()"
_LOGGED = "SELECT polled_at, count(*) AS polls FROM poll_log WHERE polled_at > $1 GROUP BY polled_at ORDER BY polled_at"
_UNJUDGED = """
SELECT count(*)
FROM profile p
JOIN drop_verdict v ON v.profile_id = p.id
WHERE p.id = ANY ($1::bigint[])
  AND v.settled_through IS DISTINCT FROM p.settled_through
"""


class Fleet(msgspec.Struct, frozen=True):
    """The database, the profiles in it that are polled, and the processes that poll them and serve pages."""

    database: Database
    ids: Sequence[int]
    processes: Mapping[str, int]


class Cores:
    """What each of the programs takes of the machine's cores from now on."""

    def __init__(self, processes: Mapping[str, int], postmaster: int) -> None:
        self._began = time.perf_counter()
        self._processes = {name: ServerCpu(pid) for name, pid in processes.items()}
        self._server = ServerCpu(postmaster)
        self._own = ServerCpu(os.getpid())
        self._ended = _ended_children()

    def used(self) -> dict[str, float]:
        """Return how many seconds of a core each one used in a second."""
        used = {name: cpu.seconds() for name, cpu in self._processes.items()}
        generator = _ended_children() - self._ended
        others = self._own.seconds() - sum(used.values()) - generator
        used |= {"PostgreSQL": self._server.seconds(), "generator": generator, "emulator and bench": others}
        took = time.perf_counter() - self._began
        return {name: seconds / took for name, seconds in used.items()}


def _ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@asynccontextmanager
async def running(attached: str | None, roles: Mapping[str, str]) -> AsyncIterator[Fleet]:
    """Run processes of these roles that have polled and judged everything once; the first serves the pages."""
    async with (
        emulator_process(profiles=POLLED, days=DAYS) as url,
        filled(attached) as (dsn, database),
        AsyncExitStack() as daemons,
    ):
        keys = [SecretStr(key) for _, key in identities(POLLED)]
        await database.execute(_NOT_DUE, KEYS.encrypt(SecretStr("nobody")))
        rows = await database.fetch(
            _POLLED, [KEYS.encrypt(key) for key in keys], [fingerprint(key) for key in keys], PROFILES // POLLED
        )
        variables = {
            "COLLECTOR_DATABASE_URL": dsn,
            "COLLECTOR_AYRSHARE_URL": url,
            "COLLECTOR_API_TOKEN": TOKEN,
            "COLLECTOR_POLL_INTERVAL": "24h",
        }
        processes = {}
        for place, (name, chosen) in enumerate(roles.items()):
            own = {"COLLECTOR_ROLES": chosen, "COLLECTOR_HTTP_PORT": str(PORT + place)}
            processes[name] = await daemons.enter_async_context(daemon(variables | own))
        fleet = Fleet(database, [row["id"] for row in rows], {name: each.pid for name, each in processes.items()})
        await warmed(fleet, next(iter(processes.values())))
        yield fleet


@asynccontextmanager
async def filled(attached: str | None) -> AsyncIterator[tuple[str, Database]]:
    if attached is not None:
        async with open_database(attached) as database:
            yield attached, database
        return
    async with bench_dsn() as dsn, open_database(dsn) as database:
        await fill(database, PROFILES, timescaledb=await describe(database))
        yield dsn, database


async def warmed(fleet: Fleet, process: asyncio.subprocess.Process) -> None:
    """Wait until all is polled and judged, and tell how long the first visitor waits for the fleet."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with asyncio.timeout(300), aiohttp.ClientSession(URL, headers=headers) as session:
        while not await _answers(session):
            assert process.returncode is None, "the daemon stopped"
            await asyncio.sleep(0.02)
        for visit in ("first", "second"):
            started = time.perf_counter()
            async with session.get("/") as response:
                assert response.status == 200, await response.text()
                await response.read()
            print(f"the fleet's page, {visit} visit   {1000 * (time.perf_counter() - started):6.0f} ms")
        while await fleet.database.fetchval(_OPEN, fleet.ids) or await fleet.database.fetchval(_UNJUDGED, fleet.ids):
            await asyncio.sleep(1.0)
    await fleet.database.fetch("VACUUM ANALYZE profile")
    await asyncio.sleep(10.0)


async def _answers(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/healthz") as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def paced(fleet: Fleet, seconds: float) -> float:
    """Let `PACE` profiles come due each second, and return how many a second were polled."""
    due = cycle(fleet.ids)
    began = None
    for _ in range(int(seconds)):
        started = time.perf_counter()
        moment = await fleet.database.fetchval(_DUE, list(islice(due, PACE)))
        began = began or moment
        await asyncio.sleep(1.0 - (time.perf_counter() - started))
    polled: int = sum(row["polls"] for row in await fleet.database.fetch(_LOGGED, began))
    return polled / int(seconds)


async def at_once(fleet: Fleet, seconds: float) -> float:
    """Let all come due together, again and again, and return the median of the polls a second while they are polled."""
    rates = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = await fleet.database.fetchval(_DUE, fleet.ids)
        while await fleet.database.fetchval(_OPEN, fleet.ids):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # the last batch is written
        rates.append(_rate(await fleet.database.fetch(_LOGGED, began)))
    return statistics.median(rates)


def _rate(batches: Sequence[tuple[datetime, int]]) -> float:
    (first, _), (last, _) = batches[0], batches[-1]
    polled: int = sum(polls for _, polls in batches[1:])
    return polled / (last - first).total_seconds()


async def loaded(seed: int, rate: int, seconds: float) -> list[Answered]:
    """Send requests from another process for so long, and return the answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.traffic", URL, str(rate), str(seconds), str(seed)),
        env=os.environ | {"COLLECTOR_API_TOKEN": TOKEN},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    return msgspec.json.decode(told, type=list[Answered])


def show(answers: Sequence[Answered]) -> None:
    by_name: dict[str, list[Answered]] = defaultdict(list)
    for answer in answers:
        by_name[answer.name].append(answer)
    print(f"{'':26} {'answers':>7} {'kB':>6} {'p50 ms':>7} {'p99 ms':>7} {'most':>6}")
    for _, name, _ in MIX:
        if found := by_name.get(name):
            _line(name, found)
    _line("all", answers)
    failed = [answer for answer in answers if answer.status != 200]
    print(f"not 200: {len(failed)} {sorted({(answer.name, answer.status) for answer in failed})}")


def _line(name: str, answers: Sequence[Answered]) -> None:
    took = sorted(answer.milliseconds for answer in answers)
    size = max(answer.size for answer in answers) / 1000
    middle, late = took[len(took) // 2], took[len(took) * 99 // 100]
    print(f"{name:26} {len(took):7} {size:6.1f} {middle:7.1f} {late:7.1f} {took[-1]:6.0f}")


async def main(rounds: int, rates: Sequence[int], seconds: float, attached: str | None, *, apart: bool) -> None:
    async with running(attached, APART if apart else {"daemon": ROLES}) as fleet:
        for rate in rates:
            print(f"{rate} requests a second for {seconds:.0f} s; load of the machine: {os.getloadavg()[0]:.1f}")
            show([answer for number in range(rounds) for answer in await played(fleet, number, rate, seconds)])


async def played(fleet: Fleet, number: int, rate: int, seconds: float) -> list[Answered]:
    """Poll in both ways with and without the load; return the answers beside polls at a steady pace."""
    answers: list[Answered] = []
    for title, polling in ((f"{PACE} due a second", paced), (f"all {POLLED:,} at once", at_once)):
        postmaster = await postmaster_of(fleet.database)
        cores = Cores(fleet.processes, postmaster)
        quiet = await polling(fleet, seconds)
        alone, cores = cores.used(), Cores(fleet.processes, postmaster)
        async with asyncio.TaskGroup() as group:
            busy = group.create_task(polling(fleet, seconds))
            found = await loaded(number, rate, seconds)
        used = cores.used()
        if polling is paced:
            answers += found
        late = sorted(answer.milliseconds for answer in found)[len(found) * 99 // 100]
        print(
            f"{title:22} {quiet:6.0f} polls/s alone, {busy.result():6.0f} under load, ratio "
            f"{busy.result() / quiet:.2f}; p99 {late:.0f} ms; load {os.getloadavg()[0]:.1f}"
        )
        print("  cores, alone and under load: "
              + ", ".join(f"{name} {alone[name]:.2f} {share:.2f}" for name, share in used.items()))  # fmt: skip
    return answers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, nargs="+", default=[RATE], help="requests a second, one after the other")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--attach", metavar="DSN", help="a database that bench.dashboards has filled")
    parser.add_argument("--apart", action="store_true", help="pages have a process of their own")
    options = parser.parse_args()
    uvloop.run(main(options.rounds, options.rate, options.seconds, options.attach, apart=options.apart))
