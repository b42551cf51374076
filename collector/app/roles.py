"""The roles of a process: what each one opens, and the loops that it runs."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import msgspec
import structlog

from collector.app.upstream import open_ayrshare
from collector.app.workers import (
    make_leases,
    make_native_look,
    make_poller,
    make_publisher,
    make_reconciler,
    make_reporter,
    make_tracker,
    open_notifier,
    poll_policy,
)
from collector.config import Role, Settings
from collector.fleet.exporter import Exporter
from collector.loops.every import Heartbeats, every
from collector.loops.gate import Gate
from collector.loops.leader import Leader
from collector.memory import release_memory
from collector.notify.deliver import PATIENCE_SECONDS
from collector.notify.targets import load_targets
from collector.poll.interval import shorten_waits
from collector.poll.poller import PollResult
from collector.publish.publisher import Published
from collector.report.pdf import PRINT_SECONDS
from collector.report.pictures import Pictures
from collector.store.drop import DropStore
from collector.store.pool import Database
from collector.store.standby import Standby, reading
from collector.store.unknown import unknown_clients

log = structlog.get_logger(__name__)

_EXPORT_SECONDS = 5.0
_RESULTS_SECONDS = 15.0
_NATIVE_SECONDS = 15.0
_HISTORIES = 32
_DETECT_SECONDS = 10.0
_RECONCILE_SECONDS = 5.0
_NOTIFY_SECONDS = 15.0
_REPORT_SECONDS = 60.0
# A round may use a second's worth of the pace, so polls and pins have at least half of it.
_TRACK_SECONDS = 2.0
_TRACKED_AT_ONCE = 16
# Servers close connections that idle longer, and a pin sent into a closing one would be unknown.
_PIN_IDLE_SECONDS = 2.0

Loop = Callable[[], Coroutine[Any, Any, None]]


class Hooks(msgspec.Struct, frozen=True):
    """Told of what happens, for whoever shows it: the address once pages are served, every poll's and pin's result."""

    serving: Callable[[str], None] = lambda _address: None
    polled: Callable[[PollResult], None] = lambda _result: None
    published: Callable[[Published], None] = lambda _result: None


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """What the roles of a process share; ``resources`` closes what they opened.

    ``readers`` is the same database with connections of its own, for the pages, ``standby`` what they may lead to.
    """

    settings: Settings
    database: Database
    readers: Database
    standby: Standby | None
    gate: Gate
    heartbeats: Heartbeats
    leader: Leader
    hooks: Hooks
    exporter: Exporter | None
    pictures: Pictures
    resources: AsyncExitStack


async def open_roles(process: Process) -> list[Loop]:
    """Return the loops of the roles that the settings name."""
    loops: list[Loop] = []
    for role, open_role in _ROLES.items():
        if role in process.settings.roles:
            loops += await open_role(process)
    return loops


async def _poller(process: Process) -> list[Loop]:
    settings, database, gate = process.settings, process.database, process.gate
    client = await process.resources.enter_async_context(open_ayrshare(settings, gate))
    await shorten_waits(make_leases(settings, database), poll_policy(settings))
    poller = make_poller(settings, database, client, gate, process.hooks.polled)
    return [partial(poller.run, process.heartbeats)]


async def _publisher(process: Process) -> list[Loop]:
    settings, database, gate, heartbeats = process.settings, process.database, process.gate, process.heartbeats
    client = await process.resources.enter_async_context(
        open_ayrshare(settings, gate, connections=settings.pin_concurrency, idle_seconds=_PIN_IDLE_SECONDS)
    )
    # Slow histories must not use up the connections, and with them the time, of pins.
    histories = await process.resources.enter_async_context(open_ayrshare(settings, gate, connections=_HISTORIES))
    reconcile = make_reconciler(settings, database, histories, gate).run_once
    # A history may be asked for twice, and a slow Ayrshare is no stuck loop.
    longest = 2 * settings.request_seconds
    return [
        partial(make_publisher(settings, database, client, gate, process.hooks.published).run, heartbeats),
        partial(every, _RECONCILE_SECONDS, "reconciler", reconcile, heartbeats, longest=longest),
    ]


async def _tracker(process: Process) -> list[Loop]:
    settings, gate, heartbeats = process.settings, process.gate, process.heartbeats
    client = await process.resources.enter_async_context(open_ayrshare(settings, gate, connections=_TRACKED_AT_ONCE))
    tracker = make_tracker(settings, process.database, client, gate)
    loops: list[Loop] = [
        partial(every, _TRACK_SECONDS, "tracker", tracker.run_once, heartbeats, longest=settings.lease_time),
        partial(every, _RESULTS_SECONDS, "results", tracker.measure, heartbeats),
    ]
    if settings.native_pins:
        look = make_native_look(settings, process.database, client, gate).run_once
        loops.append(partial(every, _NATIVE_SECONDS, "native", look, heartbeats, longest=2 * settings.request_seconds))
    return loops


async def _exporter(process: Process) -> list[Loop]:
    if process.exporter is None:
        return []
    refresh = partial(process.exporter.refresh, partial(process.heartbeats.beat, "exporter"))
    return [partial(every, _EXPORT_SECONDS, "exporter", partial(reading, refresh), process.heartbeats)]


async def _detector(process: Process) -> list[Loop]:
    from collector.detect.detector import Detector  # noqa: PLC0415 -- without this role no numpy, which takes 15 MiB

    detector = Detector(DropStore(process.database))

    async def detect() -> None:
        if await detector.run_once(partial(process.heartbeats.beat, "detector")):
            await release_memory()

    # Each would judge all.
    led = process.leader.led("detector", detect)
    return [partial(every, _DETECT_SECONDS, "detector", led, process.heartbeats)]


async def _notifier(process: Process) -> list[Loop]:
    settings = process.settings
    if settings.notify_file is None:
        return []
    targets = load_targets(settings.notify_file)
    if unknown := await unknown_clients(process.database, targets.clients):
        log.warning("nobody is told of clients that there are not", file=str(settings.notify_file), reason=unknown)
    opening = open_notifier(settings, targets, process.database)
    work = (await process.resources.enter_async_context(opening)).run_once
    return [partial(every, _NOTIFY_SECONDS, "notifier", work, process.heartbeats, longest=PATIENCE_SECONDS)]


async def _reporter(process: Process) -> list[Loop]:
    settings, heartbeats = process.settings, process.heartbeats
    if settings.report_dir is None:
        return []
    reporter = make_reporter(settings, settings.report_dir, process.database, process.pictures.of)
    write = partial(reporter.run_once, partial(heartbeats.beat, "reporter"))
    return [partial(every, _REPORT_SECONDS, "reporter", write, heartbeats, longest=PRINT_SECONDS)]


_ROLES: dict[Role, Callable[[Process], Awaitable[list[Loop]]]] = {
    Role.POLLER: _poller,
    Role.PUBLISHER: _publisher,
    Role.TRACKER: _tracker,
    Role.EXPORTER: _exporter,
    Role.DETECTOR: _detector,
    Role.NOTIFIER: _notifier,
    Role.REPORTER: _reporter,
}
