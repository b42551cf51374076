"""The daemon: what every process does, the loops of its roles, and the pages."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial

import structlog

from collector import __version__
from collector.api.services import Services
from collector.api.site import Api
from collector.app.on_demand import boards_of, check_pins, look_at_media, try_profile_key
from collector.app.roles import Hooks, Loop, Process, open_roles
from collector.app.storage import key_ring, open_storage, where
from collector.app.upstream import make_gate, open_ayrshare
from collector.app.workers import make_owner
from collector.config import Role, Settings, missing_token, require_secrets
from collector.console.elsewhere import Elsewhere
from collector.console.overview import LONGEST_SECONDS, REFRESH_SECONDS, OverviewKeeper
from collector.console.site import Console
from collector.errors import ConfigurationError, DatabaseUnavailableError
from collector.fleet.backlog import measure_backlog
from collector.fleet.exporter import Exporter
from collector.history.gaps import note_lost_days
from collector.loops.every import Heartbeats, every
from collector.loops.leader import KEEP_SECONDS, Leader
from collector.memory import collect_seldom, keep_little
from collector.publish.measure import measure_queue
from collector.registry.register import try_encryption_keys
from collector.registry.trial import try_api_key
from collector.report.pictures import open_pictures
from collector.store.daemon import DaemonStore
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore
from collector.store.gap import GapStore
from collector.store.leader import LeaderStore
from collector.store.pin import PinStore
from collector.store.pool import Database, open_for_pages
from collector.store.profile import ProfileStore
from collector.store.retention import expire
from collector.store.standby import LOOK_SECONDS, Standby, StandbyFirst, reading
from collector.store.token import TokenStore
from collector.telemetry import DATABASE_CONNECTIONS
from collector.web.age import may_be_old
from collector.web.door import Door
from collector.web.health import Health
from collector.web.server import Pages, serving
from collector.web.tokens import Tokens

log = structlog.get_logger(__name__)

_BACKLOG_SECONDS = 15.0
_PRESENCE_SECONDS = 15.0
_LEAVE_SECONDS = 1.0
_EXPIRY_SECONDS = 3600.0
_EXPIRY_LOOK_SECONDS = 15.0


async def run_daemon(settings: Settings, *, apply_migrations: bool) -> None:
    """Run every role of this process until cancelled; every resource is closed and every lease given back."""
    if settings.calls_ayrshare:
        require_secrets(settings)
    async with open_storage(settings, create=True, apply_migrations=apply_migrations) as database:
        await run_roles(settings, database, Hooks())


async def run_roles(settings: Settings, database: Database, hooks: Hooks) -> None:
    """Run every role on a database with a current schema, until cancelled."""
    keep_little()
    collect_seldom()
    if problems := missing_token(settings):
        raise ConfigurationError(problems)
    owner = make_owner()
    daemons, leaders = DaemonStore(database), LeaderStore(database, owner=owner)
    async with AsyncExitStack() as resources:
        process = await _open_process(settings, database, hooks, Leader(leaders), resources)
        mark = key_ring(settings).mark if settings.encryption_keys or settings.calls_ayrshare else None
        report = partial(daemons.report, owner, __version__, settings.roles, mark)
        keeper = OverviewKeeper(process.readers)
        loops = _measuring(process, keeper)
        loops.append(partial(every, _PRESENCE_SECONDS, "presence", report, process.heartbeats))
        if settings.calls_ayrshare:
            await try_encryption_keys(ProfileStore(database), key_ring(settings))
            asking = await resources.enter_async_context(open_ayrshare(settings, process.gate, connections=1))
            loops.append(partial(try_api_key, asking, process.gate))
        if process.standby is not None:
            await process.standby.look()
            loops.append(partial(every, LOOK_SECONDS, "standby", process.standby.look, process.heartbeats))
        loops += await open_roles(process)
        await process.leader.keep()
        loops.append(partial(every, KEEP_SECONDS, "leader", process.leader.keep, process.heartbeats))
        address = await resources.enter_async_context(_serving(process, keeper))
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop())
            resources.callback(log.info, "stopped")
            resources.push_async_callback(_leave, daemons, leaders, owner)
            log.info("running", version=__version__, address=address, roles=",".join(sorted(settings.roles)))
            hooks.serving(address)


async def _open_process(
    settings: Settings, database: Database, hooks: Hooks, leader: Leader, resources: AsyncExitStack
) -> Process:
    """Open what the roles share."""
    readers, standby = await resources.enter_async_context(database.beside()), None
    fleet_from = database
    if settings.database_read_url is not None:
        dsn = settings.database_read_url.get_secret_value()
        reads = await resources.enter_async_context(open_for_pages(dsn, standby=True))
        standby = Standby(reads)
        fleet_from = readers = StandbyFirst(readers, standby, reads)
    return Process(
        settings=settings,
        database=database,
        readers=readers,
        standby=standby,
        gate=make_gate(settings),
        heartbeats=Heartbeats(),
        leader=leader,
        hooks=hooks,
        exporter=Exporter(FleetStore(fleet_from), DropList(fleet_from)) if Role.EXPORTER in settings.roles else None,
        pictures=await resources.enter_async_context(open_pictures()),
        resources=resources,
    )


def _measuring(process: Process, keeper: OverviewKeeper) -> list[Loop]:
    """Return the loops of every process, whatever its roles."""
    database, readers, heartbeats = process.database, process.readers, process.heartbeats
    DATABASE_CONNECTIONS.labels("busy").set_function(lambda: database.busy + readers.busy)
    DATABASE_CONNECTIONS.labels("idle").set_function(lambda: database.idle + readers.idle)
    backlog = partial(measure_backlog, FleetStore(database))
    keep = partial(_keep, database, process.settings.retention_days)
    keep_alone = process.leader.led("expiry", keep, pause=_EXPIRY_SECONDS)
    return [
        # First, so that the fleet's sums are there when somebody looks.
        partial(
            every, REFRESH_SECONDS, "overview", partial(reading, keeper.refresh), heartbeats, longest=LONGEST_SECONDS
        ),
        partial(every, _BACKLOG_SECONDS, "backlog", backlog, heartbeats),
        # Pins wait, and are to be seen waiting, where no publisher is alive.
        partial(every, _BACKLOG_SECONDS, "queue", partial(measure_queue, PinStore(database)), heartbeats),
        partial(every, _EXPIRY_LOOK_SECONDS, "expiry", keep_alone, heartbeats, longest=_EXPIRY_SECONDS),
    ]


async def _keep(database: Database, retention_days: int | None) -> None:
    """Write down what is lost, which takes the log of polls; then delete what is older than its retention."""
    await note_lost_days(GapStore(database))
    await expire(database, retention_days=retention_days)


def _pages(process: Process, keeper: OverviewKeeper) -> Pages:
    settings, readers, heartbeats, exporter = process.settings, process.readers, process.heartbeats, process.exporter
    health = Health(process.database, heartbeats, hold=lambda: process.gate.hold)
    services = Services(
        database=readers,
        heartbeats=heartbeats,
        keys=partial(key_ring, settings),
        try_key=partial(try_profile_key, settings),
        check_pins=partial(check_pins, settings, readers),
        look_at_media=look_at_media,
        states=keeper.states,
        problems=health.problems,
        where=where(settings),
    )
    elsewhere = Elsewhere(
        check_pins=services.check_pins,
        look_at_media=services.look_at_media,
        boards_of=partial(boards_of, settings, readers),
        pictures_of=process.pictures.of,
    )
    console = Console(
        readers, keeper, elsewhere, health.problems, heartbeats, where=where(settings), report_file=settings.report_file
    )
    return Pages(health, exporter.page if exporter else None, console, Api(services))


def _serving(process: Process, keeper: OverviewKeeper) -> AbstractAsyncContextManager[str]:
    settings = process.settings
    return serving(
        _pages(process, keeper),
        settings.http_host,
        settings.http_port,
        door=_door(settings, process.database),
        middlewares=() if process.standby is None else (may_be_old,),
    )


def _door(settings: Settings, database: Database) -> Door:
    tokens = Tokens(settings.api_token, settings.api_token_read, TokenStore(database).known)
    return Door(tokens, opened=settings.http_open, behind_proxy=settings.http_behind_proxy)


async def _leave(daemons: DaemonStore, leaders: LeaderStore, owner: str) -> None:
    with suppress(TimeoutError, DatabaseUnavailableError):
        async with asyncio.timeout(_LEAVE_SECONDS):
            await leaders.resign()
            await daemons.leave(owner)
