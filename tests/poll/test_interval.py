"""A shorter poll interval takes effect at the start, for healthy profiles."""

from typing import Any

from collector.poll.decision import Policy
from collector.poll.interval import shorten_waits
from collector.store.lease import LeaseStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.profiles import new_profile

HOUR = 3600.0
WAITS = """
SELECT name, extract(epoch FROM next_poll_at - now()) / 3600 AS hours
FROM profile
ORDER BY name
"""


async def waits(database: Database) -> dict[str, float]:
    return {row["name"]: float(row["hours"]) for row in await database.fetch(WAITS)}


async def waiting(database: Database, name: str, hours: float, **columns: Any) -> None:
    await ProfileStore(database).put([new_profile(name, f"key-of-{name}")])
    fields = {"last_success_at": "now()", **columns, "next_poll_at": f"now() + interval '{hours} hours'"}
    changes = ", ".join(f"{column} = {value}" for column, value in fields.items())
    await database.execute(f"UPDATE profile SET {changes} WHERE name = $1", name)


async def test_healthy_profiles_are_polled_within_the_new_interval(database: Database) -> None:
    for number in range(20):
        await waiting(database, f"well-{number:02d}", 20.0)
    await waiting(database, "soon", 0.5)
    await waiting(database, "backed-off", 20.0, consecutive_failures=3, last_outcome="'timeout'")
    await waiting(database, "unlinked", 20.0, state="'unlinked'", consecutive_failures=1)
    await waiting(database, "being-read", 20.0, lease_owner="'x'", lease_until="now() + interval '1 min'")
    leases = LeaseStore(database, owner="me", seconds=60.0)
    await shorten_waits(leases, Policy(interval=HOUR, settle_days=3))
    after = await waits(database)
    moved = [after.pop(f"well-{number:02d}") for number in range(20)]
    assert 0.49 < min(moved) < max(moved) <= 1.5
    assert max(moved) - min(moved) > 0.8, "spread over the interval"
    assert {name: round(hours, 1) for name, hours in after.items()} == {
        "soon": 0.5, "backed-off": 20.0, "unlinked": 20.0, "being-read": 20.0
    }  # fmt: skip


async def test_a_second_start_and_a_longer_interval_change_nothing(database: Database) -> None:
    await waiting(database, "well", 20.0)
    leases = LeaseStore(database, owner="me", seconds=60.0)
    await shorten_waits(leases, Policy(interval=24 * HOUR, settle_days=3))
    assert round((await waits(database))["well"], 1) == 20.0
    await shorten_waits(leases, Policy(interval=HOUR, settle_days=3))
    before = await database.fetchval("SELECT next_poll_at FROM profile")
    await shorten_waits(leases, Policy(interval=HOUR, settle_days=3))
    assert await database.fetchval("SELECT next_poll_at FROM profile") == before


async def test_a_rate_limit_keeps_its_window_however_short_the_interval(database: Database) -> None:
    await waiting(database, "limited", 290 / HOUR, rate_limit_count="299", rate_limit_max="300")
    await shorten_waits(LeaseStore(database, owner="me", seconds=60.0), Policy(interval=10.0, settle_days=3))
    assert (await waits(database))["limited"] > 280 / HOUR


async def test_thousands_are_moved_in_steps(database: Database) -> None:
    await database.execute(
        "INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, next_poll_at) "
        "SELECT 'p' || i, 'c', '\\x00', '\\x00', now() + interval '1 day' FROM generate_series(1, 2500) i"
    )
    await shorten_waits(LeaseStore(database, owner="me", seconds=60.0), Policy(interval=HOUR, settle_days=3))
    assert max((await waits(database)).values()) <= 1.5
