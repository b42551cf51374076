"""Reads the fleet as the pages and the status command show it."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import msgspec

from collector.models.profile import ProfileState
from collector.store.clock import clock_offset, machine_time
from collector.store.columns import names, values
from collector.store.missing_day import missing_days
from collector.store.pool import Database


class ProfileStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the view ``profile_status``: a profile, its newest settled day, its newest snapshot, and its gaps."""

    id: int
    name: str
    client: str
    tags: list[str]
    ref_id: str | None
    state: ProfileState
    state_reason: str | None
    state_since: datetime
    created_at: datetime
    next_poll_at: datetime | None
    last_poll_at: datetime | None
    last_success_at: datetime | None
    last_outcome: str | None
    last_error: str | None
    consecutive_failures: int
    rate_limit_max: int | None
    rate_limit_count: int | None
    rate_limited_today: int
    rate_limited_in_row: int | None
    first_day: date | None
    last_day: date | None
    settled_through: date | None
    account_changed_at: datetime | None
    seam_day: date | None
    account_name: str | None
    former_account_name: str | None
    settled_day: date | None
    impression: int | None
    engagement: int | None
    engagement_rate: float | None
    save: int | None
    save_rate: float | None
    pin_click: int | None
    pin_click_rate: float | None
    outbound_click: int | None
    outbound_click_rate: float | None
    snapshot_at: datetime | None
    window_impression: int | None
    window_engagement: int | None
    window_engagement_rate: float | None
    window_save: int | None
    window_save_rate: float | None
    window_pin_click: int | None
    window_pin_click_rate: float | None
    window_outbound_click: int | None
    window_outbound_click_rate: float | None
    followers: int | None
    missing_days: int | None
    days_until_data_loss: int | None
    engagement_expected: float | None
    engagement_expected_low: float | None
    engagement_drop_score: float | None
    engagement_drop: int | None


class StateSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The profiles that are in one state: their number, their gaps, and the extremes of their freshness."""

    state: ProfileState
    profiles: int
    with_missing_days: int
    missing_days: int
    never_read: int
    oldest_success: datetime | None
    newest_success: datetime | None
    oldest_settled_day: date | None
    newest_settled_day: date | None


class CountedStates(msgspec.Struct, frozen=True):
    """The profiles by state, and when they were counted: with 10,000 of them that takes more than a second."""

    states: list[StateSummary]
    counted_at: datetime


class CollectedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """How a profile is collected: its state, its last poll, and the reason where it is not as planned."""

    id: int
    name: str
    client: str
    state: ProfileState
    state_since: datetime
    last_outcome: str | None
    reason: str | None
    consecutive_failures: int
    last_success_at: datetime | None
    next_poll_at: datetime | None
    rate_limited_today: int


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the poll log."""

    polled_at: datetime
    outcome: str
    http_status: int | None
    code: int | None
    duration_seconds: float
    rows_new: int
    rows_changed: int
    problems: int
    detail: str | None
    excerpt: str | None


class Backlog(msgspec.Struct, frozen=True):
    """How many profiles are due, for how many seconds the first of them has been, and whether the clocks agree.

    ``clock_offset_seconds`` is how far the database's clock is ahead of this machine's.
    """

    due: int
    lag_seconds: float
    clock_offset_seconds: float


class DatabaseInfo(msgspec.Struct, frozen=True):
    """The server's version, TimescaleDB's where it is there, and what the database holds; ``days`` if asked for."""

    version: str
    timescaledb: str | None
    size_bytes: int
    days: int | None


_STATUS = f"SELECT {names(ProfileStatus)} FROM profile_status ORDER BY name"
_STATUS_OF = f"SELECT {names(ProfileStatus)} FROM profile_status WHERE id = ANY ($1::bigint[])"
# For ids in a list, no plan is kept: to make one takes longer than to run it.
_STATUS_OF_ONE = f"SELECT {names(ProfileStatus)} FROM profile_status WHERE id = $1"
_POLLED_SINCE = "SELECT DISTINCT profile_id FROM poll_log WHERE polled_at >= $1"
_NOW = "SELECT now()"

# What the view profile_status has besides is not asked for: with it, this takes three times as long.
_SUMMARY = f"""
SELECT
    p.state,
    count(*) AS profiles,
    count(*) FILTER (WHERE g.missing_days > 0) AS with_missing_days,
    coalesce(sum(g.missing_days), 0)::bigint AS missing_days,
    count(*) FILTER (WHERE p.last_success_at IS NULL) AS never_read,
    min(p.last_success_at) AS oldest_success,
    max(p.last_success_at) AS newest_success,
    min(d.day) AS oldest_settled_day,
    max(d.day) AS newest_settled_day
FROM profile p
CROSS JOIN LATERAL (
    {missing_days("(now() AT TIME ZONE 'UTC')::date - 90")}
) g
LEFT JOIN LATERAL (
    SELECT m.day
    FROM daily_metric m
    WHERE m.profile_id = p.id
      AND is_settled(m.day, p.settled_through, m.data_status)
      AND m.impression IS NOT NULL
    ORDER BY m.day DESC
    LIMIT 1
) d ON true
GROUP BY p.state
ORDER BY p.state
"""
_STATES = "SELECT state, count(*) AS profiles FROM profile GROUP BY state ORDER BY state"

_COLLECTED = """
SELECT
    id, name, client, state, state_since, last_outcome,
    concat_ws(
        '; ',
        CASE WHEN account_changed_at IS NOT NULL THEN format(
            'account changed? since %s the days from %s on are others''%s; '
                '`collector profiles accept` if that is right, else link the right account or `rotate-key`',
            to_char(account_changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
            seam_day,
            ' (' || nullif(concat_ws(', ', 'now ' || account_name, 'before ' || former_account_name), '') || ')'
        ) END,
        coalesce(state_reason, last_error)
    ) AS reason,
    consecutive_failures, last_success_at, next_poll_at,
    CASE
        WHEN rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN rate_limited_count
        ELSE 0
    END AS rate_limited_today
FROM profile
"""
_TROUBLED = f"""
{_COLLECTED}
WHERE state IN ('unlinked', 'suspended', 'key_invalid')
   OR account_changed_at IS NOT NULL
   OR (state = 'active' AND (last_outcome NOT IN ('ok', 'unchanged') OR last_error IS NOT NULL))
ORDER BY client, name
LIMIT $1
"""
_COLLECTED_OF = f"""
{_COLLECTED}
WHERE strpos(lower(concat_ws(' ', name, client, ref_id)), lower($1)) > 0
ORDER BY client, name
LIMIT $2
"""

_POLLS = """
SELECT outcome, count(*) AS polls
FROM poll_log
WHERE polled_at > now() - interval '24 hours'
GROUP BY outcome
ORDER BY polls DESC
"""

_DATABASE = """
SELECT
    current_setting('server_version') AS version,
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
    pg_database_size(current_database()) AS size_bytes,
    CASE WHEN $1 THEN (SELECT count(*) FROM daily_metric) END AS days
"""

_BACKLOG = f"""
SELECT
    count(*) AS due,
    coalesce(extract(epoch FROM now() - min(next_poll_at)), 0)::double precision AS lag_seconds,
    {clock_offset(1)} AS clock_offset_seconds
FROM profile
WHERE next_poll_at <= now()
"""

# The log's index by profile leaves out unchanged polls, so that they cost little. They are found by their time.
_RECENT_POLLS = f"""
(
    SELECT {names(Poll)}
    FROM poll_log
    WHERE profile_id = $1
      AND outcome <> 'unchanged'
    ORDER BY polled_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT {names(Poll)}
    FROM poll_log
    WHERE profile_id = $1
      AND outcome = 'unchanged'
      AND polled_at > now() - interval '2 days'
)
ORDER BY polled_at DESC
LIMIT $2
"""
BATCH = 500
"""So many profiles are read at once: a row of the view takes 5 kB until it is on the page."""


class FleetStore:
    """Reads every profile's status, and sums over the fleet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def status(self) -> AsyncIterator[list[ProfileStatus]]:
        """Yield all profiles by name, in batches, so that a large fleet is never in memory at once."""
        async with self._database.transaction() as connection:
            cursor = await connection.cursor(_STATUS)
            while rows := await cursor.fetch(BATCH):
                yield values(ProfileStatus, rows)

    async def status_of(self, profile_ids: list[int]) -> list[ProfileStatus]:
        return values(ProfileStatus, await self._database.fetch(_STATUS_OF, profile_ids))

    async def status_of_one(self, profile_id: int) -> ProfileStatus | None:
        found = values(ProfileStatus, await self._database.fetch(_STATUS_OF_ONE, profile_id))
        return found[0] if found else None

    async def backlog(self) -> Backlog:
        [found] = values(Backlog, await self._database.fetch(_BACKLOG, machine_time()))
        return found

    async def summary(self) -> CountedStates:
        """Count profiles and their gaps by state; this reads every profile's last 90 days."""
        began = datetime.now(UTC)
        return CountedStates(values(StateSummary, await self._database.fetch(_SUMMARY)), began)

    async def states(self) -> dict[str, int]:
        """Return the number of profiles by state."""
        return dict(await self._database.fetch(_STATES))

    async def troubled(self, most: int | None = None) -> list[CollectedProfile]:
        """Return the profiles whose last poll failed or that are not polled as usual, paused ones left out."""
        return values(CollectedProfile, await self._database.fetch(_TROUBLED, most))

    async def collected(self, text: str, most: int) -> list[CollectedProfile]:
        """Return how the profiles are collected that have ``text`` in their name, client or refId."""
        return values(CollectedProfile, await self._database.fetch(_COLLECTED_OF, text, most))

    async def polls(self) -> dict[str, int]:
        """Return the number of polls of the last 24 hours by outcome."""
        return dict(await self._database.fetch(_POLLS))

    async def database(self, *, count_days: bool = True) -> DatabaseInfo:
        [found] = values(DatabaseInfo, await self._database.fetch(_DATABASE, count_days))
        return found

    async def recent_polls(self, profile_id: int, count: int) -> list[Poll]:
        """Return the profile's last polls, newest first; those that changed nothing only of the last two days."""
        return values(Poll, await self._database.fetch(_RECENT_POLLS, profile_id, count))

    async def now(self) -> datetime:
        """Return the database's clock."""
        now: datetime = await self._database.fetchval(_NOW)
        return now

    async def polled_since(self, instant: datetime) -> list[int]:
        """Return the profiles polled since ``instant``, and a minute more for transactions that were still open."""
        return [
            profile_id for (profile_id,) in await self._database.fetch(_POLLED_SINCE, instant - timedelta(minutes=1))
        ]
