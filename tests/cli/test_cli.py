"""The commands as their users run them: exit codes, output, and that no secret is printed."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import aiohttp
import click
import pytest
from click.testing import CliRunner

from collector.cli import main
from collector.cli.group import LazyCommand
from collector.cli.progress import progress
from collector.config import Settings
from collector.setting_file import PREFIX
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import ENCRYPTION_KEY, KEYS, registered
from tests.support.program import PATIENCE_SECONDS, Program

COMMANDS = {
    (): ["Exit codes: 0 done, 1 failed", "COLLECTOR_DATABASE_URL"],
    ("demo",): ["--profiles", "--days", "--port", "--exit-after", "demo-data"],
    ("run",): ["--migrate"],
    ("migrate",): ["--check"],
    ("poll",): ["[PROFILE]...", "--all", "Exits with 1 if any of them failed"],
    ("status",): ["--json"],
    ("profiles",): ["add", "import", "list", "show", "pause", "resume", "remove", "rotate-key", "discover"],
    ("profiles", "add"): ["standard input", "--client", "--key-file"],
    ("profiles", "import"): ["name[,client,profile_key,ref_id,tags]", "All or nothing", "--dry-run", "--clear-empty"],
    ("profiles", "edit"): ["--client", "--ref-id", "--tags"],
    ("profiles", "rename"): ["NAME NEW_NAME"],
    ("profiles", "list"): [
        "--json",
        "--format",
        "--client",
        "--state",
        "--tag",
        "--text",
        "--since",
        "--until",
        "--sort",
        "--limit",
    ],
    ("profiles", "show"): ["--json"],
    ("profiles", "pause"): ["--reason"],
    ("profiles", "resume"): ["NAMES..."],
    ("profiles", "remove"): ["--yes"],
    ("profiles", "rotate-key"): ["standard input"],
    ("profiles", "discover"): ["--json"],
    ("emulator",): ["--profiles", "--port", "--days"],
}


async def test_a_list_of_commands_cuts_no_text(collector: Program) -> None:
    assert "..." not in (await collector("pins", "--help")).out.partition("Commands:")[2]


@pytest.fixture
async def twelve(database: Database, ayrshare: Ayrshare) -> list[str]:
    """The names of twelve registered profiles, all of them due."""
    identities = [ayrshare.identity(index) for index in range(12)]
    await registered(database, {each.title: each.profile_key for each in identities})
    return [each.title for each in identities]


# Help, usage and configuration.


@pytest.mark.parametrize("command", main.commands.values(), ids=lambda command: command.name)
def test_the_list_of_commands_says_what_their_own_help_says(command: click.Command) -> None:
    assert isinstance(command, LazyCommand)
    assert command.short_help == command.load().get_short_help_str(limit=10_000)


def test_the_list_of_commands_is_shown_without_loading_what_they_need() -> None:
    heavy = {"aiohttp", "asyncio", "asyncpg", "cryptography", "numpy", "pydantic", "rich", "structlog"}
    script = "import sys; from collector.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "profiles  Register, show and change client profiles." in shown.stdout
    assert heavy.isdisjoint(shown.stdout.splitlines()[-1].split())


def test_a_daemon_without_the_detector_holds_neither_numpy_nor_calendars() -> None:
    script = "import sys; import collector.cli.run; print(*sys.modules)"

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert {"numpy", "holidays"}.isdisjoint(shown.stdout.split())


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "collector")
def test_help_says_what_a_command_takes(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*command, "--help"])

    assert shown.exit_code == 0
    words = " ".join(shown.output.split())
    for text in COMMANDS[command]:
        assert text in words


def test_help_of_run_lists_every_setting_with_its_default() -> None:
    shown = CliRunner().invoke(main, ["run", "--help"]).output

    for name in Settings.model_fields:
        assert f"{PREFIX}{name.upper()}" in shown
    assert "[6h]" in shown
    assert "[3m]" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["profiles", "nonsense"],
        ["poll", "--nonsense"],
        ["poll", "a", "--all"],
        ["profiles", "add", "a"],
        ["profiles", "pause"],
        ["profiles", "import", "no-such-file.csv"],
        ["profiles", "import", "."],
        ["demo", "--port", "65536"],
        ["demo", "--days", "91"],
        ["emulator", "--profiles", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    refused = CliRunner().invoke(main, arguments)

    assert refused.exit_code == 2
    assert "Error: " in refused.stderr


async def test_every_configuration_problem_is_listed_at_once_and_no_secret_is_shown(tmp_path: Path) -> None:
    collector = Program(
        tmp_path,
        DATABASE_URL="mysql://user:hunter2@host/x",
        ENCRYPTION_KEYS="s3cr3t-key",
        POLL_INTERVAL="soon",
        HTTP_PORT="x",
    )
    refused = await collector("run")

    assert refused.code == 2
    assert refused.out == ""
    lines = refused.err.splitlines()
    named = {re.findall(r"COLLECTOR_[A-Z_]+", line)[0] for line in lines}
    assert named == {
        "COLLECTOR_DATABASE_URL",
        "COLLECTOR_ENCRYPTION_KEYS",
        "COLLECTOR_POLL_INTERVAL",
        "COLLECTOR_HTTP_PORT",
        "COLLECTOR_AYRSHARE_API_KEY",
    }
    assert len(lines) == 5
    assert all(line.startswith("error: ") for line in lines)
    assert "hunter2" not in refused.err
    assert "s3cr3t-key" not in refused.err


async def test_polling_without_an_api_key_is_a_configuration_problem(collector: Program) -> None:
    refused = await collector("poll")

    assert refused.code == 2
    assert refused.err.startswith("error: COLLECTOR_AYRSHARE_API_KEY is not set")


async def test_roles_that_do_not_call_ayrshare_need_no_keys(tmp_path: Path) -> None:
    nowhere = "postgresql://collector@127.0.0.1:1/collector"
    for roles, needed in (("exporter,detector", False), ("detector,publisher", True)):
        ended = await Program(tmp_path, ROLES=roles, DATABASE_URL=nowhere)("run")
        assert ended.code != 0
        assert ("COLLECTOR_AYRSHARE_API_KEY is not set" in ended.err) is needed
        assert ("COLLECTOR_ENCRYPTION_KEYS is required" in ended.err) is needed


def list_folder(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("command", ["run", "demo"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "collector.example.com"])
async def test_pages_that_others_reach_are_not_served_without_a_token(command: str, host: str, tmp_path: Path) -> None:
    collector = Program(tmp_path, HTTP_HOST=host, AYRSHARE_API_KEY="k")
    refused = await collector(command)

    assert refused.code == 2
    [line] = refused.err.splitlines()
    assert line.startswith("error: COLLECTOR_API_TOKEN or COLLECTOR_API_TOKEN_READ is required, because other machines")
    assert host in line
    assert list_folder(tmp_path) == []


async def test_a_standby_without_its_database_is_refused(tmp_path: Path) -> None:
    standby = "postgresql://u:p@standby:5432/collector"
    refused = await Program(tmp_path, AYRSHARE_API_KEY="k", DATABASE_READ_URL=standby)("run")
    assert refused.code == 2
    [line] = refused.err.splitlines()
    assert line.startswith("error: COLLECTOR_DATABASE_URL is required with COLLECTOR_DATABASE_READ_URL")
    assert list_folder(tmp_path) == []


async def test_the_daemon_refuses_encryption_keys_of_another_database(calling: Program, twelve: list[str]) -> None:
    assert twelve
    other = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    refused = await calling("run", ENCRYPTION_KEYS=other, HTTP_PORT="0")

    assert refused.code == 2
    assert "COLLECTOR_ENCRYPTION_KEYS: they do not open the profile keys in this database" in refused.err
    assert other not in refused.err


# The database.


async def test_an_unreachable_database_is_one_clear_line_and_exit_code_4(tmp_path: Path) -> None:
    with taken_port(listening=False) as port:
        refused = await Program(tmp_path, DATABASE_URL=f"postgresql://user:hunter2@127.0.0.1:{port}/x")("status")

    assert refused.code == 4
    assert len(refused.err.splitlines()) == 1
    assert refused.err.startswith("error: the database x at 127.0.0.1:")
    assert "(COLLECTOR_DATABASE_URL) cannot be used: " in refused.err
    assert "hunter2" not in refused.err
    assert refused.out == ""


async def test_pending_migrations_stop_the_daemon_until_they_are_applied(
    empty_dsn: str, tmp_path: Path, *, has_timescaledb: bool
) -> None:
    collector = Program(tmp_path, DATABASE_URL=empty_dsn, ENCRYPTION_KEYS=ENCRYPTION_KEY, AYRSHARE_API_KEY="k")

    refused = await collector("run", HTTP_PORT="0")
    assert refused.code == 3
    assert "0001_profile.sql" in refused.err
    assert "run `collector migrate`" in refused.err

    checked = await collector("migrate", "--check")
    assert checked.code == 3
    assert "pending  0001_profile.sql\n" in checked.out
    assert ("waiting  0005_timescaledb.sql" in checked.out) is not has_timescaledb

    applied = await collector("migrate")
    assert applied.code == 0
    assert "applying 0001_profile.sql\n" in applied.out
    assert ("0005_timescaledb.sql waits until the server has TimescaleDB" in applied.out) is not has_timescaledb

    again = await collector("migrate")
    assert again.code == 0
    assert "the schema is current\n" in again.out

    checked = await collector("migrate", "--check")
    assert checked.code == 0
    assert "applied  0001_profile.sql\n" in checked.out
    assert "pending" not in checked.out


# Polling.


async def test_poll_reads_due_or_named_profiles_and_prints_their_outcomes(calling: Program, twelve: list[str]) -> None:
    due = await calling("poll")
    assert (due.code, due.out, due.err) == (0, "12 of 12 polled: 12 ok; days: 360 new, 0 changed\n", "")

    nothing = await calling("poll")
    assert (nothing.code, nothing.out) == (0, "nothing is due\n")

    named = await calling("poll", twelve[0], twelve[1], twelve[0])
    assert named.code == 0
    assert named.out.startswith("2 of 2 polled: ")
    assert named.out.endswith("days: 0 new, 0 changed\n")


async def test_poll_refuses_unknown_and_paused_profiles_and_names_failed_ones(
    calling: Program, twelve: list[str], ayrshare: Ayrshare, database: Database
) -> None:
    unknown = await calling("poll", twelve[0], "nobody")
    assert unknown.code == 1
    assert unknown.err == "error: no such profile: nobody; `collector profiles list` shows them all\n"

    await database.execute("UPDATE profile SET state = 'paused', next_poll_at = NULL WHERE name = $1", twelve[0])
    paused = await calling("poll", twelve[0])
    assert paused.code == 1
    assert paused.err == f"error: {twelve[0]}: paused; `collector profiles resume` first\n"
    everything = await calling("poll", "--all")
    assert (everything.code, everything.out.split(":")[0]) == (0, "11 of 11 polled")

    await ayrshare.fault(twelve[1], "status", status=500, message="out of coffee")
    failed = await calling("poll", twelve[1], twelve[2])
    assert failed.code == 1
    assert f"{twelve[1]}: upstream_error: out of coffee\n" in failed.err
    assert f"{twelve[2]}: " not in failed.err
    assert failed.out.startswith("2 of 2 polled: 1 ")


async def test_five_troubled_profiles_are_named_with_their_reasons_and_the_rest_is_fine(
    calling: Program, twelve: list[str], ayrshare: Ayrshare
) -> None:
    faults = {
        twelve[0]: ("hang", "timeout", f"no answer from {ayrshare.url.split('/')[2]} in time"),
        twelve[1]: ("huge", "payload_invalid", "the answer is larger than"),
        twelve[2]: ("html", "upstream_error", "HTTP 502, not JSON"),
        twelve[3]: ("rate_limited", "rate_limited", ""),
        twelve[4]: ("unlinked", "unlinked", ""),
    }
    for name, (fault, *_) in faults.items():
        await ayrshare.fault(name, fault)

    polled = await calling("poll", "--all", REQUEST_TIMEOUT="3s")

    assert polled.code == 1
    assert polled.out.startswith("12 of 12 polled: 7 ok")
    assert polled.out.endswith("days: 210 new, 0 changed\n")
    for name, (_, outcome, why) in faults.items():
        assert f"{name}: {outcome}: {why}" in polled.err
    shown = await calling("status")
    assert shown.code == 0
    assert "\n5 in trouble\n" in shown.out
    troubled = {line.split()[0]: line for line in shown.out.splitlines() if line.startswith("client-")}
    assert troubled.keys() == faults.keys()
    for name, (_, outcome, why) in faults.items():
        assert outcome in troubled[name]
        assert why in troubled[name]
    assert "\x1b" not in shown.out
    found = json.loads((await calling("status", "--json")).out)
    assert {row["name"]: row["last_outcome"] for row in found["profiles"]["troubled"]} == {
        name: outcome for name, (_, outcome, _) in faults.items()
    }
    assert all(row["reason"] for row in found["profiles"]["troubled"])
    assert found["profiles"]["total"] == 12
    assert found["profiles"]["by_state"]["active"]["profiles"] == 11
    assert found["profiles"]["by_state"]["unlinked"]["profiles"] == 1
    assert found["database"]["days"] == 210


WRONG = {
    "AYRSHARE_API_KEY": ("hunter2-hunter2", 1, "Ayrshare refuses the API key: check COLLECTOR_AYRSHARE_API_KEY;"),
    "AYRSHARE_URL": ("http://127.0.0.1:1/api", 1, "check COLLECTOR_AYRSHARE_URL"),
    "ENCRYPTION_KEYS": (
        "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        2,
        "COLLECTOR_ENCRYPTION_KEYS: they do not open",
    ),
}


@pytest.mark.parametrize("setting", WRONG)
async def test_a_pass_with_a_wrong_setting_says_so_and_writes_no_failure(
    setting: str, calling: Program, twelve: list[str], database: Database
) -> None:
    value, code, why = WRONG[setting]
    everything = "SELECT md5(string_agg(p::text, ' ' ORDER BY id)) FROM profile p"
    before = await database.fetchval(everything)

    refused = await calling("poll", "--all", **{setting: value})

    assert (refused.code, refused.out) == (code, "")
    assert why in refused.err
    assert refused.err.splitlines()[-1].count("check COLLECTOR") <= 1
    assert "hunter2" not in refused.out + refused.err
    assert await database.fetchval(everything) == before
    assert await database.fetchval("SELECT count(*) FROM poll_log") == 0
    healed = await calling("poll", "--all")
    assert (healed.code, healed.out.split(":")[0]) == (0, f"{len(twelve)} of {len(twelve)} polled")


async def test_a_pass_with_an_address_that_is_not_the_api_says_what_to_check(
    calling: Program, twelve: list[str], ayrshare: Ayrshare
) -> None:
    assert twelve
    refused = await calling("poll", "--all", AYRSHARE_URL=ayrshare.url.removesuffix("/api"))

    assert refused.code == 1
    assert "check COLLECTOR_AYRSHARE_URL, which ends in /api; nothing was polled or written" in refused.err


@pytest.mark.parametrize("fault", ["status", "escaped"])
async def test_a_key_that_ayrshare_echoes_is_shown_and_stored_nowhere(
    calling: Program, twelve: list[str], ayrshare: Ayrshare, database: Database, fault: str
) -> None:
    identity = ayrshare.identity(0)
    secrets = (identity.profile_key, ayrshare.config.api_key)
    await ayrshare.fault(identity.title, fault, status=500, message=f"who is {secrets[0]} of {secrets[1]}?")

    printed = [
        await calling("poll", twelve[0], LOG_LEVEL="debug", LOG_FORMAT="json"),
        await calling("status"),
        await calling("status", "--json"),
        await calling("profiles", "show", twelve[0]),
    ]

    assert [each.code for each in printed] == [1, 0, 0, 0]
    for each in printed:
        assert "who is [redacted] of [redacted]?" in each.out + each.err
        for secret in secrets:
            assert secret not in each.out + each.err
    everything = await dump(database)
    for secret in secrets:
        assert secret.encode() not in everything


async def test_progress_is_a_line_on_standard_error_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.cli.progress._LINE_SECONDS", 0.0)
    with progress("polling", 2) as advance:
        advance(1)
        advance(1)

    printed = capsys.readouterr()
    assert printed.err == "polling: 1 of 2\npolling: 2 of 2\n"
    assert printed.out == ""


async def test_status_of_an_empty_registry_says_what_to_do_first(collector: Program) -> None:
    shown = await collector("status")

    assert shown.code == 0
    assert "no profiles yet in the database collector at " in shown.out
    assert "; `collector profiles add` or `import` registers them" in shown.out
    assert "due now: none\npins: none\n" in shown.out


# The long-running commands.


async def test_a_terminated_daemon_ends_at_once_and_gives_its_leases_back(
    calling: Program, twelve: list[str], ayrshare: Ayrshare, database: Database
) -> None:
    for name in twelve:
        await ayrshare.fault(name, "latency", seconds=60.0)
    async with calling.started("run", HTTP_PORT="0", REQUEST_TIMEOUT="90s", LEASE_TIME="10m") as daemon:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await requests_suffering(ayrshare) < 12:
                await asyncio.sleep(0.02)
        assert await database.fetchval("SELECT count(*) FROM profile WHERE lease_owner IS NOT NULL") == 12

        daemon.send_signal(SIGTERM)
        async with asyncio.timeout(5.0):
            _, err = await daemon.communicate()

    assert daemon.returncode == 0, err.decode()
    assert b"Traceback" not in err
    assert await database.fetchval("SELECT count(*) FROM profile WHERE lease_until IS NOT NULL") == 0
    assert await database.fetchval("SELECT count(*) FROM profile WHERE next_poll_at <= now()") == 12


async def test_a_daemon_whose_port_is_taken_says_so(calling: Program) -> None:
    with taken_port() as port:
        refused = await calling("run", HTTP_PORT=str(port))

    assert refused.code == 1
    assert f"error: cannot listen on 127.0.0.1:{port}: " in refused.err
    assert "Traceback" not in refused.err


async def test_the_emulator_prints_its_address_first_and_answers(tmp_path: Path) -> None:
    async with Program(tmp_path).started("emulator", "--port", "0", "--profiles", "3") as emulator:
        url = await anext(lines(emulator))
        async with aiohttp.ClientSession() as session, session.get(f"{url}/_emulator/profiles") as response:
            assert response.status == 200
            assert (await response.json())["count"] == 3

        emulator.send_signal(SIGTERM)
        async with asyncio.timeout(5.0):
            assert await emulator.wait() == 0


async def test_an_emulator_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    with taken_port() as port:
        refused = await Program(tmp_path)("emulator", "--port", str(port))

    assert refused.code == 1
    assert len(refused.err.splitlines()) == 1
    assert f"cannot listen on port {port}: " in refused.err


async def test_the_demo_serves_its_pages_and_carries_on_from_its_data(tmp_path: Path) -> None:
    collector = Program(tmp_path)
    async with collector.started("demo", "--port", "0") as demo:
        printed: list[str] = []
        async for line in lines(demo):
            printed.append(line)
            if line.startswith("Polled"):
                break
        assert printed[0].startswith("Console      http://127.0.0.1:")
        # Two profiles cannot be read, one is young, and one has a gap.
        assert "50 profiles: 4,2" in printed[-1]
        assert "2 failed" in printed[-1]
        pages = {line.split()[0]: line.split()[1] for line in printed}
        async with aiohttp.ClientSession() as session:
            assert (await fetched(session, pages["Ready"]))[:13] == '{"ready": tru'
            fleet = await fetched(session, pages["Fleet"], until="pinterest_impressions{")
            assert fleet.count("\npinterest_impressions{") == 50
            assert re.search(r'\npinterest_engagement_drop{client="Alder & Oak",profile="alder-oak-us"} 1', fleet)
            assert "<html" in await fetched(session, pages["Console"])
            assert "collector_polls_total" in await fetched(session, pages["Process"])
        demo.send_signal(SIGTERM)
        async with asyncio.timeout(10.0):
            assert await demo.wait() == 0
    assert (tmp_path / "demo-data").is_dir()

    again = await collector("demo", "--port", "0", "--exit-after", "0.5")

    assert again.code == 0
    assert re.search(r"1[78],\d{3} days from earlier runs", again.out)
    assert not re.search(r"[1-9][\d,]* (days new|changed)", again.out)
    assert again.out.endswith("Stopped      after 0.5 s, as asked\n")


async def test_the_demo_refuses_a_folder_with_other_profiles(tmp_path: Path) -> None:
    collector = Program(tmp_path, DATA_DIR="mine")
    added = await collector("profiles", "add", "a", "--client", "acme", stdin="AAAA-BBBB")
    assert added.code == 0, added.err
    key_file = tmp_path / "mine" / "encryption_key"
    assert key_file.stat().st_mode & 0o777 == 0o600

    refused = await collector("demo", "--port", "0", "--exit-after", "0")

    assert refused.code == 1
    assert "error: mine holds 1 profiles that are not the demo's" in refused.err


async def dump(database: Database) -> bytes:
    """Return every row of every table as text, with the profile keys as they are stored."""
    tables = await database.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    texts = [
        await database.fetchval(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {row['name']} AS t")
        for row in tables
    ]
    assert len(texts) > 5
    stored = [row["key_ciphertext"] for row in await database.fetch("SELECT key_ciphertext FROM profile")]
    assert all(KEYS.decrypt(ciphertext) for ciphertext in stored)
    return b"\n".join([*(text.encode() for text in texts), *stored])


@contextmanager
def taken_port(*, listening: bool = True) -> Iterator[int]:
    """A port that is taken; nobody can connect to it unless it listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listening:
            taken.listen()
        yield taken.getsockname()[1]


async def lines(process: Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for line in process.stdout:
            yield line.decode().rstrip("\n")


async def fetched(session: aiohttp.ClientSession, url: str, *, until: str = "") -> str:
    """Wait until a page is served and contains ``until``, and return it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with session.get(url) as response:
                text = await response.text()
                if response.status == 200 and until in text:
                    return text
            await asyncio.sleep(0.05)


async def requests_suffering(ayrshare: Ayrshare) -> int:
    """Return how many requests a fault was applied to."""
    async with ayrshare.session.get(f"{ayrshare.url}/_emulator/faults") as response:
        return sum(fault["hits"] for fault in (await response.json())["faults"])
