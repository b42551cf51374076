"""What an operator asks first: is every client's data coming in, and if not, whose and why."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from collector.store.daemon import DaemonProcess, DaemonStore
from collector.store.fleet import CollectedProfile, CountedStates, DatabaseInfo, FleetStore, StateSummary
from collector.store.leader import Leadership, leaderships
from collector.store.notice import NoticeStore, TargetState
from collector.store.pin import PinStore
from collector.store.pin_result import Backlog, ResultStore
from collector.store.pool import Database


class ProfilesStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The profiles: by state, how many are due and for how long the first has been, and those in trouble.

    ``total`` and ``by_state`` are as they were at ``counted_at``.
    """

    counted_at: datetime
    total: int
    by_state: dict[str, StateSummary]
    due: int
    lag_seconds: float
    troubled: list[CollectedProfile]


class PinsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The queue: pins by state, paused lanes by reason, and how long the first due pin that could go has waited.

    ``unresolved`` are the unknown pins that no look is planned for any more, ``late`` those whose lane is paused for
    longer than they are to wait. ``results`` is how many published pins wait to be asked about, and for how long.
    """

    by_state: dict[str, int]
    paused_lanes: dict[str, int]
    unresolved: int
    late: int
    oldest_due_seconds: float
    results: Backlog


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole fleet; ``where`` names the place of the data, ``notifications`` are of every target there ever was."""

    profiles: ProfilesStatus
    polls_24h: dict[str, int]
    pins: PinsStatus
    database: DatabaseInfo
    where: str
    daemons: list[DaemonProcess]
    last_daemon: DaemonProcess | None
    leaders: list[Leadership]
    notifications: list[TargetState]
    clock_offset_seconds: float


async def gather_status(
    database: Database,
    where: str,
    *,
    count_days: bool = True,
    states: Callable[[], Awaitable[CountedStates]] | None = None,
) -> Status:
    """Ask the database, and ``states`` instead of it for what takes longest, if that is there.

    Counting days takes seconds where there are hundreds of millions.
    """
    fleet, daemons = FleetStore(database), DaemonStore(database)
    counted = await (states or fleet.summary)()
    backlog, pins = await fleet.backlog(), await PinStore(database).summary()
    return Status(
        profiles=ProfilesStatus(
            counted_at=counted.counted_at,
            total=sum(each.profiles for each in counted.states),
            by_state={each.state.value: each for each in counted.states},
            due=backlog.due,
            lag_seconds=backlog.lag_seconds,
            troubled=await fleet.troubled(),
        ),
        polls_24h=await fleet.polls(),
        pins=PinsStatus(
            by_state=pins.states,
            paused_lanes=pins.paused,
            unresolved=pins.unresolved,
            late=pins.late,
            oldest_due_seconds=pins.oldest_due_seconds,
            results=await ResultStore(database, seconds=0.0).backlog(),
        ),
        database=await fleet.database(count_days=count_days),
        where=where,
        daemons=await daemons.running(),
        last_daemon=await daemons.last(),
        leaders=await leaderships(database),
        notifications=await NoticeStore(database, owner="", seconds=0.0).states(),
        clock_offset_seconds=backlog.clock_offset_seconds,
    )
