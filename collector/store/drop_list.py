"""Lists drops, and keeps what people say of them: that one is not a problem, who said so, when and why."""

from datetime import date, datetime
from typing import Final

import msgspec

from collector.models.drop import Episode
from collector.store.columns import names, values
from collector.store.fleet_drop import FleetDrop
from collector.store.pool import Database

LONGEST_NOTE: Final = 500
"""Characters."""

Onset = tuple[int, str, date]
"""A profile, a metric and the first day: what a drop is known by when it is found again."""


class ListedDrop(Episode, frozen=True, kw_only=True):
    """A drop as it is shown; ``inhibited`` ones began with a drop of the whole fleet.

    Of a dismissed one somebody said that it is not a problem: who, when and why. One that is ``told`` is open, and
    neither of both.
    """

    id: int
    profile_id: int
    profile: str
    client: str
    open: bool
    inhibited: bool
    told: bool
    dismissed_note: str | None
    dismissed_by: str | None
    dismissed_at: datetime | None
    sentence: str
    why: str


class DropRow(ListedDrop, frozen=True, kw_only=True):
    """A drop with when it was found and last changed."""

    opened_at: datetime
    updated_at: datetime


class Dismissed(msgspec.Struct, frozen=True):
    """A drop, by its onset, of which somebody said that it is not a problem."""

    profile_id: int
    metric: str
    first_day: date
    dismissed_note: str


_LISTED = f"""
SELECT {names(ListedDrop)}
FROM engagement_drop
WHERE open
   OR closed_on > (SELECT max(settled_through) FROM profile) - $1::integer
ORDER BY open DESC, told DESC, inhibited, client, profile, first_day
"""
_FLEET_LISTED = f"""
SELECT {names(FleetDrop)}
FROM fleet_drop
WHERE open
   OR last_day >= (SELECT max(settled_through) FROM profile) - $1::integer
ORDER BY first_day DESC
"""
_FIND = f"SELECT {names(DropRow)} FROM engagement_drop WHERE id = $1"
_DISMISS = """
INSERT INTO drop_dismissal (profile_id, metric, first_day, dismissed_note, dismissed_by)
SELECT profile_id, metric, first_day, $2, $3
FROM drop_episode
WHERE id = $1
ON CONFLICT (profile_id, metric, first_day) DO UPDATE
SET dismissed_note = excluded.dismissed_note, dismissed_by = excluded.dismissed_by, dismissed_at = now()
"""
_RESTORE = """
DELETE FROM drop_dismissal d
USING drop_episode e
WHERE e.id = $1
  AND (d.profile_id, d.metric, d.first_day) = (e.profile_id, e.metric, e.first_day)
"""


class DropList:
    """Drops as they are shown, and what was said of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, closed_days: int) -> list[ListedDrop]:
        """Return the open drops, and those closed within the fleet's newest ``closed_days`` settled days."""
        return values(ListedDrop, await self._database.fetch(_LISTED, closed_days))

    async def fleet_listed(self, closed_days: int) -> list[FleetDrop]:
        return values(FleetDrop, await self._database.fetch(_FLEET_LISTED, closed_days))

    async def find(self, drop_id: int) -> DropRow | None:
        """Return a drop; None where there is none of this number, or none any more."""
        found = values(DropRow, await self._database.fetch(_FIND, drop_id))
        return found[0] if found else None

    async def dismiss(self, drop_id: int, note: str, by: str) -> None:
        """Keep that a drop is not a problem; a later note takes the place of an earlier one."""
        await self._database.execute(_DISMISS, drop_id, note, by)

    async def restore(self, drop_id: int) -> None:
        """Forget that a drop was dismissed."""
        await self._database.execute(_RESTORE, drop_id)

    async def notes(self) -> dict[Onset, str]:
        """Return the notes of all dismissed drops."""
        rows = await self._database.fetch(f"SELECT {names(Dismissed)} FROM drop_dismissal")
        return {(each.profile_id, each.metric, each.first_day): each.dismissed_note for each in values(Dismissed, rows)}
