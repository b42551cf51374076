"""Reports that are written without being asked for: whose are due, and the claims of those who write them."""

from collections.abc import Sequence
from datetime import date

import msgspec

from collector.store.columns import names, values
from collector.store.pool import Database


class ReportClaim(msgspec.Struct, frozen=True):
    """A report that is ours to write; ``attempts`` and the owner are the fence."""

    month: date
    client: str
    attempts: int


# One that was registered later has nothing to report of the month but what Pinterest still showed of it.
_LIST = """
INSERT INTO monthly_report (month, client)
SELECT DISTINCT $1::date, client
FROM profile
WHERE created_at < ($1::date + interval '1 month') AT TIME ZONE 'UTC'
  AND NOT EXISTS (SELECT FROM monthly_report WHERE month = $1)
ON CONFLICT DO NOTHING
"""
_CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT month, client
    FROM monthly_report r
    WHERE month = $1
      AND written_at IS NULL
      AND coalesce(lease_until <= now(), true)
      AND EXISTS (SELECT FROM profile p WHERE p.client = r.client)
    ORDER BY attempts, client
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE monthly_report AS r
SET attempts = r.attempts + 1, owner = $3, lease_until = now() + $4 * interval '1 second'
FROM due
WHERE r.month = due.month
  AND r.client = due.client
RETURNING {names(ReportClaim, "r.")}
"""
_WRITTEN = """
UPDATE monthly_report
SET file = $4, written_at = now(), lease_until = NULL
WHERE month = $1
  AND client = $2
  AND attempts = $3
  AND owner = $5
  AND written_at IS NULL
"""


class MonthlyReportStore:
    """The reports of one owner, whose claims hold for ``seconds``: then another one writes what is not written."""

    def __init__(self, database: Database, *, owner: str, seconds: float) -> None:
        self._database = database
        self._owner = owner
        self._seconds = seconds

    async def list_clients(self, month: date) -> None:
        """Note once whose reports of the month that begins on a day are to be written."""
        await self._database.execute(_LIST, month)

    async def claim(self, month: date, limit: int) -> Sequence[ReportClaim]:
        """Claim reports of a month that are not written; those that failed come last."""
        return values(ReportClaim, await self._database.fetch(_CLAIM, month, limit, self._owner, self._seconds))

    async def written(self, claim: ReportClaim, file: str) -> bool:
        """Record that a report is there; tell whether it was still ours."""
        fence = (claim.month, claim.client, claim.attempts)
        return bool(await self._database.execute(_WRITTEN, *fence, file, self._owner))
