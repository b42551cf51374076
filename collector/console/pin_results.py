"""The part of a pin's page that shows how it did since it went out."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
from markupsafe import Markup

from collector.chart import Day, line_chart
from collector.console.words import METRICS, exact
from collector.models.result import Ending
from collector.store.pool import Database
from collector.store.top_pin import Following, PinPoint, TopPinStore

_ENDINGS = {
    Ending.COMPLETE: "Its 90 days are over; it is not asked about any more.",
    Ending.NOT_FOUND: "Ayrshare does not know it any more: it was deleted, perhaps on Pinterest itself.",
    Ending.FAILED: "Nobody answered when its 90 days were over.",
}
_METRIC = "impression"


class PinResults(msgspec.Struct, frozen=True):
    """How a pin did; ``drawing`` is of its impressions, ``points`` are the newest first."""

    following: Following | None
    points: list[PinPoint]
    drawing: Markup

    @property
    def newest(self) -> PinPoint | None:
        return self.points[0] if self.points else None

    @property
    def ending(self) -> str:
        """Say why it is not asked about any more; empty while it is."""
        ended = self.following.ended if self.following is not None else None
        return _ENDINGS[ended] if ended is not None else ""


class PinResultsReader:
    """Reads the results of a pin."""

    def __init__(self, database: Database) -> None:
        self._results = TopPinStore(database)

    async def read(self, pin_id: int) -> PinResults:
        owner = await self._results.owner(pin_id)
        if owner is None or owner.published_at is None:
            return PinResults(None, [], Markup())
        points = await self._results.points(owner.profile_id, pin_id)
        following = await self._results.following(owner.profile_id, pin_id)
        until = following.asked_at if following is not None else None
        return PinResults(following, points[::-1], _drawing(points, owner.published_at, until))


def _drawing(points: Sequence[PinPoint], published_at: datetime, until: datetime | None) -> Markup:
    if not points or until is None:
        return Markup()
    first, last = (at.astimezone(UTC).date() for at in (published_at, until))
    by_day = {each.observed_at.astimezone(UTC).date(): each.impression for each in points}
    label = "Impressions in all by day since the pin went out"
    svg = line_chart(_days(by_day, first, last), name="results", label=label)
    return Markup(svg)  # noqa: S704 -- escaped where it was drawn


def _days(by_day: dict[date, int | None], first: date, last: date) -> list[Day]:
    """Return every day; a total stands until another one was seen."""
    days, total = [], None
    for place in range((last - first).days + 1):
        day = first + timedelta(days=place)
        total = by_day.get(day, total)
        days.append(Day(day=day, value=total, text=f"{day:%a} {day.day} {day:%b}: {exact(total)} {METRICS[_METRIC]}"))
    return days
