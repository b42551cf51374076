"""Writes what was collected before this database was there, with the times at which it was."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from msgspec.structs import astuple

from collector.models.analytics import DayMetrics, Metrics
from collector.models.pin import PinContent, Publication
from collector.models.profile import ProfileState
from collector.models.result import PinNumbers
from collector.store.columns import arrays, columns, names
from collector.store.pool import Database


class PastDay(msgspec.Struct, frozen=True):
    """A day, and when it was read."""

    read_at: datetime
    day: DayMetrics


class PastSnapshot(msgspec.Struct, frozen=True):
    """An account's sums and followers, and when they were read."""

    read_at: datetime
    window: Metrics
    followers: int | None


class PastPoll(msgspec.Struct, frozen=True):
    """A good poll: when, how long it took, and how many days were new and changed."""

    polled_at: datetime
    duration_seconds: float
    rows_new: int
    rows_changed: int


class PastResult(msgspec.Struct, frozen=True):
    """The totals of a pin, and when they were seen."""

    observed_at: datetime
    numbers: PinNumbers


class PastPin(msgspec.Struct, frozen=True):
    """A pin that went out at its time, at the first attempt, and how it did since."""

    profile_id: int
    client_ref: str
    published_at: datetime
    content: PinContent
    publication: Publication
    results: tuple[PastResult, ...] = ()


class _Told(msgspec.Struct, frozen=True):
    profile_id: int
    client_ref: str
    observed_at: datetime
    numbers: PinNumbers


class PastProfile(msgspec.Struct, frozen=True):
    """What is known of a profile since its last poll, at ``read_at``, after which it was in ``state``."""

    profile_id: int
    created_at: datetime
    read_at: datetime
    first_day: date
    last_day: date
    settled_through: date
    settle_days: int
    window_days: int
    state: ProfileState = ProfileState.ACTIVE
    state_reason: str | None = None


class Past(msgspec.Struct, frozen=True):
    """All that was collected of a profile; the days are in their order and not stored yet."""

    profile: PastProfile
    days: tuple[PastDay, ...]
    snapshots: tuple[PastSnapshot, ...]
    polls: tuple[PastPoll, ...]


_VALUES = ("data_status", "extra", *Metrics.__struct_fields__)
_DAY = ("profile_id", "day", "first_seen_at", "updated_at", *_VALUES)
_SNAPSHOT = ("profile_id", "observed_at", "followers", *Metrics.__struct_fields__)
_POLL = (
    "profile_id", "polled_at", "outcome", "http_status", "duration_seconds", "rows_new", "rows_changed", "problems",
)  # fmt: skip

_PROFILE = f"""
UPDATE profile AS p
SET created_at = r.created_at,
    first_day = r.first_day,
    last_day = r.last_day,
    settled_through = r.settled_through,
    settle_days = r.settle_days,
    window_days = r.window_days,
    last_outcome = 'ok',
    last_poll_at = r.read_at,
    last_success_at = r.read_at,
    days_changed_at = r.read_at,
    state = r.state,
    state_reason = r.state_reason,
    state_since = CASE WHEN r.state = p.state THEN r.created_at ELSE r.read_at END
FROM unnest({arrays(PastProfile)}) AS r ({names(PastProfile)})
WHERE p.id = r.profile_id
"""

# Their texts are not checked again: a pin that is live is what it is.
_PIN = """
WITH published AS (
    INSERT INTO pin (
        profile_id, client_ref, created_at, publish_at, description, title, link, media_urls, alt_texts, state,
        state_since, attempts, ayrshare_id, pinterest_pin_id, pin_url, published_at, owner
    )
    SELECT
        r.profile_id, r.client_ref, r.published_at - interval '4 days', r.published_at, r.description, r.title, r.link,
        ARRAY[r.media_url], ARRAY[r.alt_text], 'published', r.published_at, 1, r.ayrshare_id, r.pinterest_pin_id,
        r.pin_url, r.published_at, 'earlier'
    FROM unnest(
        $1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[]
    ) AS r (
        profile_id, client_ref, published_at, description, title, link, media_url, alt_text, ayrshare_id,
        pinterest_pin_id, pin_url
    )
    ON CONFLICT (profile_id, client_ref) DO NOTHING
    RETURNING id, owner, published_at
)
INSERT INTO pin_attempt (pin_id, attempt, owner, started_at, ended_at, outcome, http_status)
SELECT id, 1, owner, published_at - interval '2 seconds', published_at, 'published', 200
FROM published
"""
# Of pins that nobody asked about yet. The next time is about when they are asked about again.
_RESULTS = f"""
WITH told AS MATERIALIZED (
    SELECT p.id AS pin_id, p.published_at, t.*
    FROM unnest({arrays(_Told)}) AS t ({names(_Told)})
    JOIN pin p ON p.profile_id = t.profile_id AND p.client_ref = t.client_ref
),
kept AS (
    INSERT INTO pin_metric (profile_id, pin_id, observed_at, {names(PinNumbers)})
    SELECT profile_id, pin_id, observed_at, impression, save, pin_click, outbound_click, extra::jsonb
    FROM told
    ON CONFLICT DO NOTHING
),
newest AS (
    SELECT DISTINCT ON (pin_id) *
    FROM told
    ORDER BY pin_id, observed_at DESC
),
week_old AS (
    SELECT DISTINCT ON (pin_id) pin_id, impression, pin_engagement(save, pin_click, outbound_click) AS engagement
    FROM told
    WHERE observed_at >= published_at + interval '7 days'
    ORDER BY pin_id, observed_at
)
UPDATE pin_result AS r
SET observed_at = n.observed_at,
    asked_at = n.observed_at,
    next_at = n.observed_at + CASE
        WHEN n.observed_at > n.published_at + interval '14 days' THEN interval '7 days'
        ELSE interval '1 day'
    END,
    impression = n.impression,
    save = n.save,
    pin_click = n.pin_click,
    outbound_click = n.outbound_click,
    extra = n.extra::jsonb,
    week_impression = w.impression,
    week_engagement = w.engagement
FROM newest n
LEFT JOIN week_old w ON w.pin_id = n.pin_id
WHERE r.profile_id = n.profile_id
  AND r.pin_id = n.pin_id
  AND r.asked_at IS NULL
"""


class PastStore:
    """Days, snapshots, polls, and pins with their results, of long ago."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, pasts: Sequence[Past]) -> None:
        """Store the pasts of profiles that were never polled, all or none; their next polls stay as planned."""
        async with self._database.transaction() as connection:
            await connection.execute(_PROFILE, *columns(PastProfile, [past.profile for past in pasts]))
            for table, fields, rows in (
                ("daily_metric", _DAY, map(_day_rows, pasts)),
                ("account_snapshot", _SNAPSHOT, map(_snapshot_rows, pasts)),
                ("poll_log", _POLL, map(_poll_rows, pasts)),
            ):
                await connection.copy_records_to_table(
                    table, columns=fields, records=[r for each in rows for r in each]
                )

    async def write_pins(self, pins: Sequence[PastPin]) -> None:
        """Store pins that are live, with one image each; those that are known stay as they are."""
        rows = [
            (
                pin.profile_id, pin.client_ref, pin.published_at, pin.content.description, pin.content.title,
                pin.content.link, pin.content.media_urls[0], next(iter(pin.content.alt_texts), ""),
                *astuple(pin.publication),
            )
            for pin in pins
        ]  # fmt: skip
        if not rows:
            return
        told = [_Told(pin.profile_id, pin.client_ref, each.observed_at, each.numbers)
                for pin in pins for each in pin.results]  # fmt: skip
        async with self._database.transaction() as connection:
            await connection.execute(_PIN, *map(list, zip(*rows, strict=True)))
            await connection.execute(_RESULTS, *columns(_Told, told))


def _day_rows(past: Past) -> list[tuple[object, ...]]:
    return [
        (
            past.profile.profile_id,
            d.day.day,
            d.read_at,
            d.read_at,
            d.day.data_status,
            d.day.extra,
            *astuple(d.day.metrics),
        )
        for d in past.days
    ]


def _snapshot_rows(past: Past) -> list[tuple[object, ...]]:
    return [(past.profile.profile_id, s.read_at, s.followers, *astuple(s.window)) for s in past.snapshots]


def _poll_rows(past: Past) -> list[tuple[object, ...]]:
    return [
        (past.profile.profile_id, p.polled_at, "ok", 200, p.duration_seconds, p.rows_new, p.rows_changed, 0)
        for p in past.polls
    ]
