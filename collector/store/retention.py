"""Deletes what is older than its retention."""

from typing import Final

from collector.store.pin_upload import forget_uploads
from collector.store.pool import Database

POLL_LOG_DAYS: Final = 90


def _expire(table: str, condition: str) -> str:
    # In steps that end well within the time a statement may take, however much there is to delete.
    return f"DELETE FROM {table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM {table} WHERE {condition} LIMIT 50000))"


_EXPIRE_POLL_LOG = _expire("poll_log", "polled_at < now() - $1::integer * interval '1 day'")
_EXPIRE = (
    _expire("daily_metric", "day < (now() AT TIME ZONE 'UTC')::date - $1::integer"),
    _expire("daily_metric_revision", "superseded_at < now() - $1::integer * interval '1 day'"),
    _expire("account_snapshot", "observed_at < now() - $1::integer * interval '1 day'"),
    _expire("pin_metric", "observed_at < now() - $1::integer * interval '1 day'"),
)
# What follows from these, and has no chunks.
_EXPIRE_FINDINGS = (
    _expire("lost_day", "day < (now() AT TIME ZONE 'UTC')::date - $1::integer"),
    _expire("drop_episode", "closed_on < (now() AT TIME ZONE 'UTC')::date - $1::integer"),
    _expire("fleet_drop", "NOT open AND last_day < (now() AT TIME ZONE 'UTC')::date - $1::integer"),
    _expire("profile_state_change", "changed_at < now() - $1::integer * interval '1 day'"),
    # A pin that is followed no more is not followed anew: that begins only while it is younger than any retention.
    _expire("pin_result", "next_at IS NULL AND asked_at < now() - $1::integer * interval '1 day'"),
    _expire("native_pin", "created_at < now() - $1::integer * interval '1 day'"),
)

# Days that were deleted on purpose are not missing.
_FORGET_FIRST_DAYS = """
UPDATE profile
SET first_day = (now() AT TIME ZONE 'UTC')::date - $1::integer
WHERE first_day < (now() AT TIME ZONE 'UTC')::date - $1::integer
"""

_IS_HYPERTABLE = "SELECT to_regclass('weekly_metric_aggregate') IS NOT NULL"
# Deleting rows out of the columnstore would unpack it; whole chunks go at no cost, a chunk's length later.
_DROP_CHUNKS = "SELECT drop_old_chunks($1)"


async def expire(database: Database, *, retention_days: int | None) -> int:
    """Delete what is older than its retention (the log of polls: 90 days); return the rows or chunks deleted."""
    deleted = 0
    if await database.fetchval(_IS_HYPERTABLE):
        if retention_days is not None:
            deleted = int(await database.fetchval(_DROP_CHUNKS, retention_days))
    else:
        deleted = await _delete(database, _EXPIRE_POLL_LOG, POLL_LOG_DAYS)
        if retention_days is not None:
            deleted += sum([await _delete(database, statement, retention_days) for statement in _EXPIRE])
    if retention_days is not None:
        await database.execute(_FORGET_FIRST_DAYS, retention_days)
        deleted += sum([await _delete(database, statement, retention_days) for statement in _EXPIRE_FINDINGS])
    return deleted + await forget_uploads(database)


async def _delete(database: Database, statement: str, days: int) -> int:
    deleted = 0
    while count := await database.execute(statement, days):
        deleted += count
    return deleted
