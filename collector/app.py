"""The composition root: the only place that makes pools, sessions, servers and tasks."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import structlog
from pydantic import SecretStr

from collector import __version__
from collector.ayrshare.client import AyrshareClient, open_client
from collector.config import Role, Settings, require_secrets
from collector.crypto import KeyRing, generated_key
from collector.embedded import embedded
from collector.export.backlog import measure_backlog
from collector.export.exporter import Exporter
from collector.loops import Heartbeats, Pacer, every
from collector.migrate import check, migrate
from collector.poll.decision import Policy
from collector.poll.poller import Poller, PollResult
from collector.poll.reader import Reader
from collector.registry.register import try_keys
from collector.store.fleet import FleetStore
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database, connected, open_database
from collector.store.profile import ProfileStore
from collector.web.health import Health
from collector.web.server import Pages, serving

log = structlog.get_logger(__name__)

_EXPORT_SECONDS = 5.0
_BACKLOG_SECONDS = 15.0
_EXPIRY_SECONDS = 3600.0


class Hooks(msgspec.Struct, frozen=True):
    """Told of what happens, for whoever shows it: the address once pages are served, and every poll's result."""

    serving: Callable[[str], None] = lambda _address: None
    polled: Callable[[PollResult], None] = lambda _result: None


@asynccontextmanager
async def open_dsn(settings: Settings) -> AsyncIterator[str]:
    """Yield the address of the configured database, or of the embedded one, which then runs until the end."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    async with embedded(settings.data_dir, bindir=settings.pg_bindir) as dsn:
        yield dsn


@asynccontextmanager
async def open_storage(settings: Settings, *, apply_migrations: bool = False) -> AsyncIterator[Database]:
    """Yield a database with a current schema; the embedded one is always brought up to date.

    Raises:
        MigrationsPendingError: the schema is older, and nobody said to change it.
        DatabaseUnavailableError: the database cannot be reached.

    """
    async with open_dsn(settings) as dsn:
        async with connected(dsn) as connection:
            if apply_migrations or settings.database_url is None:
                await migrate(connection, on_apply=lambda name: log.info("applying migration", name=name))
            else:
                await check(connection)
        async with open_database(dsn) as database:
            yield database


def key_ring(settings: Settings) -> KeyRing:
    """Return what encrypts the profile keys: the configured keys, or the one that belongs to the embedded database."""
    require_secrets(settings, api_key=False)
    return KeyRing(settings.encryption_keys or [generated_key(settings.data_dir)])


@asynccontextmanager
async def open_ayrshare(settings: Settings) -> AsyncIterator[AyrshareClient]:
    """Yield a client for Ayrshare.

    Raises:
        ConfigurationError: there is no API key.

    """
    require_secrets(settings)
    async with open_client(
        url=settings.ayrshare_url,
        api_key=settings.ayrshare_api_key or SecretStr(""),
        request_timeout=settings.request_seconds,
        connections=settings.poll_concurrency,
    ) as client:
        yield client


def make_poller(
    settings: Settings, database: Database, client: AyrshareClient, on_result: Callable[[PollResult], None]
) -> Poller:
    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    policy = Policy(interval=settings.poll_interval, settle_days=settings.settle_days)
    return Poller(
        Reader(client, key_ring(settings), policy),
        LeaseStore(database, owner=owner, seconds=settings.lease_time),
        MetricStore(database),
        concurrency=settings.poll_concurrency,
        pacer=Pacer(settings.max_requests_per_second),
        on_result=on_result,
    )


async def run_daemon(settings: Settings, *, apply_migrations: bool = False) -> None:
    """Run every role of this process until cancelled; every resource is closed and every lease given back."""
    require_secrets(settings, api_key=Role.POLLER in settings.roles)
    async with open_storage(settings, apply_migrations=apply_migrations) as database:
        await run_roles(settings, database, Hooks())


async def run_roles(settings: Settings, database: Database, hooks: Hooks) -> None:
    """Run every role on a database with a current schema, until cancelled."""
    heartbeats = Heartbeats()
    fleet = FleetStore(database)
    loops: list[Callable[[], Coroutine[Any, Any, None]]] = [
        partial(every, _BACKLOG_SECONDS, "backlog", partial(measure_backlog, fleet), heartbeats),
        partial(every, _EXPIRY_SECONDS, "expiry", _expiry(settings, database), heartbeats),
    ]
    async with AsyncExitStack() as resources:
        poller = exporter = None
        if Role.POLLER in settings.roles:
            await try_keys(ProfileStore(database), key_ring(settings))
            client = await resources.enter_async_context(open_ayrshare(settings))
            poller = make_poller(settings, database, client, hooks.polled)
            loops.append(partial(poller.run, heartbeats))
        if Role.EXPORTER in settings.roles:
            exporter = Exporter(fleet)
            loops.append(partial(every, _EXPORT_SECONDS, "exporter", exporter.refresh, heartbeats))
        health = Health(database, heartbeats, api_key_refused=lambda: poller is not None and poller.api_key_refused)
        pages = Pages(health, (lambda: exporter.page) if exporter else None)
        address = await resources.enter_async_context(
            serving(pages.application(), settings.http_host, settings.http_port)
        )
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop())
            resources.callback(log.info, "stopped")
            log.info("running", version=__version__, address=address, roles=",".join(sorted(settings.roles)))
            hooks.serving(address)


def _expiry(settings: Settings, database: Database) -> Callable[[], Awaitable[int]]:
    return partial(MetricStore(database).expire, retention_days=settings.retention_days)
