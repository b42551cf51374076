"""Errors of the driver become an outage, a refusal, or stay a defect."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from collector.errors import DatabaseUnavailableError, DataRefusedError, DuplicateError
from collector.store import pool
from collector.store.pool import Database, open_database
from collector.store.translation import translated
from collector.telemetry import REGISTRY
from tests.support.proxy import Proxy, proxied

OUTAGE, REFUSAL, DEFECT = DatabaseUnavailableError, DataRefusedError, asyncpg.PostgresError

STATES = [
    ("08006", OUTAGE),  # connection_failure
    ("25006", OUTAGE),  # read_only_sql_transaction
    ("40001", OUTAGE),  # serialization_failure
    ("40P01", OUTAGE),  # deadlock_detected
    ("53100", OUTAGE),  # disk_full
    ("53200", OUTAGE),  # out_of_memory
    ("53300", OUTAGE),  # too_many_connections
    ("55P03", OUTAGE),  # lock_not_available
    ("57014", OUTAGE),  # query_canceled
    ("57P01", OUTAGE),  # admin_shutdown
    ("57P03", OUTAGE),  # cannot_connect_now
    ("58030", OUTAGE),  # io_error
    ("0A000", REFUSAL),  # feature_not_supported
    ("21000", REFUSAL),  # cardinality_violation
    ("22003", REFUSAL),  # numeric_value_out_of_range
    ("22021", REFUSAL),  # character_not_in_repertoire
    ("23505", DuplicateError),  # unique_violation
    ("23514", REFUSAL),  # check_violation
    ("53400", REFUSAL),  # configuration_limit_exceeded
    ("54000", REFUSAL),  # program_limit_exceeded
    ("P0001", REFUSAL),  # raise_exception
    ("42703", DEFECT),  # undefined_column
    ("42P01", DEFECT),  # undefined_table
    ("55000", DEFECT),  # object_not_in_prerequisite_state
    ("XX000", DEFECT),  # internal_error
    ("TS999", DEFECT),  # one that no one has heard of
]


async def in_transaction(database: Database, *statements: str, rows: Sequence[tuple[object, ...]] = ()) -> None:
    async with database.transaction() as connection:
        for statement in statements:
            await connection.execute(statement)
        if rows:
            await connection.copy_records_to_table("copied", records=rows)


def database_up() -> float | None:
    return REGISTRY.get_sample_value("collector_database_up")


@pytest.mark.parametrize(("state", "kind"), STATES)
async def test_the_sqlstate_decides(database: Database, state: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="the words"):
        await database.execute(f"DO $$ BEGIN RAISE EXCEPTION 'the words' USING ERRCODE = '{state}'; END $$")
    assert database_up() == (0.0 if kind is OUTAGE else 1.0)
    with pytest.raises(kind, match="the words"):
        await in_transaction(database, f"DO $$ BEGIN RAISE EXCEPTION 'the words' USING ERRCODE = '{state}'; END $$")
    assert await database.fetchval("SELECT 1") == 1
    assert database_up() == 1.0


async def test_not_accepting_connections_is_an_outage_only_when_connecting() -> None:
    with pytest.raises(OUTAGE), translated(connecting=True):
        raise asyncpg.ObjectNotInPrerequisiteStateError("the database is not currently accepting connections")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError), translated():
        raise asyncpg.ObjectNotInPrerequisiteStateError("the sequence has no current value")


@pytest.mark.parametrize("settings", ["statement_timeout = 20", "transaction_read_only = on"])
async def test_a_server_that_is_slow_or_a_standby_is_an_outage(database: Database, settings: str) -> None:
    with pytest.raises(OUTAGE):
        await in_transaction(
            database, f"SET LOCAL {settings}", "CREATE TABLE never (id integer)", "SELECT pg_sleep(10)"
        )


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    with pytest.raises(OUTAGE, match=r"at 127\.0\.0\.1:1 "):
        async with open_database("postgresql://user:secret@127.0.0.1:1/x"):
            pass
    assert database_up() == 0.0


@pytest.mark.parametrize(
    ("kind", "value"),
    [("smallint", 10**6), ("bigint", 10**30), ("integer", "x"), ("text", 5), ("text", "\ud800"), ("text", "nul \0")],
)
async def test_what_cannot_be_encoded_is_refused_as_an_argument_and_in_a_copy(
    database: Database, kind: str, value: object
) -> None:
    with pytest.raises(REFUSAL):
        await database.fetchval(f"SELECT $1::{kind}", value)
    with pytest.raises(REFUSAL):
        await in_transaction(database, f"CREATE TEMPORARY TABLE copied (value {kind}) ON COMMIT DROP", rows=[(value,)])
    assert await database.fetchval("SELECT 1") == 1


async def test_a_defect_of_ours_inside_a_transaction_stays_what_it_is(database: Database) -> None:
    with pytest.raises(ValueError, match="our own"):
        async with database.transaction():
            raise ValueError("our own")


@pytest.fixture
async def single(dsn: str) -> AsyncIterator[Database]:
    async with open_database(dsn, max_size=1) as opened:
        yield opened


async def test_a_broken_connection_is_an_outage_once(single: Database, database: Database) -> None:
    pid = await single.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(OUTAGE):
        await cut_inside(single, database)
    assert await single.fetchval("SELECT pg_backend_pid()") != pid


async def test_readers_wait_for_nobody_and_the_plans_of_lists_are_of_what_they_ask(single: Database) -> None:
    generic = "SELECT sum(generic_plans)::integer FROM pg_prepared_statements WHERE parameter_types <> '{}'"
    async with single.beside() as readers:
        async with single.connection(), asyncio.timeout(10):
            for number in range(8):  # the server would keep a plan after five
                await readers.lists.fetchval("SELECT count(*) FROM profile WHERE $1::bigint IS NULL OR id = $1", number)
                await readers.fetchval("SELECT name FROM profile WHERE id = $1", number)
        assert await readers.lists.fetchval(generic) == 0
        assert await readers.fetchval(generic) > 0, "what finds rows by their key keeps its plan"


async def cut_inside(single: Database, database: Database) -> None:
    async with single.transaction() as connection:
        await database.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        await connection.fetchval("SELECT pg_sleep(10)")


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[Proxy]:
    """A way to the server that can fall silent, as when the network is cut."""
    folder = parse_qs(urlsplit(dsn).query)["host"][0]
    async with proxied(lambda: asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")) as made:
        yield made


@pytest.fixture
async def far(dsn: str, proxy: Proxy) -> AsyncIterator[Database]:
    """The database behind the proxy; a statement may take two seconds."""
    url = urlsplit(dsn)
    address = f"postgresql://{url.username}@127.0.0.1:{proxy.port}{url.path}"
    async with open_database(address, statement_seconds=2.0) as opened:
        yield opened


async def test_a_statement_is_cancelled_although_the_server_fell_silent(far: Database, proxy: Proxy) -> None:
    await far.fetchval("SELECT 1")
    proxy.freeze()
    task = asyncio.create_task(far.fetchval("SELECT 2"))
    done, _ = await asyncio.wait([task], timeout=0.1)
    assert not done
    task.cancel()
    await asyncio.wait([task], timeout=5.0)
    assert task.cancelled()
    await proxy.mend()


async def test_when_connections_are_lost_without_a_word_one_statement_waits_and_the_next_ones_work(
    far: Database, proxy: Proxy
) -> None:
    await asyncio.gather(*(far.fetchval("SELECT pg_sleep(0.1)") for _ in range(8)))
    assert proxy.connections == 8
    proxy.lose()
    async with asyncio.timeout(30.0):
        with pytest.raises(OUTAGE):
            await in_transaction(far, "SELECT 1", "SELECT 2")
        assert await far.fetchval("SELECT 3") == 3
        await in_transaction(far, "SELECT 4")


async def test_idle_connections_that_were_lost_are_replaced_before_anything_is_asked(
    far: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.store.pool._IDLE_SECONDS", 0.0)
    await asyncio.gather(*(far.fetchval("SELECT pg_sleep(0.1)") for _ in range(8)))
    proxy.lose()
    async with asyncio.timeout(30.0):
        assert await far.fetchval("SELECT 3") == 3, "a visitor neither waits for the statement's time nor sees an error"
        await in_transaction(far, "SELECT 4")


async def test_a_transaction_that_lost_its_client_does_not_keep_its_locks(far: Database) -> None:
    wanted = "SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
    assert await far.fetchval(wanted) == "60000"


async def test_a_listener_that_was_lost_without_a_word_is_noticed(
    far: Database, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_LISTENING_SECONDS", 0.1)
    heard = asyncio.Event()
    listening = asyncio.create_task(far.listen("a_channel", heard.set))
    await heard.wait()
    proxy.lose()
    async with asyncio.timeout(30.0):
        with pytest.raises(OUTAGE):
            await listening
