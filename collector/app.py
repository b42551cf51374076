"""The composition root: the only place that makes pools, sessions, servers and tasks."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec
import structlog
from pydantic import SecretStr

from collector import __version__
from collector.api.services import Services
from collector.api.site import Api
from collector.ayrshare.client import AyrshareClient, open_client
from collector.config import Role, Settings, missing_token, require_secrets
from collector.console.overview import REFRESH_SECONDS, OverviewKeeper
from collector.console.site import Console
from collector.crypto import KeyRing, generated_key
from collector.embedded import embedded
from collector.errors import ConfigurationError, DatabaseUnavailableError
from collector.export.backlog import measure_backlog
from collector.export.exporter import Exporter
from collector.loops.every import Heartbeats, every
from collector.loops.gate import Gate
from collector.loops.recall import Recall
from collector.memory import collect_seldom, release_memory
from collector.migrate import check, migrate
from collector.models.history import HistoryCheck, UnknownPins
from collector.notify.deliver import PATIENCE_SECONDS, open_deliverer
from collector.notify.notifier import Notifier
from collector.notify.targets import Targets, load_targets
from collector.poll.decision import Policy
from collector.poll.interval import shorten_waits
from collector.poll.poller import Poller, PollResult
from collector.poll.reader import Reader
from collector.publish.decision import PublishPolicy
from collector.publish.measure import measure_queue
from collector.publish.media import Media, open_media_check
from collector.publish.publisher import Published, Publisher
from collector.publish.reconciler import Reconciler
from collector.publish.sender import Sender
from collector.registry.register import try_encryption_keys
from collector.registry.trial import Standing, Trial, try_api_key, try_key
from collector.store.address import place
from collector.store.daemon import DaemonStore
from collector.store.drop import DropStore
from collector.store.fleet import FleetStore
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.notice import NoticeStore
from collector.store.pin import PinStore
from collector.store.pin_check import CheckStore
from collector.store.pin_queue import PinQueue
from collector.store.pool import Database, connected, open_database
from collector.store.profile import ProfileStore
from collector.store.retention import expire
from collector.store.token import TokenStore
from collector.telemetry import DATABASE_CONNECTIONS
from collector.web.door import Door
from collector.web.health import Health
from collector.web.server import Pages, serving
from collector.web.tokens import Tokens

log = structlog.get_logger(__name__)

_EXPORT_SECONDS = 5.0
_BACKLOG_SECONDS = 15.0
_PRESENCE_SECONDS = 15.0
_LEAVE_SECONDS = 1.0
# Whoever adds a profile waits for it.
_TRIAL_SECONDS = 10.0
_MEDIA_SECONDS = 20.0
_EXPIRY_SECONDS = 3600.0
_QUEUE_SECONDS = 15.0
_HISTORIES = 32
_DETECT_SECONDS = 10.0
_RECONCILE_SECONDS = 5.0
_NOTIFY_SECONDS = 15.0
# Longer than a message takes.
_NOTICE_LEASE_SECONDS = 60.0
# Servers close connections that idle longer, and a pin sent into a closing one would be unknown.
_PIN_IDLE_SECONDS = 2.0


class Hooks(msgspec.Struct, frozen=True):
    """Told of what happens, for whoever shows it: the address once pages are served, every poll's and pin's result."""

    serving: Callable[[str], None] = lambda _address: None
    polled: Callable[[PollResult], None] = lambda _result: None
    published: Callable[[Published], None] = lambda _result: None


@asynccontextmanager
async def open_dsn(settings: Settings, *, create: bool = False) -> AsyncIterator[str]:
    """Yield the address of the configured database, or of the embedded one, which then runs until the end.

    Raises:
        ConfigurationError: there is no embedded database, and none was to be made.

    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    async with embedded(settings.data_dir, bindir=settings.pg_bindir, create=create) as dsn:
        yield dsn


def where(settings: Settings) -> str:
    """Name the place of the data, without a password."""
    if settings.database_url is not None:
        return place(settings.database_url.get_secret_value())
    return f"the embedded database in {settings.data_dir.absolute()} (COLLECTOR_DATA_DIR)"


@asynccontextmanager
async def open_storage(
    settings: Settings, *, create: bool = False, apply_migrations: bool = False
) -> AsyncIterator[Database]:
    """Yield a database with a current schema; the embedded one is always brought up to date, and made for ``create``.

    Raises:
        ConfigurationError: there is no embedded database, and none was to be made.
        MigrationsPendingError: the schema is older, and nobody said to change it.
        DatabaseUnavailableError: the database cannot be reached.
    """
    async with open_dsn(settings, create=create) as dsn:
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


def make_gate(settings: Settings) -> Gate:
    """Return what all calls of this process to Ayrshare go through."""
    return Gate(settings.max_requests_per_second)


@asynccontextmanager
async def open_ayrshare(
    settings: Settings, gate: Gate, *, connections: int | None = None, idle_seconds: float = 15.0
) -> AsyncIterator[AyrshareClient]:
    """Yield a client that tells the gate of every call, with a connection for each concurrent poll by default.

    Raises:
        ConfigurationError: there is no API key.
    """
    require_secrets(settings)
    async with open_client(
        url=settings.ayrshare_url,
        api_key=settings.ayrshare_api_key or SecretStr(""),
        request_timeout=settings.request_seconds,
        connections=connections or settings.poll_concurrency,
        idle_seconds=idle_seconds,
        on_verdict=gate.note,
    ) as client:
        yield client


def _owner() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def make_poller(
    settings: Settings,
    database: Database,
    client: AyrshareClient,
    gate: Gate,
    on_result: Callable[[PollResult], None],
) -> Poller:
    return Poller(
        Reader(client, key_ring(settings), _poll_policy(settings)),
        _leases(settings, database),
        MetricStore(database),
        gate,
        concurrency=settings.poll_concurrency,
        on_result=on_result,
    )


def _poll_policy(settings: Settings) -> Policy:
    return Policy(interval=settings.poll_interval, settle_days=settings.settle_days)


def _leases(settings: Settings, database: Database) -> LeaseStore:
    return LeaseStore(database, owner=_owner(), seconds=settings.lease_time)


def _publish_policy(settings: Settings) -> PublishPolicy:
    return PublishPolicy(
        lane_gap=settings.pin_lane_gap,
        spam_cooldown=settings.pin_spam_cooldown,
        checks=settings.pin_reconcile_after,
        requeue_absent=settings.pins_requeue_absent,
    )


def _make_publisher(
    settings: Settings,
    database: Database,
    client: AyrshareClient,
    gate: Gate,
    on_result: Callable[[Published], None],
) -> Publisher:
    policy = _publish_policy(settings)
    return Publisher(
        Sender(client, key_ring(settings), policy, patience=settings.lease_time / 5),
        PinQueue(database, owner=_owner(), seconds=settings.lease_time),
        database,
        gate,
        Recall(gate, _leases(settings, database)),
        policy,
        concurrency=settings.pin_concurrency,
        on_result=on_result,
    )


def make_reconciler(settings: Settings, database: Database, client: AyrshareClient, gate: Gate) -> Reconciler:
    return Reconciler(
        client,
        key_ring(settings),
        PinQueue(database, owner=_owner(), seconds=settings.lease_time),
        CheckStore(database),
        gate,
        _publish_policy(settings),
        claim_seconds=settings.lease_time,
    )


async def run_daemon(settings: Settings, *, apply_migrations: bool) -> None:
    """Run every role of this process until cancelled; every resource is closed and every lease given back."""
    if settings.calls_ayrshare:
        require_secrets(settings)
    async with open_storage(settings, create=True, apply_migrations=apply_migrations) as database:
        await run_roles(settings, database, Hooks())


_Loop = Callable[[], Coroutine[Any, Any, None]]


async def run_roles(settings: Settings, database: Database, hooks: Hooks) -> None:
    """Run every role on a database with a current schema, until cancelled."""
    collect_seldom()
    if problems := missing_token(settings):
        raise ConfigurationError(problems)
    heartbeats, gate = Heartbeats(), make_gate(settings)
    exporter = Exporter(FleetStore(database), DropStore(database)) if Role.EXPORTER in settings.roles else None
    loops = _measuring(settings, database, heartbeats)
    daemons, owner = DaemonStore(database), _owner()
    report = partial(daemons.report, owner, __version__, settings.roles)
    loops.append(partial(every, _PRESENCE_SECONDS, "presence", report, heartbeats))
    async with AsyncExitStack() as resources:
        if settings.calls_ayrshare:
            await try_encryption_keys(ProfileStore(database), key_ring(settings))
            asking = await resources.enter_async_context(open_ayrshare(settings, gate, connections=1))
            loops.append(partial(try_api_key, asking, gate))
        if Role.POLLER in settings.roles:
            client = await resources.enter_async_context(open_ayrshare(settings, gate))
            await shorten_waits(_leases(settings, database), _poll_policy(settings))
            loops.append(partial(make_poller(settings, database, client, gate, hooks.polled).run, heartbeats))
        if Role.PUBLISHER in settings.roles:
            loops += await _publishing(settings, database, gate, hooks, heartbeats, resources)
        if exporter is not None:
            loops.append(partial(every, _EXPORT_SECONDS, "exporter", exporter.refresh, heartbeats))
        if Role.DETECTOR in settings.roles:
            loops.append(partial(every, _DETECT_SECONDS, "detector", _detection(database, heartbeats), heartbeats))
        if Role.NOTIFIER in settings.roles and settings.notify_file is not None:
            notifier = await resources.enter_async_context(
                open_notifier(settings, load_targets(settings.notify_file), database)
            )
            work = partial(every, _NOTIFY_SECONDS, "notifier", notifier.run_once, heartbeats, longest=PATIENCE_SECONDS)
            loops.append(work)
        health = Health(database, heartbeats, hold=lambda: gate.hold)
        keeper = OverviewKeeper(database)
        loops.append(partial(every, REFRESH_SECONDS, "console", keeper.refresh, heartbeats))
        console = Console(database, keeper, health.problems, heartbeats, where=where(settings))
        api = Api(_services(settings, database, heartbeats, health))
        pages = Pages(health, (lambda: exporter.page) if exporter else None, console, api)
        address = await resources.enter_async_context(
            serving(pages, settings.http_host, settings.http_port, door=_door(settings, database))
        )
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop())
            resources.callback(log.info, "stopped")
            resources.push_async_callback(_leave, daemons, owner)
            log.info("running", version=__version__, address=address, roles=",".join(sorted(settings.roles)))
            hooks.serving(address)


async def _leave(daemons: DaemonStore, owner: str) -> None:
    with suppress(TimeoutError, DatabaseUnavailableError):
        async with asyncio.timeout(_LEAVE_SECONDS):
            await daemons.leave(owner)


def _services(settings: Settings, database: Database, heartbeats: Heartbeats, health: Health) -> Services:
    return Services(
        database=database,
        heartbeats=heartbeats,
        keys=partial(key_ring, settings),
        try_key=partial(try_profile_key, settings),
        check_pins=partial(check_pins, settings, database),
        look_at_media=look_at_media,
        problems=health.problems,
        where=where(settings),
    )


async def try_profile_key(settings: Settings, key: SecretStr) -> Trial:
    """Ask Ayrshare whether a profile key is valid; whoever asks waits for it."""
    if settings.ayrshare_api_key is None:
        return Trial(Standing.UNTRIED, "COLLECTOR_AYRSHARE_API_KEY is not set")
    hasty = settings.model_copy(update={"request_timeout": min(settings.request_timeout, _TRIAL_SECONDS)})
    async with open_ayrshare(hasty, make_gate(hasty)) as client:
        return await try_key(client, key)


async def look_at_media(urls: Sequence[str]) -> Mapping[str, Media]:
    """Look at images where they are; somebody waits for it."""
    async with open_media_check() as check:
        return await check.look(urls, seconds=_MEDIA_SECONDS)


async def check_pins(settings: Settings, database: Database, group: UnknownPins) -> HistoryCheck:
    """Look for a pin in Ayrshare's history. Raises ``ConfigurationError`` without an API key."""
    gate = make_gate(settings)
    async with open_ayrshare(settings, gate) as client:
        [found] = await make_reconciler(settings, database, client, gate).check(group)
    return found


@asynccontextmanager
async def open_notifier(settings: Settings, targets: Targets, database: Database) -> AsyncIterator[Notifier]:
    """Yield what tells these targets; its connections are closed at the end."""
    store = NoticeStore(database, owner=_owner(), seconds=_NOTICE_LEASE_SECONDS)
    async with open_deliverer(targets) as deliverer:
        yield Notifier(store, targets, deliverer, settings.console_url)


def _door(settings: Settings, database: Database) -> Door:
    tokens = Tokens(settings.api_token, settings.api_token_read, TokenStore(database).known)
    return Door(tokens, opened=settings.http_open, behind_proxy=settings.http_behind_proxy)


def _measuring(settings: Settings, database: Database, heartbeats: Heartbeats) -> list[_Loop]:
    """Return the loops of every process, whatever its roles."""
    DATABASE_CONNECTIONS.labels("busy").set_function(lambda: database.busy)
    DATABASE_CONNECTIONS.labels("idle").set_function(lambda: database.idle)
    backlog = partial(measure_backlog, FleetStore(database))
    drop_old = partial(expire, database, retention_days=settings.retention_days)
    return [
        partial(every, _BACKLOG_SECONDS, "backlog", backlog, heartbeats),
        partial(every, _EXPIRY_SECONDS, "expiry", drop_old, heartbeats),
    ]


async def _publishing(
    settings: Settings,
    database: Database,
    gate: Gate,
    hooks: Hooks,
    heartbeats: Heartbeats,
    resources: AsyncExitStack,
) -> list[_Loop]:
    """Return the loops of the role ``publisher``; their clients are closed with ``resources``."""
    client = await resources.enter_async_context(
        open_ayrshare(settings, gate, connections=settings.pin_concurrency, idle_seconds=_PIN_IDLE_SECONDS)
    )
    # Slow histories must not use up the connections, and with them the time, of pins.
    histories = await resources.enter_async_context(open_ayrshare(settings, gate, connections=_HISTORIES))
    reconcile = make_reconciler(settings, database, histories, gate).run_once
    # A history may be asked for twice, and a slow Ayrshare is no stuck loop.
    longest = 2 * settings.request_seconds
    return [
        partial(_make_publisher(settings, database, client, gate, hooks.published).run, heartbeats),
        partial(every, _RECONCILE_SECONDS, "reconciler", reconcile, heartbeats, longest=longest),
        partial(every, _QUEUE_SECONDS, "queue", partial(measure_queue, PinStore(database)), heartbeats),
    ]


def _detection(database: Database, heartbeats: Heartbeats) -> Callable[[], Awaitable[object]]:
    from collector.detect.detector import Detector  # noqa: PLC0415 -- without this role no numpy, which takes 15 MiB

    detector = Detector(DropStore(database))

    async def detect() -> None:
        if await detector.run_once(partial(heartbeats.beat, "detector")):
            await release_memory()

    return detect
