"""Writes the results of polls: many profiles in one transaction, and nothing for a day that did not change."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import chain
from operator import attrgetter
from typing import Any

import asyncpg
import msgspec
import structlog
from msgspec.structs import astuple

from collector.errors import DuplicateError
from collector.models.analytics import AccountAnalytics, Metrics
from collector.models.outcome import Success
from collector.models.poll import PollRecord, Written
from collector.store.account import Accounts, compare_accounts, note_accounts
from collector.store.columns import arrays, columns, names
from collector.store.polled_profile import days_of, end_polls
from collector.store.pool import Database

log = structlog.get_logger(__name__)

# A day as it travels: its key, then its values.
_KEY = ("profile_id", "day")
_VALUES = ("data_status", "extra", *Metrics.__struct_fields__)
_DayRow = tuple[Any, ...]
_LOG = (
    "profile_id", "outcome", "http_status", "code", "duration_seconds", "rows_new", "rows_changed", "problems",
    "detail", "excerpt",
)  # fmt: skip


class _Change(msgspec.Struct, frozen=True):
    """A day that is not what is stored: ``restated``, its former version last seen then, or not stored at all.

    ``loses`` tells that a number is stored of it and none came, ``settled`` that it was not expected to change.
    """

    profile_id: int
    day: date
    restated: bool
    last_seen_at: datetime | None
    loses: bool
    settled: bool


class _Comparison(msgspec.Struct, frozen=True):
    """What differs from what is stored, whose accounts seem to be others, and the settled days that were kept."""

    changes: Sequence[_Change] = ()
    accounts: Accounts = Accounts()
    kept: Sequence[_Change] = ()


def _list(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + column for column in columns)


# Days come by COPY: as arrays, the driver takes three times as long to encode them. A temporary table's rows write no
# WAL, but to make and to empty it does, so it is left alone where nothing has to be compared.
_STAGE = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS polled_day
ON COMMIT DELETE ROWS
AS SELECT {_list((*_KEY, *_VALUES))} FROM daily_metric WITH NO DATA
"""

_NUMBERS = ("extra", *Metrics.__struct_fields__)
_LOSES = " OR ".join(f"(m.{name} IS NOT NULL AND d.{name} IS NULL)" for name in _NUMBERS)

# An unchanged day is only read: an ON CONFLICT ... WHERE would lock it, and a lock is WAL. OFFSET 0 keeps the planner
# from joining the whole table instead of walking each profile's stretch of the key, whatever the statistics say; the
# bounds on the day let TimescaleDB leave out the chunks that no day of this batch is in. An imported day gives way to
# any numbers, and to the same ones: then they are observed.
_COMPARE = f"""
WITH stored AS MATERIALIZED (
    SELECT m.*
    FROM unnest($1::bigint[], $2::date[], $3::date[]) AS p (profile_id, first_day, last_day)
    CROSS JOIN LATERAL (
        SELECT *
        FROM daily_metric m
        WHERE m.profile_id = p.profile_id
          AND m.day BETWEEN p.first_day AND p.last_day
          AND m.day BETWEEN $4::date AND $5::date
        OFFSET 0
    ) m
)
SELECT
    d.profile_id, d.day, m.profile_id IS NOT NULL AS restated,
    (SELECT last_success_at FROM profile WHERE id = d.profile_id) AS last_seen_at,
    m.source IS NULL AND ({_LOSES}) AS loses,
    coalesce(
        is_settled(d.day, (SELECT settled_through FROM profile WHERE id = d.profile_id), m.data_status), false
    ) AS settled
FROM polled_day d
LEFT JOIN stored m ON m.profile_id = d.profile_id AND m.day = d.day
WHERE CASE
    WHEN m.source IS NOT NULL THEN num_nonnulls({_list(_NUMBERS, "d.")}) > 0
    ELSE m.profile_id IS NULL OR ({_list(_VALUES, "m.")}) IS DISTINCT FROM ({_list(_VALUES, "d.")})
END
"""

# "No number" takes no settled number away, in columns; the status of a day without any number is not believed either.
_KEEP = f"""
UPDATE polled_day AS d
SET data_status = CASE WHEN num_nonnulls({_list(_NUMBERS, "d.")}) = 0 THEN m.data_status ELSE d.data_status END,
    {", ".join(f"{name} = coalesce(d.{name}, m.{name})" for name in _NUMBERS)}
FROM unnest($1::bigint[], $2::date[]) AS k (profile_id, day)
CROSS JOIN LATERAL (
    SELECT *
    FROM daily_metric m
    WHERE m.profile_id = k.profile_id
      AND m.day = k.day
      AND m.day BETWEEN $3::date AND $4::date
    OFFSET 0
) m
WHERE d.profile_id = k.profile_id
  AND d.day = k.day
"""

# ON CONFLICT finds each row by its key. An UPDATE that joins would unpack all of a columnstore chunk for one day in it.
_RESTATE = f"""
WITH former AS (
    INSERT INTO daily_metric_revision (
        profile_id, day, revision, observed_at, last_seen_at, superseded_at, source, {_list(_VALUES)}
    )
    SELECT
        m.profile_id, m.day, m.revision, m.updated_at, coalesce(r.last_seen_at, m.updated_at), now(), m.source,
        {_list(_VALUES, "m.")}
    FROM unnest($1::bigint[], $2::date[], $3::timestamptz[]) AS r (profile_id, day, last_seen_at)
    CROSS JOIN LATERAL (
        SELECT *
        FROM daily_metric m
        WHERE m.profile_id = r.profile_id
          AND m.day = r.day
          AND m.day BETWEEN $4::date AND $5::date
        OFFSET 0
    ) m
)
INSERT INTO daily_metric AS m ({_list((*_KEY, *_VALUES))})
SELECT {_list((*_KEY, *_VALUES), "d.")}
FROM polled_day d
WHERE (d.profile_id, d.day) IN (SELECT * FROM unnest($1::bigint[], $2::date[]))
ON CONFLICT (profile_id, day) DO UPDATE
SET ({_list(_VALUES)}, source, revision, updated_at)
    = ROW ({_list(_VALUES, "excluded.")}, NULL::text, m.revision + 1, now())
"""

# A stamp that cannot be true would make a chunk of its own, centuries away. Nobody else writes of a profile while its
# lease is ours, so there is no conflict that ON CONFLICT would have to settle, at the cost of one more record of WAL.
_SNAPSHOT = f"""
INSERT INTO account_snapshot (profile_id, observed_at, {names(Metrics)}, followers, extra)
SELECT s.profile_id, t.observed_at, {names(Metrics, "s.")}, s.followers, s.extra::jsonb
FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], {arrays(Metrics, first=5)})
    AS s (profile_id, observed_at, followers, extra, {names(Metrics)})
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.observed_at BETWEEN now() - interval '90 days' AND now() THEN s.observed_at ELSE now() END
) t (observed_at)
WHERE NOT EXISTS (SELECT FROM account_snapshot WHERE profile_id = s.profile_id AND observed_at = t.observed_at)
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


class _Batch(msgspec.Struct, frozen=True):
    """Days that are certainly not stored yet, by their profile, and those to be compared with what is, by their key."""

    new: dict[int, list[_DayRow]]
    known: dict[tuple[int, date], _DayRow]


class MetricStore:
    """Daily metrics, their superseded versions, snapshots and the log of polls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write_polls(self, records: Sequence[PollRecord]) -> list[Written]:
        """Store the results of polls, all or none; a profile without an answer here has lost its lease.

        A profile may be in ``records`` once. Repeating the call after an error of unknown fate is safe: what was
        committed has ended its lease, and is left alone.
        """
        try:
            return await self._write(records, _batch(records))
        except DuplicateError:
            # A day is stored that its profile does not know of.
            return await self._write(records, _batch(records, compare_all=True))

    async def _write(self, records: Sequence[PollRecord], batch: _Batch) -> list[Written]:
        async with self._database.transaction() as connection:
            found = await _compare(connection, records, batch.known)
            for change in found.changes:
                if not change.restated:
                    batch.new[change.profile_id].append(batch.known[change.profile_id, change.day])
            restated = [change for change in found.changes if change.restated]
            written = _amounts(records, batch.new, restated, found.kept)
            ours = await end_polls(connection, records, list(written.values()))
            kept = [record for record in records if record.profile_id in ours]
            noticed = await note_accounts(connection, found.accounts, ours)
            await _restate(connection, [change for change in restated if change.profile_id in ours])
            await _append(
                connection,
                "daily_metric",
                (*_KEY, *_VALUES),
                list(chain.from_iterable(batch.new[record.profile_id] for record in kept)),
            )
            await _snapshot(connection, kept)
            await _append(
                connection, "poll_log", _LOG, [_log_row(record, written[record.profile_id]) for record in kept]
            )
        if noticed.unmarked:
            log.warning(
                "so many profiles changed most settled days that Pinterest restated them: no account is doubted",
                profiles=noticed.unmarked,
            )
        return [
            msgspec.structs.replace(written[each.profile_id], other_account=each.profile_id in noticed.marked)
            for each in kept
        ]

    async def put_off(self, record: PollRecord) -> None:
        """Write only that the poll failed and when to try again, for a record that the other tables refuse."""
        await self._database.execute(
            _PUT_OFF, record.profile_id, record.lease_until, record.outcome, record.detail, record.next_poll_in
        )


async def _compare(
    connection: asyncpg.Connection, records: Sequence[PollRecord], known: Mapping[tuple[int, date], _DayRow]
) -> _Comparison:
    """Compare days with what is stored; settled ones that came without their numbers keep them."""
    if not known:
        return _Comparison()
    await connection.execute(_STAGE)
    await _append(connection, "polled_day", (*_KEY, *_VALUES), known.values())
    changes = await _differing(connection, known)
    counts = Counter(change.profile_id for change in changes if change.restated)
    accounts = await compare_accounts(connection, records, counts)
    # Another account's days are not those of the one that had the numbers.
    others = {*accounts.returned, *(each.profile_id for each in accounts.replaced)}
    kept = [each for each in changes if each.loses and each.settled and each.profile_id not in others]
    if kept:
        ids, days, *_ = columns(_Change, kept)
        await connection.execute(_KEEP, ids, days, min(days), max(days))
        changes = await _differing(connection, known)
    return _Comparison(changes, accounts, kept)


async def _differing(connection: asyncpg.Connection, known: Iterable[tuple[int, date]]) -> list[_Change]:
    spans: dict[int, tuple[date, date]] = {}
    for profile_id, day in known:
        first, _ = spans.setdefault(profile_id, (day, day))
        spans[profile_id] = (first, day)  # days come in their order
    firsts, lasts = zip(*spans.values(), strict=True)
    rows = await connection.fetch(_COMPARE, list(spans), firsts, lasts, min(firsts), max(lasts))
    return [_Change(*row) for row in rows]


async def _restate(connection: asyncpg.Connection, changes: Sequence[_Change]) -> None:
    if changes:
        ids, days, _, seen, *_ = columns(_Change, changes)
        await connection.execute(_RESTATE, ids, days, seen, min(days), max(days))


async def _snapshot(connection: asyncpg.Connection, records: Sequence[PollRecord]) -> None:
    answers = [
        (record.profile_id, record.analytics) for record in records if isinstance(record.analytics, AccountAnalytics)
    ]
    if answers:
        await connection.execute(
            _SNAPSHOT,
            [profile_id for profile_id, _ in answers],
            [answer.last_updated for _, answer in answers],
            [answer.followers for _, answer in answers],
            [answer.extra for _, answer in answers],
            *columns(Metrics, [answer.window for _, answer in answers]),
        )


async def _append(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], rows: Collection[Sequence[Any]]
) -> None:
    # COPY writes the rows of a page as one record of WAL.
    if rows:
        await connection.copy_records_to_table(table, columns=columns, records=rows)


def _batch(records: Sequence[PollRecord], *, compare_all: bool = False) -> _Batch:
    batch = _Batch({}, {})
    for record in records:
        days, profile_id = days_of(record), record.profile_id
        rows = [(profile_id, day.day, day.data_status, day.extra, *astuple(day.metrics)) for day in days]
        through = date.max if compare_all else record.known_through or date.min
        first_new = bisect_right(days, through, key=attrgetter("day"))
        batch.new[profile_id] = rows[first_new:]
        batch.known.update(((profile_id, row[1]), row) for row in rows[:first_new])
    return batch


def _amounts(
    records: Sequence[PollRecord],
    new: Mapping[int, Sequence[_DayRow]],
    restated: Sequence[_Change],
    kept: Sequence[_Change],
) -> dict[int, Written]:
    changed = Counter(change.profile_id for change in restated)
    days = {profile_id: [row[1] for row in rows] for profile_id, rows in new.items()}
    for change in restated:
        days[change.profile_id].append(change.day)
    keeping = Counter(change.profile_id for change in kept)
    losing = Counter(change.profile_id for change in restated if change.loses)
    return {
        each.profile_id: _written(
            each,
            len(new[each.profile_id]),
            *(counts[each.profile_id] for counts in (changed, keeping, losing)),
            first_changed=min(days[each.profile_id], default=None),
        )
        for each in records
    }


def _written(
    record: PollRecord,
    rows_new: int,
    rows_changed: int,
    rows_kept: int,
    rows_withdrawn: int,
    *,
    first_changed: date | None,
) -> Written:
    unchanged = record.outcome is Success.OK and first_changed is None
    outcome = Success.UNCHANGED if unchanged else record.outcome
    kept = f"settled days that came without their numbers, and keep them: {rows_kept}" if rows_kept else None
    lost = f"days whose numbers were withdrawn, and are in the ledger: {rows_withdrawn}" if rows_withdrawn else None
    detail = "; ".join(filter(None, (record.detail, kept, lost))) or None
    return Written(record.profile_id, outcome, rows_new, rows_changed, rows_kept, rows_withdrawn, detail, first_changed)


def _log_row(record: PollRecord, written: Written) -> tuple[Any, ...]:
    """Return the columns ``_LOG``."""
    analytics = record.analytics
    return (
        record.profile_id,
        written.outcome,
        record.http_status,
        record.code,
        record.duration_seconds,
        written.rows_new,
        written.rows_changed,
        written.rows_kept
        + written.rows_withdrawn
        + (len(analytics.problems) if isinstance(analytics, AccountAnalytics) else 0),
        written.detail,
        record.excerpt,
    )
