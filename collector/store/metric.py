"""Writes the results of polls: many profiles in one statement, and nothing for a day that did not change."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from msgspec.structs import astuple

from collector.models import AccountAnalytics, DayMetrics, Metrics, PollRecord, SeenAnswer, Written
from collector.store.pool import Database

_METRICS: dict[str, str] = {
    "impression": "bigint",
    "engagement": "bigint",
    "engagement_rate": "double precision",
    "save": "bigint",
    "save_rate": "double precision",
    "pin_click": "bigint",
    "pin_click_rate": "double precision",
    "outbound_click": "bigint",
    "outbound_click_rate": "double precision",
}
_DAY: dict[str, str] = {"day": "date", **_METRICS, "data_status": "text", "extra": "jsonb"}
_POLL: dict[str, str] = {
    "lease_until": "timestamptz",
    "outcome": "text",
    "duration_seconds": "double precision",
    "next_poll_in": "double precision",
    "state": "text",
    "http_status": "smallint",
    "code": "integer",
    "detail": "text",
    "excerpt": "text",
    "settled_through": "date",
    "settle_days": "smallint",
    "rate_limit_max": "integer",
    "rate_limit_count": "integer",
    "problems": "integer",
    "first_day": "date",
    "last_day": "date",
    "window_start": "date",
    "has_data": "boolean",
    "seen_before": "boolean",
    "answer_digest": "bigint",
    "observed_at": "timestamptz",
    "followers": "bigint",
    **_METRICS,
    "extra": "jsonb",
}


def _expire(table: str, condition: str) -> str:
    return f"DELETE FROM {table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {table} WHERE {condition} LIMIT 50000))"


def _columns(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in names)


_VALUES = [*_METRICS, "data_status", "extra"]

# Batches come by COPY: as arrays, the driver takes three times as long to encode them. Temporary tables write no WAL.
_STAGE = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS poll (
    profile_id bigint,
    {", ".join(f"{name} {kind}" for name, kind in _POLL.items())}
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS polled_day (
    profile_id bigint,
    {", ".join(f"{name} {kind}" for name, kind in _DAY.items())}
) ON COMMIT DELETE ROWS;
"""

# "IS TRUE" makes it a hashed lookup: as a join, with no statistics on a batch, the planner was seen to choose a nested
# loop that took three quarters of the statement's time.
_HELD_C = "(c.profile_id IN (SELECT id FROM held)) IS TRUE"
_HELD_R = "(r.profile_id IN (SELECT id FROM held)) IS TRUE"

# One statement for the whole batch. The days are compared first, so that an unchanged one is only read:
# an ON CONFLICT ... WHERE would lock it, and a lock is WAL. The update of the profile is the fence: a result whose
# lease was taken over, or whose profile was paused or removed meanwhile, finds no row, and nothing of it is stored.
# OFFSET 0 keeps the planner from joining the whole table instead of walking each profile's stretch of the key, whatever
# the statistics say; the bounds on the day let TimescaleDB leave out the chunks that no day of this batch is in.
_WRITE = f"""
WITH stored AS MATERIALIZED (
    SELECT m.*
    FROM poll p
    CROSS JOIN LATERAL (
        SELECT *
        FROM daily_metric m
        WHERE m.profile_id = p.profile_id
          AND m.day BETWEEN p.first_day AND p.last_day
          AND m.day BETWEEN $1::date AND $2::date
        OFFSET 0
    ) m
),
change AS (
    SELECT d.*, coalesce(m.revision, 0) + 1 AS revision
    FROM polled_day d
    LEFT JOIN stored m ON m.profile_id = d.profile_id AND m.day = d.day
    WHERE m.profile_id IS NULL
       OR ({_columns(_VALUES, "m.")}) IS DISTINCT FROM ({_columns(_VALUES, "d.")})
),
amount AS (
    SELECT
        profile_id,
        count(*) FILTER (WHERE revision = 1) AS rows_new,
        count(*) FILTER (WHERE revision > 1) AS rows_changed
    FROM change
    GROUP BY profile_id
),
result AS (
    SELECT
        p.*,
        coalesce(a.rows_new, 0)::integer AS rows_new,
        coalesce(a.rows_changed, 0)::integer AS rows_changed,
        CASE WHEN p.outcome = 'ok' AND a.profile_id IS NULL THEN 'unchanged' ELSE p.outcome END AS final_outcome
    FROM poll p
    LEFT JOIN amount a ON a.profile_id = p.profile_id
),
held AS (
    UPDATE profile AS p
    SET state = coalesce(r.state, p.state),
        state_reason = CASE
            WHEN r.state IS NULL THEN p.state_reason
            WHEN r.state <> 'active' THEN r.detail
        END,
        state_since = CASE WHEN r.state <> p.state THEN now() ELSE p.state_since END,
        first_day = least(p.first_day, r.window_start),
        last_day = greatest(p.last_day, r.last_day),
        settled_through = greatest(p.settled_through, r.settled_through),
        settle_days = coalesce(r.settle_days, p.settle_days),
        window_days = coalesce(r.last_day - r.window_start + 1, p.window_days),
        answer_digest = CASE WHEN r.has_data AND NOT r.seen_before THEN r.answer_digest ELSE p.answer_digest END,
        answer_day = CASE WHEN r.has_data THEN (now() AT TIME ZONE 'UTC')::date ELSE p.answer_day END,
        rate_limit_max = coalesce(r.rate_limit_max, p.rate_limit_max),
        rate_limit_count = coalesce(r.rate_limit_count, p.rate_limit_count),
        rate_limited_on = CASE
            WHEN r.http_status = 429 THEN (now() AT TIME ZONE 'UTC')::date
            ELSE p.rate_limited_on
        END,
        rate_limited_count = CASE
            WHEN r.http_status IS DISTINCT FROM 429 THEN p.rate_limited_count
            WHEN p.rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN p.rate_limited_count + 1
            ELSE 1
        END,
        last_outcome = r.final_outcome,
        -- What was left out of an answer stays said for as long as the same answer comes.
        last_error = CASE
            WHEN NOT r.seen_before THEN r.detail
            WHEN p.last_outcome IN ('ok', 'unchanged') THEN p.last_error
        END,
        consecutive_failures = CASE
            WHEN r.has_data THEN 0
            ELSE p.consecutive_failures + 1
        END,
        last_success_at = CASE WHEN r.has_data THEN now() ELSE p.last_success_at END,
        last_poll_at = now(),
        days_changed_at = CASE WHEN r.rows_new + r.rows_changed > 0 THEN now() ELSE p.days_changed_at END,
        next_poll_at = now() + r.next_poll_in * interval '1 second',
        lease_until = NULL,
        lease_owner = NULL
    FROM result r
    WHERE p.id = r.profile_id
      AND p.lease_until = r.lease_until
    RETURNING p.id
),
added AS (
    INSERT INTO daily_metric (profile_id, {_columns(_DAY)})
    SELECT c.profile_id, {_columns(_DAY, "c.")}
    FROM change c
    WHERE c.revision = 1
      AND {_HELD_C}
),
restated AS (
    UPDATE daily_metric AS m
    SET ({_columns(_VALUES)}, revision, updated_at) = ROW ({_columns(_VALUES, "c.")}, c.revision, now())
    FROM change c
    WHERE m.profile_id = c.profile_id
      AND m.day = c.day
      AND m.day BETWEEN $1 AND $2
      AND c.revision > 1
      AND {_HELD_C}
),
ledger AS (
    INSERT INTO daily_metric_revision (profile_id, {_columns(_DAY)}, revision, observed_at, last_seen_at)
    SELECT
        s.profile_id, {_columns(_DAY, "s.")}, s.revision, s.updated_at,
        greatest((SELECT p.last_success_at FROM profile p WHERE p.id = s.profile_id), s.updated_at)
    FROM stored s
    JOIN change c ON c.profile_id = s.profile_id AND c.day = s.day
    WHERE {_HELD_C}
),
snapshot AS (
    INSERT INTO account_snapshot (profile_id, observed_at, {_columns(_METRICS)}, followers, extra)
    SELECT
        r.profile_id,
        -- A stamp that cannot be true would make a chunk of its own, centuries away.
        CASE WHEN r.observed_at BETWEEN now() - interval '90 days' AND now() THEN r.observed_at ELSE now() END,
        {_columns(_METRICS, "r.")}, r.followers, r.extra
    FROM result r
    WHERE r.has_data
      AND NOT r.seen_before
      AND {_HELD_R}
    ON CONFLICT (profile_id, observed_at) DO NOTHING
),
log AS (
    INSERT INTO poll_log (
        profile_id, outcome, http_status, code, duration_seconds, rows_new, rows_changed, problems, detail, excerpt
    )
    SELECT
        r.profile_id, r.final_outcome, r.http_status, r.code, r.duration_seconds, r.rows_new, r.rows_changed,
        r.problems, r.detail, r.excerpt
    FROM result r
    WHERE {_HELD_R}
)
SELECT r.profile_id, r.rows_new, r.rows_changed
FROM result r
WHERE {_HELD_R}
"""

# In steps that end well within the time a statement may take, however much there is to delete.
_EXPIRE_POLL_LOG = _expire("poll_log", "polled_at < now() - $1::integer * interval '1 day'")
_EXPIRE = (
    _expire("daily_metric", "day < (now() AT TIME ZONE 'UTC')::date - $1::integer"),
    _expire("daily_metric_revision", "superseded_at < now() - $1::integer * interval '1 day'"),
    _expire("account_snapshot", "observed_at < now() - $1::integer * interval '1 day'"),
)
_POLL_LOG_DAYS = 90

# Days that were deleted on purpose are not missing.
_FORGET_FIRST_DAYS = """
UPDATE profile
SET first_day = (now() AT TIME ZONE 'UTC')::date - $1::integer
WHERE first_day < (now() AT TIME ZONE 'UTC')::date - $1::integer
"""

_PUT_OFF = """
UPDATE profile
SET last_outcome = $3,
    last_error = $4,
    consecutive_failures = consecutive_failures + 1,
    last_poll_at = now(),
    next_poll_at = now() + $5::double precision * interval '1 second',
    lease_until = NULL,
    lease_owner = NULL
WHERE id = $1
  AND lease_until = $2
"""

_IS_HYPERTABLE = "SELECT to_regclass('weekly_metric_aggregate') IS NOT NULL"
# Deleting rows out of the columnstore would unpack it; whole chunks go at no cost, a chunk's length later.
_DROP_CHUNKS = """
SELECT count(*)
FROM unnest('{daily_metric,daily_metric_revision,account_snapshot}'::text[]) AS name
CROSS JOIN LATERAL drop_chunks(name::regclass, older_than => $1::integer * interval '1 day')
"""

# Pinterest serves 90 days.
_LONGEST_WINDOW = timedelta(days=100)
_NOTHING = AccountAnalytics(window=Metrics())


class MetricStore:
    """Daily metrics, their revisions, snapshots and the log of polls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write_polls(self, records: Sequence[PollRecord]) -> list[Written]:
        """Store the results of polls, all or none; a profile without an answer here has lost its lease.

        A profile may be in ``records`` once. Repeating the call after an error of unknown fate is safe: what was
        committed has ended its lease, and is left alone.
        """
        days = _day_rows(records)
        bounds = (min(day[1] for day in days), max(day[1] for day in days)) if days else (None, None)
        async with self._database.transaction() as connection:
            await connection.execute(_STAGE)
            await connection.copy_records_to_table("poll", records=map(_poll_row, records))
            if days:
                await connection.copy_records_to_table("polled_day", records=days)
            rows = await connection.fetch(_WRITE, *bounds)
        return [Written(*row) for row in rows]

    async def expire(self, *, retention_days: int | None) -> int:
        """Delete what is older than its retention (the log of polls: 90 days); return the rows or chunks deleted."""
        deleted = 0
        if await self._database.fetchval(_IS_HYPERTABLE):
            if retention_days is not None:
                deleted = int(await self._database.fetchval(_DROP_CHUNKS, retention_days))
        else:
            deleted = await self._delete(_EXPIRE_POLL_LOG, _POLL_LOG_DAYS)
            if retention_days is not None:
                deleted += sum([await self._delete(statement, retention_days) for statement in _EXPIRE])
        if retention_days is not None:
            await self._database.execute(_FORGET_FIRST_DAYS, retention_days)
        return deleted

    async def _delete(self, statement: str, days: int) -> int:
        deleted = 0
        while count := await self._database.execute(statement, days):
            deleted += count
        return deleted

    async def put_off(self, record: PollRecord) -> None:
        """Write only that the poll failed and when to try again, for a record that the other tables refuse."""
        await self._database.execute(
            _PUT_OFF, record.profile_id, record.lease_until, record.outcome, record.detail, record.next_poll_in
        )


def _poll_row(record: PollRecord) -> tuple[Any, ...]:
    """Return the record in the order of the table ``poll``."""
    analytics = record.analytics if isinstance(record.analytics, AccountAnalytics) else _NOTHING
    days = analytics.days
    return (
        record.profile_id,
        record.lease_until,
        record.outcome,
        record.duration_seconds,
        record.next_poll_in,
        record.state,
        record.http_status,
        record.code,
        record.detail,
        record.excerpt,
        record.settled_through,
        record.settle_days,
        record.rate_limit_max,
        record.rate_limit_count,
        len(analytics.problems),
        days[0].day if days else None,
        days[-1].day if days else None,
        _window_start(days),
        record.analytics is not None,
        isinstance(record.analytics, SeenAnswer),
        analytics.digest,
        analytics.last_updated,
        analytics.followers,
        *astuple(analytics.window),
        analytics.extra,
    )


def _window_start(days: Sequence[DayMetrics]) -> date | None:
    """Return the first day of the answer's window; a stray day of long ago is stored, but stretches no window."""
    if not days:
        return None
    limit = days[-1].day - _LONGEST_WINDOW
    return next(day.day for day in days if day.day > limit)


def _day_rows(records: Sequence[PollRecord]) -> list[tuple[Any, ...]]:
    """Return the days of all records in the order of the table ``polled_day``."""
    nine = len(_METRICS)
    return [
        (record.profile_id, day.day, *astuple(day.metrics)[:nine], day.data_status, day.extra)
        for record in records
        if isinstance(record.analytics, AccountAnalytics)
        for day in record.analytics.days
    ]
