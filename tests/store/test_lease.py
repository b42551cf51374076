"""Claims of profiles: which ones, in which order, by which index."""

import asyncio
import json
from datetime import UTC, datetime

from collector.models.analytics import SeenAnswer
from collector.models.outcome import Failure, Success
from collector.models.poll import Claim, PollRecord
from collector.store import lease as lease_module
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.profiles import new_profile

OWNERS = "SELECT lease_owner FROM profile ORDER BY lease_owner"
SEEN = SeenAnswer(last_updated=None, next_update=None)


def polled(claim: Claim, *, good: bool) -> PollRecord:
    return PollRecord(
        profile_id=claim.profile_id,
        lease_until=claim.lease_until,
        outcome=Success.OK if good else Failure.TIMEOUT,
        duration_seconds=0.1,
        next_poll_in=0.0,
        analytics=SEEN if good else None,
    )


async def registered(database: Database, *names: str) -> None:
    await ProfileStore(database).put([new_profile(name, f"key-of-{name}") for name in names])


def leases(database: Database, owner: str = "me", seconds: float = 60.0) -> LeaseStore:
    return LeaseStore(database, owner=owner, seconds=seconds)


async def test_profiles_that_waited_longest_come_first(database: Database) -> None:
    await registered(database, "a", "b", "c")
    for name, minutes in (("a", 1), ("b", 3), ("c", 2)):
        sql = "UPDATE profile SET next_poll_at = now() - $2 * interval '1 minute' WHERE name = $1"
        await database.execute(sql, name, float(minutes))
    first = await leases(database).claim_due(2)
    assert sorted(claim.name for claim in first) == ["b", "c"]
    assert [claim.name for claim in await leases(database).claim_due(2)] == ["a"]


async def test_nothing_is_claimed_that_is_not_due_or_waits_for_somebody(database: Database) -> None:
    await registered(database, "later", "never", "now")
    await database.execute("UPDATE profile SET next_poll_at = now() + interval '1 s' WHERE name = 'later'")
    await database.execute("UPDATE profile SET next_poll_at = NULL WHERE name = 'never'")
    assert [claim.name for claim in await leases(database).claim_due(10)] == ["now"]


async def test_claimers_at_the_same_time_never_get_the_same_profile(database: Database) -> None:
    await registered(database, *(f"p{index}" for index in range(40)))
    claims = await asyncio.gather(*(leases(database, f"owner-{index}").claim_due(7) for index in range(8)))
    names = [claim.name for batch in claims for claim in batch]
    assert len(names) == len(set(names)) == 40


async def test_a_released_claim_can_be_claimed_again_and_a_lost_one_is_left_alone(database: Database) -> None:
    await registered(database, "p")
    mine = await leases(database, seconds=0.01).claim_due(1)
    async with asyncio.timeout(10):
        while not (theirs := await leases(database, "other").claim_due(1)):
            await asyncio.sleep(0.01)
    await leases(database).release(mine)
    assert await leases(database).claim_due(1) == [], "the release of a lost claim must not end the other's"
    await leases(database, "other").release(theirs)
    assert len(await leases(database).claim_due(1)) == 1


async def test_an_owner_gives_back_what_it_holds_and_nothing_else(database: Database) -> None:
    await registered(database, "a", "b", "c")
    assert len(await leases(database).claim_due(2)) == 2
    assert len(await leases(database, "other").claim_due(2)) == 1
    await leases(database).release_all()
    assert [row["lease_owner"] for row in await database.fetch(OWNERS)] == ["other", None, None]


async def test_half_of_a_claim_is_for_profiles_that_miss_days(database: Database) -> None:
    names = [f"{kind}{number}" for kind in ("early", "gappy") for number in range(4)]
    await registered(database, *names)
    await database.execute(
        "UPDATE profile SET behind = name LIKE 'gappy%', next_poll_at = CASE WHEN name LIKE 'gappy%' "
        "THEN now() - interval '1 second' ELSE now() - interval '1 day' END"
    )
    first = await leases(database).claim_due(4)
    assert sorted(claim.name[:5] for claim in first) == ["early", "early", "gappy", "gappy"]
    await leases(database).claim_due(2)
    assert len(await leases(database).claim_due(10)) == 2, "whoever there is gets what the other half leaves"


async def test_a_profile_misses_days_from_the_failure_that_lets_one_pass_to_the_next_good_poll(
    database: Database,
) -> None:
    await registered(database, "p")
    metrics, behind = MetricStore(database), "SELECT behind FROM profile"
    for days_ago, good, expected in ((3, False, False), (4, False, True), (4, True, False)):
        await database.execute(
            "UPDATE profile SET settle_days = 3, last_day = (now() AT TIME ZONE 'UTC')::date - $1::integer", days_ago
        )
        [claim] = await leases(database).claim_due(1)
        await metrics.write_polls([polled(claim, good=good)])
        assert await database.fetchval(behind) is expected


async def test_the_claim_walks_its_indexes_from_the_head(database: Database) -> None:
    await database.execute(
        "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, next_poll_at, behind) "
        "SELECT 'p' || i, 'c', decode(repeat('00', 140), 'hex'), '\\x00', now() + (i - 10000) * interval '1 s', "
        "i % 2 = 1 FROM generate_series(1, 20000) i"
    )
    await database.execute("ANALYZE profile")
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {lease_module._CLAIM_DUE}"
    [plan] = json.loads(await database.fetchval(explain, "me", 60.0, datetime.now(UTC), 50))
    walks = {node.get("Index Name"): node for node in nodes(plan["Plan"]) if node["Node Type"] == "Index Scan"}
    assert walks["profile_behind_idx"]["Actual Rows"] == 25
    assert walks["profile_next_poll_at_idx"]["Actual Rows"] == 25
    skipped = walks["profile_next_poll_at_idx"]["Rows Removed by Filter"]
    assert isinstance(skipped, int)
    assert skipped <= 25, "little more may be visited than is claimed"
    assert not [node for node in nodes(plan["Plan"]) if node["Node Type"] in {"Seq Scan", "Sort"}]


def nodes(plan: dict[str, object]) -> list[dict[str, object]]:
    children = plan.get("Plans", [])
    assert isinstance(children, list)
    return [plan, *(node for child in children for node in nodes(child))]
