"""The part of a page that shows which pins of a client or profile did best, and the times at which pins did better."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from collector.console.words import Word, percent
from collector.store.client import ClientStore
from collector.store.pool import Database
from collector.store.timeline import Whose
from collector.store.top_pin import PinRank, TopPin, TopPinStore, TopWish
from collector.table.moment import zone_named
from collector.track.timing import DAYS, FEWEST, Finding, Slot, Timing, compare_times

_SHOWN = 5
_SHOWN_DAYS = timedelta(days=90)
_FINDINGS: Final = {Finding.BETTER: "good", Finding.WORSE: "bad", Finding.NO_DIFFERENCE: "quiet"}


class Best(msgspec.Struct, frozen=True):
    """The best pins of the last 90 days, and by weekday and by hour those with enough pins."""

    pins: list[TopPin]
    timing: Timing
    told: list[tuple[str, list[Slot]]]
    fewest: int = FEWEST

    @property
    def brief(self) -> bool:
        """Whether both lists of times, one above the other, are no longer than the list of pins beside them."""
        return sum(len(slots) for _, slots in self.told) <= _SHOWN

    def word(self, slot: Slot) -> Word:
        """Return what the pins of a weekday or an hour show; where it may be chance, it says so."""
        difference = percent((slot.relative or 1.0) - 1.0)
        chance = ", which may be chance" if slot.finding is Finding.NO_DIFFERENCE else ""
        return Word(difference, _FINDINGS[slot.finding], f"A typical pin did {difference} against usual{chance}.")


class BestReader:
    """Reads the part of a page for whoever it is about."""

    def __init__(self, database: Database) -> None:
        self._results = TopPinStore(database)
        self._clients = ClientStore(database)

    def loader(self, whose: Whose, viewers_zone: ZoneInfo) -> Callable[[], Awaitable[Best]]:
        """``viewers_zone`` is that of the times where the client has none."""
        return partial(self._read, whose, viewers_zone)

    async def _read(self, whose: Whose, viewers_zone: ZoneInfo) -> Best:
        client = whose.client if whose.profile_id is None else None
        wish = TopWish(
            client=client,
            profile=None if whose.profile_id is None else whose.name,
            since=datetime.now(UTC) - _SHOWN_DAYS,
        )
        pins = await self._results.top(wish, PinRank.ENGAGEMENT, _SHOWN)
        own = await self._clients.zone(whose.client)
        compared = await self._results.week_old(client=client, profile_id=whose.profile_id, days=DAYS)
        timing = compare_times(compared, zone_named(own) if own else viewers_zone)
        slots = [("weekday", timing.weekdays), (f"hour ({timing.zone})", timing.hours)]
        told = [(title, [each for each in found if each.finding is not Finding.TOO_FEW]) for title, found in slots]
        return Best(pins, timing, told)
