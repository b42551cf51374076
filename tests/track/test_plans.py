"""What the tracker asks of the database is found by indexes, however many pins are followed."""

import json

from collector.models.result import ResultRecord
from collector.store import pin_result
from collector.store.columns import columns
from collector.store.pool import Database
from collector.track.decision import after_numbers
from tests.support.ayrshare import Ayrshare
from tests.support.plans import scans_of
from tests.support.profiles import register

FOLLOWED = """
INSERT INTO pin (profile_id, client_ref, media_urls, state, published_at, ayrshare_id)
SELECT 1 + i % 50, i, '{https://images.example.com/a.jpg}', 'published', now() - interval '1 hour', 'post-' || i
FROM generate_series(1, 40000) i
"""


async def test_a_round_walks_indexes_however_many_pins_are_followed(database: Database, ayrshare: Ayrshare) -> None:
    await register(database, ayrshare, 50)
    async with database.connection() as connection:
        # The tables are empty when they are analysed, which misleads the planner most.
        await connection.execute("VACUUM ANALYZE pin, pin_result")
    await database.execute(FOLLOWED)
    await database.execute("UPDATE pin_result SET next_at = now() WHERE pin_id % 100 = 0")
    claims = await pin_result.ResultStore(database, seconds=60.0).claim(20)
    assert len(claims) == 20
    records = columns(ResultRecord, [after_numbers(claim, claim.known) for claim in claims])
    one = claims[0]
    for sql, arguments in (
        (pin_result.CLAIM, (20, 60.0)),
        (pin_result.RECORD, records),
        (pin_result.PUT_OFF, (one.profile_id, [one.pin_id], one.claimed_until, 60.0)),
    ):
        plan = json.loads(await database.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments))
        scans = set(scans_of(plan[0]["Plan"]))
        assert not {("Seq Scan", "pin"), ("Seq Scan", "pin_result")} & scans, sql
