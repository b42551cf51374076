"""Makes the analytics of an account as bytes, and caches them as Ayrshare does."""

import zlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from collector.emulator.config import EmulatorConfig, day_of, iso_millis
from collector.emulator.traffic import (
    Changes,
    Character,
    Counts,
    character,
    data_status,
    followers,
    shown_counts,
    with_rates,
)

_NO_CHANGES = Changes()
_HEAD = b'{"pinterest":{"analytics":'


@dataclass(frozen=True, slots=True)
class _Answer:
    made_at: float
    fresh_until: float
    day: int
    changes: Changes
    packed_analytics: bytes
    tail: bytes


class SocialAnswers:
    """Answers of `POST /analytics/social`, kept until their `nextUpdate`.

    The numbers are kept compressed: 90 days of ten thousand profiles would be 300 MB otherwise, and decompressing costs
    a hundredth of computing them again.
    """

    def __init__(self, config: EmulatorConfig) -> None:
        self._config = config
        self._answers: dict[int, _Answer] = {}

    def answer(self, index: int, now: float, changes: Changes = _NO_CHANGES) -> bytes:
        """Return the body for account `index`; the same bytes until `nextUpdate`, unless the changes do."""
        answer = self._answers.get(index)
        if answer is None or answer.changes != changes or not answer.made_at <= now < answer.fresh_until:
            answer = self._answers[index] = self._made(index, now, changes, answer)
        return b"".join((_HEAD, zlib.decompress(answer.packed_analytics), answer.tail))

    def _made(self, index: int, now: float, changes: Changes, former: _Answer | None) -> _Answer:
        config = self._config
        today, fresh_until = day_of(now), now + config.cache_seconds
        if former is not None and (former.day, former.changes) == (today, changes):
            packed = former.packed_analytics
        else:
            packed = zlib.compress(msgspec.json.encode(window(config, index, today, changes)), 1)
        stamps = f',"lastUpdated":"{iso_millis(now)}","nextUpdate":"{iso_millis(fresh_until)}"'
        return _Answer(now, fresh_until, today, changes, packed, f'{stamps}}},"status":"success"}}'.encode())


def window(config: EmulatorConfig, index: int, today: int, changes: Changes = _NO_CHANGES) -> dict[str, Any]:
    """Return the `analytics` object of account `index` as it looks on the day `today` (an ordinal)."""
    account = character(config.seed, index)
    last = today if config.include_today else today - 1
    daily, sums = [], Counts()
    for day in range(last - config.days + 1, last + 1):
        if changes.hides(day):
            continue
        counts = shown_counts(config.seed, index, day, today - day, account, changes.drops)
        daily.append(_daily(day, today, counts))
        for name, value in counts.items():
            sums[name] = sums.get(name, 0) + value
    totals = {camel(name): value for name, value in with_rates(sums).items()} if daily else {}
    return {**_board(account, last), **totals, "daily": daily}


def camel(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(part.capitalize() for part in others)


def _daily(day: int, today: int, counts: Counts) -> dict[str, Any]:
    return {
        "date": date.fromordinal(day).isoformat(),
        "dataStatus": data_status(today - day),
        "metrics": with_rates(counts),
    }


def _board(account: Character, day: int) -> dict[str, Any]:
    if not account.has_board:
        return {}
    count = followers(account, day)
    board = {
        "name": "Favourites",
        "followerCount": count,
        "pinCount": 20 + account.followers % 300,
        "privacy": "PUBLIC",
        "createdAt": "2024-02-03T10:00:00",
    }
    return {"board": board, "followerCount": count}
