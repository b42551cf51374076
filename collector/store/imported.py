"""Stores days that other programs recorded, beside those that polls read, which they never touch."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from collector.errors import RegistryError
from collector.models.gap import GapReason, Whose
from collector.models.intake import COUNTS, FileDay, ImportedSource, Taken
from collector.store.columns import names, values
from collector.store.pool import Database

_RATES = tuple(f"{each}_rate" for each in COUNTS[1:])
_IDS = "SELECT name, id FROM profile WHERE name = ANY ($1::text[])"
# A poll that is being stored waits, and compares with these days; so does whoever writes lost days down.
_LOCK = "SELECT FROM profile WHERE id = $1 FOR NO KEY UPDATE"
_KNOWN = f"""
SELECT day, source, {", ".join(COUNTS)}
FROM daily_metric
WHERE profile_id = $1
  AND day BETWEEN $2 AND $3
"""
# The columnstore gives a row up where it was, and takes it anew: to change it in place would unpack a whole chunk.
_FORGET = """
DELETE FROM daily_metric
WHERE profile_id = $1
  AND day = ANY ($2::date[])
  AND source IS NOT NULL
"""
# Which the detector then judges again.
_DOUBT_VERDICT = "UPDATE drop_verdict SET settled_through = NULL WHERE profile_id = $1"
_NOTE_SOURCE = "INSERT INTO profile_import (source, profile_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
# LATERAL: by the key of the days, whatever the planner thinks of the profiles that have imports.
_LISTED = f"""
SELECT {names(ImportedSource)}
FROM (
    SELECT
        i.source, count(*) AS profiles, sum(d.days)::bigint AS days, min(d.first_day) AS first_day,
        max(d.last_day) AS last_day
    FROM profile_import i
    CROSS JOIN LATERAL (
        SELECT count(*) AS days, min(day) AS first_day, max(day) AS last_day
        FROM daily_metric
        WHERE profile_id = i.profile_id
          AND source = i.source
    ) AS d
    WHERE d.days > 0
    GROUP BY i.source
) s
ORDER BY source
"""
_PROFILES_OF = "SELECT profile_id FROM profile_import WHERE source = $1 ORDER BY profile_id"
_UNDO = "DELETE FROM daily_metric WHERE profile_id = $1 AND source = $2 RETURNING day"
_FORGET_SOURCE = "DELETE FROM profile_import WHERE profile_id = $1 AND source = $2"
# What was lost, or would have been, while an import had it: nobody looks at these days again, nor knows the reason.
_NOTE_LOST = f"""
INSERT INTO lost_day (profile_id, day, whose, reason, cause_first, cause_last)
SELECT p.id, d.day, '{Whose.UNKNOWN}', '{GapReason.LOG_GONE}', d.day, d.day
FROM unnest($2::date[]) AS d (day)
JOIN profile p ON p.id = $1
WHERE d.day BETWEEN p.first_day AND p.lost_through
ON CONFLICT DO NOTHING
"""


class ImportStore:
    """Imported days."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ids(self, profiles: Sequence[str]) -> dict[str, int]:
        """Return the ids of those of the profiles that there are."""
        return dict(await self._database.fetch(_IDS, profiles))

    async def take(
        self, profile_id: int, days: Sequence[FileDay], source: str, *, replace: bool, dry_run: bool
    ) -> Taken:
        """Store days of one profile, all or none; to repeat it changes nothing.

        Raises:
            RegistryError: the profile was removed meanwhile.
        """
        async with self._database.transaction() as connection:
            if not await connection.fetch(_LOCK, profile_id):
                raise RegistryError(f"{days[0].profile} was removed meanwhile")
            first, last = min(each.day for each in days), max(each.day for each in days)
            known = {row["day"]: tuple(row)[1:] for row in await connection.fetch(_KNOWN, profile_id, first, last)}
            new = [each for each in days if each.day not in known]
            imported = [each for each in days if each.day in known and known[each.day][0] is not None]
            differing = [each for each in imported if known[each.day] != (source, *each.numbers)]
            if not dry_run:
                await _write(connection, profile_id, source, new, differing if replace else [])
        return Taken(
            profile=days[0].profile,
            first_day=first,
            last_day=last,
            new=len(new),
            changed=len(differing) if replace else 0,
            same=len(imported) - len(differing),
            different=0 if replace else len(differing),
            observed=len(days) - len(new) - len(imported),
        )

    async def sources(self) -> list[ImportedSource]:
        """Return what was imported, by its source."""
        return values(ImportedSource, await self._database.fetch(_LISTED))

    async def undo(self, source: str) -> int:
        """Delete the days of a source, profile by profile, and return how many there were.

        Those that no poll can bring any more are lost then.
        """
        deleted = 0
        for (profile_id,) in await self._database.fetch(_PROFILES_OF, source):
            async with self._database.transaction() as connection:
                await connection.execute(_LOCK, profile_id)
                days = [day for (day,) in await connection.fetch(_UNDO, profile_id, source)]
                await connection.execute(_NOTE_LOST, profile_id, days)
                await connection.execute(_DOUBT_VERDICT, profile_id)
                await connection.execute(_FORGET_SOURCE, profile_id, source)
            deleted += len(days)
        return deleted


async def _write(
    connection: asyncpg.Connection, profile_id: int, source: str, new: Sequence[FileDay], changed: Sequence[FileDay]
) -> None:
    if changed:
        await connection.execute(_FORGET, profile_id, [each.day for each in changed])
    rows = [(profile_id, each.day, source, *each.numbers, *_rates(each.numbers)) for each in (*new, *changed)]
    if rows:
        columns = ("profile_id", "day", "source", *COUNTS, *_RATES)
        await connection.copy_records_to_table("daily_metric", columns=columns, records=rows)
        await connection.execute(_NOTE_SOURCE, source, profile_id)
        await connection.execute(_DOUBT_VERDICT, profile_id)


def _rates(numbers: Sequence[int | None]) -> list[Any]:
    """Return the counts for each impression."""
    impressions, *others = numbers
    return [None if number is None or not impressions else number / impressions for number in others]
