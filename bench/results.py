"""Measures what following pins costs: bytes of WAL by answer, and a round where a million pins are followed."""

import time

import uvloop
from msgspec.structs import replace

from bench.support import bench_database, identities, register
from bench.wal import wal_of
from collector.models.result import PinNumbers
from collector.store.pin_result import ResultStore
from collector.store.pool import Database
from collector.track.decision import after_numbers

PINS = 10_000
MANY = 1_000_000
_BATCH = 20
_FIRST = PinNumbers(impression=500, save=12, pin_click=30, outbound_click=4, extra='{"save_rate":0.024}')
# Their ids are all that Ayrshare gave; what was published within the last 90 days is followed by itself.
_PUBLISH = """
INSERT INTO pin (profile_id, client_ref, media_urls, state, publish_at, published_at, ayrshare_id)
SELECT
    1 + n % (SELECT count(*) FROM profile), 'pin-' || n, '{https://x.example/a.jpg}', 'published', at, at, 'post-' || n
FROM generate_series($1::integer, $2::integer) AS n
CROSS JOIN LATERAL (SELECT now() - (2 + n % 80) * interval '1 day' AS at) t
"""


async def ask_due(database: Database, told: PinNumbers, *, rounds: int) -> float:
    """Claim as many pins at a time as a round does, and record the same answer of each; return the seconds."""
    results = ResultStore(database, seconds=180.0)
    started = time.perf_counter()
    for _ in range(rounds):
        claims = await results.claim(_BATCH)
        # None of these pins is over: what is measured is the same for each.
        await results.record([replace(after_numbers(claim, told), next_in=86_400.0, ended=None) for claim in claims])
    return time.perf_counter() - started


async def show(database: Database, title: str, told: PinNumbers) -> None:
    await database.execute("UPDATE pin_result SET next_at = now()")
    await database.fetch("VACUUM ANALYZE")
    sizes = await wal_of(database, ask_due(database, told, rounds=PINS // _BATCH))
    rows = await database.fetchval("SELECT count(*) FROM pin_metric")
    print(
        f"{title:<12} {sum(sizes.values()) / PINS:5.0f} bytes of WAL an answer, of pin_metric "
        f"{sizes['pin_metric'] / PINS:.0f}; {rows} rows of pin_metric"
    )


async def main() -> None:
    async with bench_database() as database:
        await register(database, identities(1000))
        await database.execute(_PUBLISH, 1, PINS)
        await show(database, "first", _FIRST)
        await show(database, "unchanged", _FIRST)
        await show(database, "changed", replace(_FIRST, impression=510, save=13))
        await database.execute("UPDATE pin_result SET next_at = now()")
        seconds = await ask_due(database, _FIRST, rounds=PINS // _BATCH)
        print(f"claimed and recorded: {PINS / seconds:.0f} answers a second")
        for start in range(PINS + 1, MANY, 100_000):
            await database.execute(_PUBLISH, start, min(MANY, start + 99_999))
        await database.fetch("VACUUM ANALYZE")
        await database.execute("UPDATE pin_result SET next_at = now() - random() * interval '1 day'")
        await database.fetch("VACUUM")
        rounds = 200
        seconds = await ask_due(database, _FIRST, rounds=rounds)
        print(f"with {MANY} pins followed and due: {1000 * seconds / rounds:.1f} ms a round of {_BATCH}")


if __name__ == "__main__":
    uvloop.run(main())
