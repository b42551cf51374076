"""The pages over a real socket, and the problems that readiness names."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.errors import CollectorError
from collector.fleet.backlog import measure_backlog
from collector.fleet.exporter import Exporter
from collector.loops.every import Heartbeats
from collector.loops.gate import Hold
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore
from collector.store.pool import Database, open_database
from collector.telemetry import REGISTRY
from collector.web.health import Health
from collector.web.server import Pages, serving
from tests.support.console import make_console


class Site:
    """A served process whose parts a test can break."""

    def __init__(self, database: Database) -> None:
        self.heartbeats = Heartbeats()
        self.exporter = Exporter(FleetStore(database), DropList(database))
        self.hold: str | None = None
        health = Health(database, self.heartbeats, hold=lambda: self.hold)
        self.pages = Pages(health, self.exporter.page, make_console(database))


@asynccontextmanager
async def site(database: Database) -> AsyncIterator[tuple[Site, aiohttp.ClientSession]]:
    made = Site(database)
    async with serving(made.pages, "127.0.0.1", 0) as url, aiohttp.ClientSession(url) as session:
        yield made, session


async def ready(session: aiohttp.ClientSession) -> tuple[int, list[str]]:
    async with session.get("/readyz") as response:
        return response.status, (await response.json())["problems"]


async def test_the_process_page_is_valid_and_has_the_contracted_names(database: Database) -> None:
    async with site(database) as (_, session), session.get("/metrics") as response:
        text = await response.text()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {
        "collector_polls", "collector_poll_duration_seconds", "collector_polls_in_flight", "collector_profiles_due",
        "collector_poll_lag_seconds", "collector_api_requests", "collector_api_request_duration_seconds",
        "collector_rows", "collector_payload_problems", "collector_database_up", "collector_build_info",
        "collector_loop_last_success_timestamp_seconds",
    } <= names  # fmt: skip


async def test_the_fleet_page_is_served_plain_and_gzipped(database: Database) -> None:
    async with site(database) as (made, session):
        async with session.get("/metrics/profiles") as response:
            assert response.status == 503
        await made.exporter.refresh()
        async with session.get("/metrics/profiles", headers={"Accept-Encoding": "identity"}) as response:
            plain = await response.read()
            assert "Content-Encoding" not in response.headers
        async with session.get("/metrics/profiles", headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert await response.read() == plain
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    "query", ["shard=0/8", "shard=9/8", "shard=1/0", "shard=1", "shard=", "shards=1/8", "shard=a/b"]
)
async def test_a_wrong_shard_is_refused_rather_than_answered_with_everything(database: Database, query: str) -> None:
    async with site(database) as (made, session):
        await made.exporter.refresh()
        async with session.get(f"/metrics/profiles?{query}") as response:
            assert response.status == 400
            assert "shard=1/8 to shard=8/8" in await response.text()


async def test_an_unknown_client_is_not_found(database: Database) -> None:
    async with site(database) as (made, session):
        await made.exporter.refresh()
        async with session.get("/metrics/profiles?client=nobody") as response:
            assert (response.status, await response.text()) == (404, "no profile has the client 'nobody'\n")


async def test_a_healthy_process_is_ready_and_its_front_page_names_the_others(database: Database) -> None:
    async with site(database) as (made, session):
        made.heartbeats.expect("poller", 1.0)
        assert await ready(session) == (200, [])
        async with session.get("/healthz") as response:
            assert (await response.json())["alive"] is True
        async with session.get("/") as response:
            page = await response.text()
        for path in ("/metrics", "/metrics/profiles", "/readyz", "/healthz"):
            assert f'href="{path}"' in page


async def test_a_late_loop_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(database) as (made, session):
        made.heartbeats.expect("poller", 1.0)
        made.heartbeats.expect("exporter", 60.0)
        later = time.monotonic() + 100.0
        monkeypatch.setattr("collector.loops.every.time.monotonic", lambda: later)
        assert made.heartbeats.late().keys() == {"poller"}
        status, problems = await ready(session)
    assert status == 503
    assert "the loop 'poller' has not done its work for 100 s" in problems


async def test_a_refused_api_key_and_a_missing_schema_are_named(empty_dsn: str) -> None:
    async with open_database(empty_dsn) as database, site(database) as (made, session):
        made.hold = Hold.KEY_REFUSED
        status, problems = await ready(session)
    assert status == 503
    assert problems[0].startswith("the schema: the database lacks 0001_profile.sql")
    assert problems[1] == "Ayrshare refuses the API key: check COLLECTOR_AYRSHARE_API_KEY"


@pytest.mark.parametrize(("days", "words"), [(3, "259200 s ahead of"), (-3, "259200 s behind")])
async def test_a_wrong_clock_is_named_and_measured(
    database: Database, monkeypatch: pytest.MonkeyPatch, days: int, words: str
) -> None:
    for module in ("web.health", "store.fleet"):
        monkeypatch.setattr(f"collector.{module}.machine_time", lambda: datetime.now(UTC) + timedelta(days=days))
    async with site(database) as (_, session):
        status, problems = await ready(session)
    await measure_backlog(FleetStore(database))
    assert status == 503
    assert problems == [f"this machine's clock is {words} the database's, and no day is settled: set both by NTP"]
    assert REGISTRY.get_sample_value("collector_clock_offset_seconds") == pytest.approx(-86400 * days, abs=10)


async def test_a_lost_database_is_named_and_the_process_stays_healthy(empty_dsn: str, server_dsn: str) -> None:
    name = empty_dsn.partition("?")[0].rpartition("/")[2]
    async with (
        open_database(empty_dsn) as database,
        open_database(server_dsn) as server,
        site(database) as (_, session),
    ):
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await server.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        status, problems = await ready(session)
        async with session.get("/healthz") as response:
            assert response.status == 200
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert status == 503
    assert problems[0].startswith("the database cannot be used: ")


async def test_a_port_in_use_is_a_clear_error(database: Database) -> None:
    async with site(database) as (made, session):
        port = session._base_url.port if session._base_url else 0
        with pytest.raises(CollectorError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*COLLECTOR_HTTP_HOST"):
            async with serving(Site(database).pages, "127.0.0.1", port or 0):
                pass
        assert await made.exporter.page() is None
