"""Makes the workers of polling, publishing, tracking, telling and reporting, as the settings want them."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from collector.app.storage import key_ring
from collector.ayrshare.client import AyrshareClient
from collector.config import Settings
from collector.loops.gate import Gate
from collector.loops.recall import Recall
from collector.notify.deliver import open_deliverer
from collector.notify.notifier import Notifier
from collector.notify.targets import Targets
from collector.poll.decision import Policy
from collector.poll.poller import Poller, PollResult
from collector.poll.reader import Reader
from collector.publish.decision import PublishPolicy
from collector.publish.publisher import Published, Publisher
from collector.publish.reconciler import Reconciler
from collector.publish.sender import Sender
from collector.report.brand import load_brand
from collector.report.pdf import installed_browser
from collector.report.pictures import PicturesOf
from collector.report.reporter import FOLDER_SETTING, LEASE_SECONDS, Reporter
from collector.store.event import EventStore
from collector.store.gap import GapStore
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.monthly_report import MonthlyReportStore
from collector.store.native_pin import NativePinStore
from collector.store.notice import NoticeStore
from collector.store.pin_check import CheckStore
from collector.store.pin_queue import PinQueue
from collector.store.pin_result import ResultStore
from collector.store.pool import Database
from collector.store.report import ReportStore
from collector.track.native import NativeLook
from collector.track.tracker import Tracker
from collector.whole_file import make_folder

# Longer than a message takes.
_NOTICE_LEASE_SECONDS = 60.0


def make_owner() -> str:
    """Return a name that no other owner of leases has, which says where it is."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def make_leases(settings: Settings, database: Database) -> LeaseStore:
    return LeaseStore(database, owner=make_owner(), seconds=settings.lease_time)


def poll_policy(settings: Settings) -> Policy:
    return Policy(interval=settings.poll_interval, settle_days=settings.settle_days)


def make_poller(
    settings: Settings,
    database: Database,
    client: AyrshareClient,
    gate: Gate,
    on_result: Callable[[PollResult], None],
) -> Poller:
    return Poller(
        Reader(client, key_ring(settings), poll_policy(settings)),
        make_leases(settings, database),
        MetricStore(database),
        gate,
        concurrency=settings.poll_concurrency,
        on_result=on_result,
    )


def _publish_policy(settings: Settings) -> PublishPolicy:
    return PublishPolicy(
        lane_gap=settings.pin_lane_gap,
        spam_cooldown=settings.pin_spam_cooldown,
        checks=settings.pin_reconcile_after,
        requeue_absent=settings.pins_requeue_absent,
    )


def _make_queue(settings: Settings, database: Database) -> PinQueue:
    return PinQueue(database, owner=make_owner(), seconds=settings.lease_time)


def make_publisher(
    settings: Settings,
    database: Database,
    client: AyrshareClient,
    gate: Gate,
    on_result: Callable[[Published], None],
) -> Publisher:
    policy = _publish_policy(settings)
    return Publisher(
        Sender(client, key_ring(settings), policy, patience=settings.lease_time / 5),
        _make_queue(settings, database),
        database,
        gate,
        Recall(gate, make_leases(settings, database)),
        policy,
        concurrency=settings.pin_concurrency,
        on_result=on_result,
    )


def make_reconciler(settings: Settings, database: Database, client: AyrshareClient, gate: Gate) -> Reconciler:
    return Reconciler(
        client,
        key_ring(settings),
        _make_queue(settings, database),
        CheckStore(database),
        gate,
        _publish_policy(settings),
        claim_seconds=settings.lease_time,
    )


def make_tracker(settings: Settings, database: Database, client: AyrshareClient, gate: Gate) -> Tracker:
    results = ResultStore(database, seconds=settings.lease_time)
    return Tracker(client, key_ring(settings), results, _make_queue(settings, database), gate)


def make_native_look(settings: Settings, database: Database, client: AyrshareClient, gate: Gate) -> NativeLook:
    return NativeLook(client, key_ring(settings), NativePinStore(database), _make_queue(settings, database), gate)


@asynccontextmanager
async def open_notifier(settings: Settings, targets: Targets, database: Database) -> AsyncIterator[Notifier]:
    """Yield what tells these targets; its connections are closed at the end."""
    store = NoticeStore(database, owner=make_owner(), seconds=_NOTICE_LEASE_SECONDS)
    async with open_deliverer(targets) as deliverer:
        yield Notifier(
            EventStore(database), store, targets, deliverer, settings.console_url, report_dir=settings.report_dir
        )


def make_reporter(settings: Settings, folder: Path, database: Database, pictures_of: PicturesOf) -> Reporter:
    """Return what writes into a folder. Raises ``ConfigurationError`` for what would keep every report from it."""
    make_folder(folder, FOLDER_SETTING)
    load_brand(settings.report_file)
    return Reporter(
        ReportStore(database),
        GapStore(database),
        MonthlyReportStore(database, owner=make_owner(), seconds=LEASE_SECONDS),
        folder=folder,
        looks=settings.report_file,
        browser=installed_browser(),
        pictures_of=pictures_of,
    )
