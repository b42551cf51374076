"""Claims of profiles: which ones, in which order, by which index."""

import asyncio
import json
from datetime import UTC, datetime

from collector.store import lease as lease_module
from collector.store.lease import LeaseStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.profiles import new_profile

OWNERS = "SELECT lease_owner FROM profile ORDER BY lease_owner"


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


async def test_the_claim_walks_its_index_from_the_head(database: Database) -> None:
    await database.execute(
        "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, next_poll_at) "
        "SELECT 'p' || i, 'c', decode(repeat('00', 140), 'hex'), '\\x00', now() + (i - 10000) * interval '1 s' "
        "FROM generate_series(1, 20000) i"
    )
    await database.execute("ANALYZE profile")
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {lease_module._CLAIM_DUE}"
    [plan] = json.loads(await database.fetchval(explain, "me", 60.0, datetime.now(UTC), 50))
    walk = [node for node in nodes(plan["Plan"]) if node.get("Index Name") == "profile_next_poll_at_idx"]
    assert [node["Node Type"] for node in walk] == ["Index Scan"]
    assert walk[0]["Actual Rows"] == 50, "no more rows may be visited than are claimed"
    assert not [node for node in nodes(plan["Plan"]) if node["Node Type"] in {"Seq Scan", "Sort"}]


def nodes(plan: dict[str, object]) -> list[dict[str, object]]:
    children = plan.get("Plans", [])
    assert isinstance(children, list)
    return [plan, *(node for child in children for node in nodes(child))]
