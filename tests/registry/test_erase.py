"""Erasing leaves nothing of a profile or a client in any table, and proves it."""

import asyncio
from signal import SIGKILL

import pytest

from collector.errors import RegistryError
from collector.registry.erase import chosen, erase
from collector.store.pool import Database
from collector.store.removal import TABLES, RemovalStore
from tests.support.program import PATIENCE_SECONDS, Program

# Names that are nowhere else, so that they are found wherever they are left.
_FILL = """
INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, first_day, settled_through)
SELECT format('%s %s', client, n), client, 'x', sha256((client || n)::bytea), '2025-01-01', '2026-01-01'
FROM unnest('{zz-leaves,zz-stays}'::text[]) AS client, generate_series(1, 3) n;
INSERT INTO daily_metric (profile_id, day, impression)
SELECT id, '2025-01-01'::date + n, n FROM profile, generate_series(0, 300) n;
INSERT INTO daily_metric_revision (profile_id, day, revision, observed_at, last_seen_at)
SELECT id, '2025-01-01', 1, now(), now() FROM profile;
INSERT INTO account_snapshot (profile_id, observed_at) SELECT id, now() FROM profile;
INSERT INTO poll_log (profile_id, polled_at, outcome, duration_seconds, rows_new, rows_changed, problems, excerpt)
SELECT id, now() - n * interval '10 days', 'ok', 1, 1, 0, 0, name FROM profile, generate_series(0, 8) n;
INSERT INTO lost_day (profile_id, day, whose, reason, cause_first, cause_last)
SELECT id, '2025-02-01', 'us', 'paused', '2025-02-01', '2025-02-02' FROM profile;
INSERT INTO drop_episode (
    profile_id, metric, detected_day, first_day, last_day, observed, expected, expected_low, score, lost_share, sentence
)
SELECT id, 'save', '2025-03-01', '2025-03-01', '2025-03-01', 1, 2, 2, 3, 0.5, name FROM profile;
INSERT INTO drop_dismissal (profile_id, metric, first_day, dismissed_note, dismissed_by)
SELECT id, 'save', '2025-03-01', name, 'me' FROM profile;
INSERT INTO drop_verdict (profile_id, sensitivity) SELECT id, 'normal' FROM profile;
INSERT INTO drop_band (profile_id, since, expected, low) SELECT id, '2025-01-01', '{1}', '{1}' FROM profile;
INSERT INTO drop_sensitivity (scope, name, sensitivity)
SELECT 'profile', name, 'low' FROM profile UNION SELECT 'client', client, 'high' FROM profile;
INSERT INTO pin (profile_id, client_ref, media_urls, description, state, published_at, ayrshare_id)
SELECT id, 'r', '{https://x.example/a.jpg}', name, 'published', now(), 'a' || id FROM profile;
INSERT INTO pin_lane (profile_id) SELECT id FROM profile ON CONFLICT DO NOTHING;
INSERT INTO pin_arrival (profile_id, due_at) SELECT id, now() FROM profile;
INSERT INTO profile_import (source, profile_id) SELECT 'tool', id FROM profile;
INSERT INTO pin_metric (profile_id, pin_id, observed_at) SELECT profile_id, id, now() FROM pin;
INSERT INTO native_pin (profile_id, pinterest_pin_id, created_at, title) SELECT id, 'n', now(), name FROM profile;
INSERT INTO native_look (profile_id, next_at) SELECT id, now() FROM profile;
INSERT INTO monthly_report (month, client, file) SELECT DISTINCT '2025-01-01'::date, client, client FROM profile;
UPDATE profile SET state = 'unlinked', state_reason = name;
INSERT INTO notice (key, kind, profile_id, profile, client, happened_at, detail)
SELECT name, 'drop_opened', id, name, client, now(), name FROM profile;
INSERT INTO client (name, country) SELECT DISTINCT client, 'DE' FROM profile;
INSERT INTO api_token (name, sha256, may_change, client)
SELECT DISTINCT 'of ' || client, sha256(client::bytea), false, client FROM profile;
INSERT INTO pin_upload (client, file_name, data, time_zone, date_format, replaces, past, media)
SELECT NULL, 'all', 'zz-leaves', '', '', false, false, '{}'
UNION ALL
SELECT DISTINCT client, client, client::bytea, '', '', false, false, '{}'::jsonb FROM profile;
"""


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.connection() as connection:
        await connection.execute(_FILL)
    return database


async def tables_with(database: Database, text: str) -> list[str]:
    """Return the tables in which any row holds the text, in bytes too."""
    found = []
    for (table,) in await database.fetch("SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'"):
        statement = f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, $1) + strpos(t::text, $2) > 0)"
        if await database.fetchval(statement, text, text.encode().hex()):
            found.append(table)
    return found


async def test_every_table_of_profiles_is_known(database: Database) -> None:
    rows = await database.fetch(
        """
        SELECT table_name
        FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public'
          AND column_name = 'profile_id'
          AND table_type = 'BASE TABLE'
        """
    )
    assert sorted(TABLES) == sorted(row["table_name"] for row in rows), "add it to collector/store/removal.py"


async def test_nothing_of_a_client_is_left_anywhere(filled: Database) -> None:
    store = RemovalStore(filled)
    if aggregates := await store.aggregates():
        async with filled.connection() as connection:
            await connection.execute("CALL refresh_continuous_aggregate('weekly_metric_aggregate', NULL, NULL)")
            await connection.execute("SELECT compress_chunk(c) FROM show_chunks('daily_metric') c")
    assert "pin" in await tables_with(filled, "zz-leaves")
    profiles, _ = await chosen(store, [], "zz-leaves")
    steps: list[int] = []
    proof = {each.table: each for each in await erase(store, profiles, "zz-leaves", steps.append)}
    assert sum(steps) == 3
    assert set(proof) == {"profile", *TABLES, *aggregates, "client zz-leaves"}
    assert all(each.before > 0 and each.after == 0 for each in proof.values()), proof
    assert await tables_with(filled, "zz-leaves") == []
    left = await store.counts([each.id for each in await store.of_client("zz-stays")])
    assert left["daily_metric"] == 903
    assert all(left.values()), "what is of others stays"
    assert await store.client_rows("zz-stays") > 0


async def test_a_pin_that_goes_live_while_its_profile_is_removed_deadlocks_with_nobody(filled: Database) -> None:
    store = RemovalStore(filled)
    [profile] = await store.named(["zz-leaves 1"])
    async with filled.transaction() as publisher:
        await publisher.execute("UPDATE pin SET last_error = NULL WHERE profile_id = $1", profile.id)
        await publisher.execute("DELETE FROM pin_result WHERE profile_id = $1", profile.id)
        removal = asyncio.create_task(store.remove([profile.id]))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await filled.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.02)
        # Its results are followed from now on, for which the profile has to stay.
        await publisher.execute("UPDATE pin SET ayrshare_id = 'new' WHERE profile_id = $1", profile.id)
    await removal
    assert not any((await store.counts([profile.id])).values())


async def test_one_profile_leaves_its_client_alone(filled: Database) -> None:
    store = RemovalStore(filled)
    profiles, gone = await chosen(store, ["zz-leaves 1", "zz-gone"], None)
    await erase(store, profiles, None, lambda _removed: None)
    assert gone == ["zz-gone"]
    assert await tables_with(filled, "zz-leaves 1") == []
    assert await filled.fetchval("SELECT country FROM client WHERE name = 'zz-leaves'") == "DE"


async def test_pins_that_are_not_settled_keep_everything(filled: Database) -> None:
    await filled.execute("UPDATE pin SET state = 'unknown' WHERE description = 'zz-leaves 3'")
    store = RemovalStore(filled)
    profiles, _ = await chosen(store, [], "zz-leaves")
    with pytest.raises(RegistryError, match="zz-leaves 3 has 1"):
        await erase(store, profiles, "zz-leaves", lambda _removed: None)
    assert len(await store.of_client("zz-leaves")) == 3
    assert (await store.counts([each.id for each in profiles]))["poll_log"] == 27


async def test_a_notice_that_is_found_at_this_moment_goes_too(filled: Database) -> None:
    store = RemovalStore(filled)
    profiles, _ = await chosen(store, ["zz-leaves 1"], None)
    async with filled.connection() as finder, asyncio.TaskGroup() as group:
        await finder.execute(
            "BEGIN; "
            "INSERT INTO notice (key, kind, profile_id, profile, client, happened_at) "
            "SELECT 'just now', 'drop_opened', id, name, client, now() FROM profile WHERE name = 'zz-leaves 1'"
        )
        erasing = group.create_task(erase(store, profiles, None, lambda _removed: None))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not erasing.done() and not await filled.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
        await finder.execute("COMMIT")
    assert await tables_with(filled, "zz-leaves 1") == []


async def test_killed_and_run_again_it_ends_with_nothing_left(collector: Program, filled: Database) -> None:
    arguments = ("profiles", "remove", "--client", "zz-leaves", "--erase", "--yes")
    async with filled.transaction() as connection, collector.started(*arguments) as process:
        # It has deleted much of its step, and waits for one of the last tables.
        await connection.execute("SELECT FROM notice FOR UPDATE")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await filled.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
        process.send_signal(SIGKILL)
        await process.wait()
    assert await filled.fetchval("SELECT count(*) FROM profile WHERE client = 'zz-leaves'") == 3
    again = await collector(*arguments)
    assert again.code == 0, again.err
    assert [line.split() for line in again.out.splitlines() if line.startswith("daily_metric ")] == [
        ["daily_metric", "903", "0"]
    ]
    assert again.out.endswith("nothing is left\n3 removed\n")
    assert await tables_with(filled, "zz-leaves") == []
    third = await collector(*arguments)
    assert third.code == 1
    assert "there is nothing of client zz-leaves" in third.err
