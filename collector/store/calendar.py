"""Reads the pins that are due on some days."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from collector.models.pin import PinState
from collector.store.columns import names, values
from collector.store.pool import Database


class DuePin(msgspec.Struct, frozen=True, kw_only=True):
    """A pin of a day; ``place`` is that of the day among those asked for, ``pins`` how many there are on it.

    ``version`` is another one as soon as anything of the pin is.
    """

    place: int
    pins: int
    id: int
    profile: str
    client: str
    client_ref: str
    state: PinState
    publish_at: datetime
    text: str
    version: str


class DueFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which pins; ``text`` is in the name of their profile or client, in any case."""

    client: str | None = None
    state: PinState | None = None
    text: str | None = None


# Days of UTC find the rows, since they are what the index has; the bounds then make them days of the viewer. The rows
# are read before anything is joined to them: a plan for any days knows too little, and would ask profile by profile.
DUE: Final = f"""
WITH due AS MATERIALIZED (
    SELECT id, profile_id, publish_at, width_bucket(publish_at, $1::timestamptz[]) AS place
    FROM pin
    WHERE (publish_at AT TIME ZONE 'UTC')::date BETWEEN $2::date AND $3::date
      AND ($5::text IS NULL OR state = $5)
), numbered AS (
    SELECT
        d.id, d.place, f.name AS profile, f.client, count(*) OVER (PARTITION BY d.place) AS pins,
        row_number() OVER (PARTITION BY d.place ORDER BY d.publish_at, d.id) AS number
    FROM due d
    JOIN profile f ON f.id = d.profile_id
    WHERE d.place BETWEEN 1 AND cardinality($1::timestamptz[]) - 1
      AND ($4::text IS NULL OR f.client = $4)
      AND ($6::text IS NULL OR strpos(lower(concat_ws(' ', f.name, f.client)), lower($6)) > 0)
)
SELECT {names(DuePin)}
FROM (
    SELECT
        n.*, p.client_ref, p.state, p.publish_at, left(coalesce(p.title, p.description), 120) AS text,
        p.xmin::text AS version
    FROM numbered n
    JOIN pin p ON p.id = n.id
    WHERE n.number <= $7
) shown
ORDER BY publish_at, id
"""


class CalendarStore:
    """The pins of days, in one statement however many days there are."""

    def __init__(self, database: Database) -> None:
        self._database = database.lists

    async def due(self, bounds: Sequence[datetime], wanted: DueFilter, most: int) -> list[DuePin]:
        """Return the first ``most`` pins of each day, in order; day ``place`` ends where ``bounds[place]`` is."""
        first, last = (bound.astimezone(UTC).date() for bound in (bounds[0], bounds[-1]))
        rows = await self._database.fetch(DUE, bounds, first, last, *msgspec.structs.astuple(wanted), most)
        return values(DuePin, rows)
