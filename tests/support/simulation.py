"""Lets days pass in a moment: the database, this process and the emulated Ayrshare have one clock, which tests move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

import pytest
from pydantic import SecretStr

from collector.ayrshare.client import open_client
from collector.loops.gate import Gate
from collector.migrate import migrate
from collector.poll.decision import Policy
from collector.poll.poller import Poller
from collector.poll.reader import Reader
from collector.store import lease as lease_module
from collector.store.clock import machine_time
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database, connected, open_database
from tests.support.ayrshare import Ayrshare
from tests.support.databases import stop_policies
from tests.support.profiles import KEYS, register

# What calls now() without its schema finds this one first, views and defaults included.
_CLOCK = """
CREATE SCHEMA simulated;
CREATE TABLE simulated.clock (ahead interval NOT NULL);
INSERT INTO simulated.clock (ahead) VALUES ('0');
CREATE FUNCTION public.now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS 'SELECT pg_catalog.now() + (SELECT ahead FROM simulated.clock)';
"""


class Simulation:
    """A fleet whose time stands still until :meth:`pass_hours`; it is polled only by :meth:`poll`."""

    def __init__(self, database: Database, ayrshare: Ayrshare, poller: Poller) -> None:
        self.database = database
        self.ayrshare = ayrshare
        self.ahead = timedelta()
        self._poller = poller

    @property
    def now(self) -> datetime:
        return machine_time() + self.ahead

    @property
    def today(self) -> date:
        return self.now.date()

    async def pass_hours(self, hours: float) -> None:
        self.ahead += timedelta(hours=hours)
        await self.database.execute("UPDATE simulated.clock SET ahead = $1", self.ahead)
        await self.ayrshare.pass_time(self.ahead.total_seconds())

    async def to_morning(self) -> None:
        """Let time pass until 06:00 UTC, so that the test cannot run into midnight."""
        morning = (self.now + timedelta(days=1)).replace(hour=6, minute=0)
        await self.pass_hours((morning - self.now).total_seconds() / 3600)

    async def poll(self) -> None:
        """Poll what is due."""
        due = await self.database.fetch("SELECT id FROM profile WHERE next_poll_at <= now() ORDER BY next_poll_at")
        await self._poller.poll_named([row["id"] for row in due], only_due=True)


@asynccontextmanager
async def simulating(
    dsn: str, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch, *, profiles: int
) -> AsyncIterator[Simulation]:
    """Yield a simulation in an empty database, with the emulator's first profiles."""
    async with connected(dsn) as connection:
        await connection.execute(_CLOCK)
        name = await connection.fetchval("SELECT quote_ident(current_database())")
        await connection.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    async with connected(dsn) as connection:
        await migrate(connection)
        await stop_policies(connection)
    gate = Gate(1e6)
    key = SecretStr(ayrshare.config.api_key)
    async with (
        open_database(dsn) as database,
        open_client(url=ayrshare.url, api_key=key, request_timeout=5.0, connections=4, on_verdict=gate.note) as client,
    ):
        poller = Poller(
            Reader(client, KEYS, Policy(interval=6 * 3600.0, settle_days=3)),
            LeaseStore(database, owner="me", seconds=60.0),
            MetricStore(database),
            gate,
            concurrency=4,
        )
        simulation = Simulation(database, ayrshare, poller)
        monkeypatch.setattr(lease_module, "machine_time", lambda: simulation.now)
        await simulation.to_morning()
        await register(database, ayrshare, profiles)
        yield simulation
