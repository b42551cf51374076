"""``profiles rotate-encryption`` gives all stored profile keys a new encryption key, while daemons poll with them."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken

from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import ENCRYPTION_KEY, register
from tests.support.program import Program
from tests.support.proxy import proxied

NEW = Fernet.generate_key().decode()
BOTH = f"{NEW},{ENCRYPTION_KEY}"
DEADLINE = 30.0
DONE = "profile keys, all encrypted with the first encryption key; no other is needed\n"


@asynccontextmanager
async def daemon(calling: Program, **settings: str) -> AsyncIterator[None]:
    chosen = {"HTTP_PORT": "0", "ROLES": "poller", "POLL_INTERVAL": "1d"} | settings
    async with calling.started("run", **chosen) as process:
        yield
        process.terminate()
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == 0


async def until(database: Database, condition: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await database.fetchval(f"SELECT {condition}"):
            await asyncio.sleep(0.05)


async def opened(database: Database, key: str) -> int:
    """Count the profile keys that this encryption key has encrypted."""
    rows = await database.fetch("SELECT key_ciphertext FROM profile")
    return sum(is_token_of(key, row["key_ciphertext"]) for row in rows)


def is_token_of(key: str, ciphertext: bytes) -> bool:
    try:
        Fernet(key).decrypt(ciphertext)
    except InvalidToken:
        return False
    return True


async def calls(ayrshare: Ayrshare) -> int:
    return int((await ayrshare.record())["requests"]["POST /analytics/social"])


async def test_polls_under_way_and_later_ones_are_not_disturbed(
    calling: Program, database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 20)
    await database.execute("UPDATE profile SET next_poll_at = 'infinity'")
    port = urlsplit(ayrshare.url).port
    async with (
        proxied(partial(asyncio.open_connection, "127.0.0.1", port)) as proxy,
        daemon(calling, AYRSHARE_URL=f"http://127.0.0.1:{proxy.port}/api", ENCRYPTION_KEYS=BOTH),
    ):
        proxy.freeze()
        await database.execute("UPDATE profile SET next_poll_at = now()")
        await until(database, "(SELECT count(*) FROM profile WHERE lease_until IS NOT NULL) = 20")
        rotated = await calling("profiles", "rotate-encryption", ENCRYPTION_KEYS=BOTH)
        assert await database.fetchval("SELECT count(*) FROM poll_log") == 0, "polls must be under way"
        await proxy.mend()
        await until(database, "(SELECT count(*) FROM profile WHERE last_outcome = 'ok') = 20")
        await database.execute("UPDATE profile SET next_poll_at = now()")
        await until(database, "(SELECT count(*) FROM poll_log) >= 40")
    assert (rotated.code, rotated.out) == (0, f"20 {DONE}"), rotated.err
    assert await opened(database, NEW) == 20
    assert await database.fetchval("SELECT array_agg(DISTINCT outcome ORDER BY outcome) FROM poll_log") == [
        "ok",
        "unchanged",
    ]
    assert await calls(ayrshare) == await database.fetchval("SELECT count(*) FROM poll_log") == 40
    polled = await calling("poll", "--all", ENCRYPTION_KEYS=NEW)
    assert polled.code == 0, "the old key is not needed"


async def test_killed_in_the_middle_it_carries_on(calling: Program, database: Database, ayrshare: Ayrshare) -> None:
    ids = await register(database, ayrshare, 20)
    async with database.transaction() as connection:
        # What is locked is left for another pass, and here the passes end by SIGKILL.
        await connection.execute("SELECT FROM profile WHERE id = $1 FOR UPDATE", ids[7])
        async with calling.started("profiles", "rotate-encryption", ENCRYPTION_KEYS=BOTH) as process:
            async with asyncio.timeout(DEADLINE):
                while await opened(database, NEW) < 19:
                    await asyncio.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            await process.wait()
    checked = await calling("profiles", "rotate-encryption", "--check", ENCRYPTION_KEYS=BOTH)
    assert checked.code == 1
    assert "1 of 20 profile keys need another encryption key than the first" in checked.err
    again = await calling("profiles", "rotate-encryption", ENCRYPTION_KEYS=BOTH)
    assert (again.code, again.out) == (0, f"20 {DONE}"), again.err
    last = await calling("profiles", "rotate-encryption", "--check", ENCRYPTION_KEYS=NEW)
    assert (last.code, last.out) == (0, f"20 {DONE}"), last.err


async def test_a_daemon_without_the_new_key_is_named_and_nothing_is_changed(
    calling: Program, database: Database, ayrshare: Ayrshare
) -> None:
    await register(database, ayrshare, 2)
    async with daemon(calling):
        await until(database, "EXISTS (SELECT FROM daemon WHERE encrypts_with IS NOT NULL)")
        owner = await database.fetchval("SELECT owner FROM daemon")
        refused = await calling("profiles", "rotate-encryption", ENCRYPTION_KEYS=BOTH)
    assert refused.code == 1
    assert f"daemons were started with another first encryption key: {owner}; restart them" in refused.err
    assert await opened(database, NEW) == 0
    assert (await calling("profiles", "rotate-encryption", ENCRYPTION_KEYS=BOTH)).code == 0, "it has stopped"


async def test_a_key_that_none_opens_is_named_and_the_others_are_done(
    calling: Program, database: Database, ayrshare: Ayrshare
) -> None:
    ids = await register(database, ayrshare, 3)
    foreign = Fernet(Fernet.generate_key()).encrypt(b"AAAA")
    await database.execute("UPDATE profile SET key_ciphertext = $2 WHERE id = $1", ids[1], foreign)
    ended = await calling("profiles", "rotate-encryption", ENCRYPTION_KEYS=BOTH)
    assert ended.code == 1
    assert f"no encryption key opens the profile keys of {ayrshare.identity(1).title};" in ended.err
    assert await database.fetchval("SELECT key_ciphertext FROM profile WHERE id = $1", ids[1]) == foreign
    checked = await calling("profiles", "rotate-encryption", "--check", ENCRYPTION_KEYS=BOTH)
    assert "need another encryption key" not in checked.err
