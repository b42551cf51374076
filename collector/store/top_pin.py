"""Reads the results of published pins: the best of them, one over time, and what each had after a week."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from collector.models.result import Ending
from collector.store.columns import names, values
from collector.store.pool import Database


class PinRank(StrEnum):
    """By what the best pins are the best; ``WEEK_ENGAGEMENT`` is fair to young pins."""

    ENGAGEMENT = "engagement"
    WEEK_ENGAGEMENT = "week-engagement"
    ENGAGEMENT_RATE = "engagement-rate"
    IMPRESSION = "impression"
    SAVE = "save"
    PIN_CLICK = "pin-click"
    OUTBOUND_CLICK = "outbound-click"


class TopPin(msgspec.Struct, frozen=True, kw_only=True):
    """A published pin with its totals, seen first at ``observed_at``; the ``week_`` ones are what it had then.

    A ``native`` one was not made here: it has no page, and its ``client_ref`` is Pinterest's id of it.
    """

    pin_id: int
    profile_id: int
    profile: str
    client: str
    client_ref: str
    title: str | None
    pin_url: str | None
    published_at: datetime
    impression: int | None
    engagement: int | None
    engagement_rate: float | None
    save: int | None
    pin_click: int | None
    outbound_click: int | None
    week_impression: int | None
    week_engagement: int | None
    observed_at: datetime
    native: bool


class TopWish(msgspec.Struct, frozen=True, kw_only=True):
    """Whose pins, published when; None is all."""

    client: str | None = None
    profile: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class PinOwner(msgspec.Struct, frozen=True):
    """Whose a pin is, and when it went out."""

    profile_id: int
    client: str
    published_at: datetime | None


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """How a pin is followed: when it was and will be asked about, and what the last answer without numbers said."""

    asked_at: datetime | None
    next_at: datetime | None
    failures: int
    last_error: str | None
    ended: Ending | None


class PinPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A pin's totals as they were from ``observed_at`` on; ``extra`` is a JSON object of the other numbers."""

    observed_at: datetime
    impression: int | None
    engagement: int | None
    save: int | None
    pin_click: int | None
    outbound_click: int | None
    extra: msgspec.Raw | None


class WeekOld(msgspec.Struct, frozen=True, gc=False):
    """When a pin went out, and what it had after a week."""

    profile_id: int
    published_at: datetime
    engagement: int


_RANKS: Final = {rank: rank.value.replace("-", "_") for rank in PinRank}


# A statement each for all, for a client and for a profile: one plan for all of them would read everything.
def _top(whose: str, rank: PinRank) -> str:
    return f"""
        SELECT {names(TopPin)}
        FROM top_pin
        WHERE {whose}
          AND ($3::timestamptz IS NULL OR published_at >= $3)
          AND ($4::timestamptz IS NULL OR published_at < $4)
          AND {_RANKS[rank]} IS NOT NULL
        ORDER BY {_RANKS[rank]} DESC, pin_id DESC
        LIMIT $5
    """


_OWNER = f"SELECT {names(PinOwner)} FROM pin p JOIN profile f ON f.id = p.profile_id WHERE p.id = $1"
_FOLLOWING = f"SELECT {names(Following)} FROM pin_result WHERE profile_id = $1 AND pin_id = $2"
_POINTS = """
SELECT
    observed_at, impression, pin_engagement(save, pin_click, outbound_click) AS engagement, save, pin_click,
    outbound_click, extra::text AS extra
FROM pin_metric
WHERE profile_id = $1
  AND pin_id = $2
ORDER BY observed_at
"""
_WEEK_OLD = """
SELECT profile_id, published_at, week_engagement AS engagement
FROM top_pin
WHERE {whose} = $1
  AND week_engagement IS NOT NULL
  AND NOT native
  AND published_at >= now() - $2 * interval '1 day'
ORDER BY published_at DESC
LIMIT 10000
"""
_OF_CLIENT, _OF_PROFILE = (_WEEK_OLD.format(whose=whose) for whose in ("client", "profile_id"))


class TopPinStore:
    """Results of pins, for those who look."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def top(self, wish: TopWish, rank: PinRank, limit: int) -> list[TopPin]:
        """Return the best pins, the best first; pins without the number by which they are ranked are left out."""
        whose = " AND ".join(
            f"${place}::text IS NULL" if getattr(wish, name) is None else f"{name} = ${place}"
            for place, name in ((1, "client"), (2, "profile"))
        )
        found = await self._database.fetch(_top(whose, rank), *msgspec.structs.astuple(wish), limit)
        return values(TopPin, found)

    async def owner(self, pin_id: int) -> PinOwner | None:
        """Return whose a pin is; None where there is no such pin."""
        found = values(PinOwner, await self._database.fetch(_OWNER, pin_id))
        return found[0] if found else None

    async def following(self, profile_id: int, pin_id: int) -> Following | None:
        """Return how a pin is followed; None where it is not, because nobody knows that it is live."""
        found = values(Following, await self._database.fetch(_FOLLOWING, profile_id, pin_id))
        return found[0] if found else None

    async def points(self, profile_id: int, pin_id: int) -> list[PinPoint]:
        """Return the totals of a pin whenever they were others, the oldest first."""
        rows = await self._database.fetch(_POINTS, profile_id, pin_id)
        return [
            PinPoint(**dict(row) | {"extra": None if row["extra"] is None else msgspec.Raw(row["extra"].encode())})
            for row in rows
        ]

    async def of_pin(self, pin_id: int) -> list[PinPoint]:
        """Return the points of a pin, whosever it is."""
        owner = await self.owner(pin_id)
        return await self.points(owner.profile_id, pin_id) if owner is not None else []

    async def week_old(self, *, client: str | None = None, profile_id: int | None = None, days: int) -> list[WeekOld]:
        """Return the pins of so many days whose numbers after a week are known, the newest first; 10,000 at most."""
        statement = _OF_CLIENT if profile_id is None else _OF_PROFILE
        return values(WeekOld, await self._database.fetch(statement, profile_id or client, days))
