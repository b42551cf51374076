"""What operators do wrong beside daemons that work: files, keys, settings, names; and hands that take locks."""

import asyncio
from typing import Any

import asyncpg

from tests.chaos.scenario import ALL_ROLES, Scenario
from tests.chaos.stage import Stage
from tests.support.databases import as_user

_REGISTRY = """
SELECT md5(string_agg(concat_ws('|', name, client, tags, ref_id, key_fingerprint, state), ' ' ORDER BY id))
FROM profile
"""
_QUEUE = "SELECT count(*) FROM pin"
_UNKNOWN_KEY = "NOT-A-KEY-0123456789"
_PINS = "profile,client_ref,publish_at,description,media_urls\n"
_OTHER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
_ALL_TABLES = """
SELECT string_agg(tablename, ', ')
FROM pg_tables
WHERE schemaname = 'public'
  AND tablename NOT IN ('schema_migration', 'writer_lock')
"""
_FAILURES = "SELECT count(*) FROM poll_log WHERE outcome NOT IN ('ok', 'unchanged')"


async def _unchanged(stage: Stage, sql: str, before: Any) -> None:
    if await stage.server.owner.fetchval(sql) != before:
        stage.complaints.append(f"a command that was refused changed something: {sql}")


async def _registry_files(stage: Stage) -> None:
    """Import tables of profiles that are wrong, or lack what is registered, and change profiles without their keys."""
    name, other = stage.name(0), stage.name(1)
    taken = stage.ayrshare.identity(1).profile_key
    async with stage.trouble():
        await stage.expect(0, "", "profiles", "edit", name, "--tags", "a,b", "--ref-id", "ref-1")
        before = await stage.server.owner.fetchval(_REGISTRY)
        wrong: dict[str, str | bytes] = {
            "key-of-another.csv": f"name,client,profile_key\n{name},acme,{taken}\n",
            "new-without-key.csv": "name,client\nnobody,acme\n",
            "no-table.csv": b"\x89PNG\r\n\x1a\n\x00\x00",
            "no-columns.csv": "one\ntwo\n",
            "option.csv": f"name,client,profile_key\n-acme,acme,{_UNKNOWN_KEY}\n",
            "bidi.csv": f"name,client,profile_key\nac\u202eme,acme,{_UNKNOWN_KEY}\n",
        }
        for file, text in wrong.items():
            await stage.expect(1, "", "profiles", "import", stage.file(file, text))
        good = stage.file("partial.csv", f"name,client\n{name},acme\n{other},acme\n")
        await stage.expect(0, "", "profiles", "import", "--dry-run", good)
        await stage.expect(0, "", "profiles", "import", good)
        empty = stage.file("empty.csv", f"name,client,ref_id,tags\n{name},acme,,\n")
        await stage.expect(0, "", "profiles", "import", empty)
        await _unchanged(stage, _REGISTRY, before)
        await stage.expect(0, "", "profiles", "import", "--clear-empty", empty)
        await stage.until(f"SELECT tags = '{{}}' AND ref_id IS NULL FROM profile WHERE name = '{name}'")
        await stage.expect(0, "", "profiles", "rename", other, "another name")
        await stage.expect(0, "", "profiles", "rename", "another name", other)


async def _keys(stage: Stage) -> None:
    """Replace a good key by one that nobody knows, and add profiles with such keys."""
    before = await stage.server.owner.fetchval(_REGISTRY)
    async with stage.trouble(newcomers=0):
        await stage.expect(1, "nothing was changed", "profiles", "rotate-key", stage.name(0), stdin=_UNKNOWN_KEY)
        await stage.expect(1, "", "profiles", "add", "nobody", "--client", "acme", stdin=_UNKNOWN_KEY)
        await stage.expect(2, "", "profiles", "add", "-acme", "--client", "acme", stdin=_UNKNOWN_KEY)
        open_file = stage.file("key.txt", _UNKNOWN_KEY)
        await stage.expect(2, "", "profiles", "add", "nobody", "--client", "acme", "--key-file", open_file)
        await _unchanged(stage, _REGISTRY, before)


async def _pin_files(stage: Stage) -> None:
    """Import tables of pins that are wrong, and the same good one three times."""
    name, image = stage.name(0), "https://images.example.com/b.jpg"
    async with stage.trouble():
        before = await stage.server.owner.fetchval(_QUEUE)
        wrong: dict[str, str | bytes] = {
            "long-past.csv": f"{_PINS}{name},ref-1,2020-12-24T18:00:00Z,words,{image}\n",
            "no-profile.csv": f"{_PINS}nobody,ref-2,,words,{image}\n",
            "no-time.csv": f"{_PINS}{name},ref-3,24.12.2026 18:00,words,{image}\n",
            "no-image.csv": f"{_PINS}{name},ref-4,,words,\n",
            "board-name.csv": f"{_PINS.strip()},board_id\n{name},ref-5,,words,{image},Holidays\n",
            "one-of-two.csv": f"{_PINS}{name},ref-6,,words,{image}\n{name},ref-7,,words,ftp://x/y.jpg\n",
        }
        for file, text in wrong.items():
            await stage.expect(1, "line ", "pins", "import", stage.file(file, text))
        good = stage.file("good.csv", f"{_PINS}{name},ref-8,,a first pin,{image}\n{name},ref-9,,a second pin,{image}\n")
        await stage.expect(0, "", "pins", "import", "--dry-run", good)
        await _unchanged(stage, _QUEUE, before)
        for _ in range(3):
            await stage.expect(0, "", "pins", "import", good)
        await _unchanged(stage, _QUEUE, before + 2)
        other = stage.file("other.csv", f"{_PINS}{name},ref-8,,other words,{image}\n")
        await stage.expect(1, "", "pins", "import", other)
        await stage.expect(1, "", "pins", "import", "--replace", other)


async def _wrong_settings(stage: Stage) -> None:
    """Poll by hand, and look, with settings that are wrong."""
    everything = ("poll", "--all")
    async with stage.trouble(newcomers=0):
        failures = await stage.server.owner.fetchval(_FAILURES)
        await stage.expect(1, "check COLLECTOR_AYRSHARE_API_KEY", *everything, AYRSHARE_API_KEY="hunter2-hunter2")
        await stage.expect(1, "check COLLECTOR_AYRSHARE_URL", *everything, AYRSHARE_URL="http://127.0.0.1:1/api")
        await stage.expect(2, "they do not open", *everything, ENCRYPTION_KEYS=_OTHER_KEY)
        await stage.expect(2, "they do not open", "run", ENCRYPTION_KEYS=_OTHER_KEY)
        await stage.expect(2, "percent-encode the password", "status", DATABASE_URL="postgresql://a:p@ss/w#rd@h/db")
        await stage.expect(2, "COLLECTOR_API_TOKEN", "run", HTTP_HOST="0.0.0.0")
        await stage.expect(2, "", "run", POLL_INTERVAL="soon")
        await stage.expect(2, "there is no database in", "status", DATABASE_URL="", DATA_DIR=f"{stage.folder}/colector")
        unproven = (
            f"postgresql://agency:Another-Password-1@127.0.0.1:{stage.database.port}/postgres?sslmode=verify-full"
        )
        await stage.expect(2, "root certificate", "status", DATABASE_URL=unproven)
        await stage.expect(4, "", "status", DATABASE_URL=unproven.replace("?sslmode=verify-full", ""))
        await _unchanged(stage, _FAILURES, failures)


async def _locks(stage: Stage) -> None:
    """Let Grafana's role hold every lock that it can have, while profiles are added, written and the daemon starts."""
    reader = await asyncpg.connect(as_user(stage.server.owner_dsn, "grafana_reader"))
    try:
        await reader.execute("SET default_transaction_read_only = off")
        await reader.execute("SELECT pg_advisory_lock(key) FROM generate_series(0, 2000) AS key")
        await reader.execute("BEGIN")
        await reader.fetch("SELECT count(*) FROM client_day")
        async with stage.trouble():
            newcomer = await stage.start(ALL_ROLES)
            await newcomer.until_running()
            await stage.expect(0, "", "migrate", "--check")
            await stage.expect(0, "", "profiles", "edit", stage.name(0), "--client", "globex")
            await stage.lasts()
    finally:
        await reader.close()


async def _killed_unnoticed(stage: Stage) -> None:
    """Kill the only daemon; ``status`` says so; start it again."""
    async with stage.trouble():
        await stage.kill(stage.daemons[0])
        await asyncio.sleep(0.5)
        await stage.expect(0, "", "status")
        await stage.expect(0, "", "status", "--json")
        await stage.lasts()
    daemon = await stage.start(ALL_ROLES)
    await daemon.until_running()


async def _restored(stage: Stage) -> None:
    """Restore a backup made before sixteen pins went out: nobody knows of it but Ayrshare."""
    await stage.kill(stage.daemons[0])
    backup = str(stage.folder / "agency.backup")
    async with stage.trouble(newcomers=0):
        for place in range(16):
            await stage.pin(stage.name(place % 8))
        await stage.expect(0, "rows of", "backup", backup)
        publishing = await stage.start(ALL_ROLES)
        await stage.until("SELECT count(*) = 0 FROM pin WHERE state <> 'published'")
        await stage.kill(publishing)
        tables = await stage.server.owner.fetchval(_ALL_TABLES)
        await stage.server.owner.execute(f"TRUNCATE {tables}")
        await stage.expect(0, "due since, and unknown now: 16 pins", "restore", backup)
        await (await stage.start(ALL_ROLES)).until_running()
        await stage.until("SELECT count(*) = 0 FROM pin WHERE state <> 'published'")


SCENARIOS = (
    Scenario(
        name="restored",
        injected="a backup from before sixteen pins went out is restored",
        play=_restored,
    ),
    Scenario(
        name="registry-files",
        injected="eight wrong or partial tables of profiles, renames; nothing is lost",
        play=_registry_files,
    ),
    Scenario(
        name="registry-keys",
        injected="keys that nobody knows, `rotate-key` with one, an open key file, `-acme`",
        play=_keys,
    ),
    Scenario(
        name="pin-files",
        injected="six wrong tables of pins, a good one three times, other words for a known one",
        play=_pin_files,
    ),
    Scenario(
        name="wrong-settings",
        injected="ten commands with a wrong key, address, password, folder, token or TLS",
        play=_wrong_settings,
    ),
    Scenario(
        name="reader-holds-locks",
        injected="grafana_reader holds 2,001 advisory locks and a read while a daemon starts",
        play=_locks,
        seconds=8,
    ),
    Scenario(
        name="killed-unnoticed",
        injected="the only daemon killed for 10 s; `status`",
        play=_killed_unnoticed,
        seconds=10,
    ),
)
