"""Makes the analytics of an account as bytes, and caches them as Ayrshare does."""

import zlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from collector.emulator.config import EmulatorConfig, day_of, iso_millis
from collector.emulator.traffic import (
    Character,
    Counts,
    Drop,
    character,
    data_status,
    followers,
    shown_counts,
    with_rates,
)

_HEAD = b'{"pinterest":{"analytics":'


@dataclass(frozen=True, slots=True)
class _Answer:
    made_at: float
    fresh_until: float
    day: int
    drops: tuple[Drop, ...]
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

    def answer(self, index: int, now: float, drops: tuple[Drop, ...] = ()) -> bytes:
        """Return the body for account `index`; the same bytes until `nextUpdate`, unless the drops change."""
        answer = self._answers.get(index)
        if answer is None or answer.drops != drops or not answer.made_at <= now < answer.fresh_until:
            answer = self._answers[index] = self._made(index, now, drops, answer)
        return b"".join((_HEAD, zlib.decompress(answer.packed_analytics), answer.tail))

    def _made(self, index: int, now: float, drops: tuple[Drop, ...], former: _Answer | None) -> _Answer:
        config = self._config
        today, fresh_until = day_of(now), now + config.cache_seconds
        if former is not None and (former.day, former.drops) == (today, drops):
            packed = former.packed_analytics
        else:
            packed = zlib.compress(msgspec.json.encode(window(config, index, today, drops)), 1)
        stamps = f',"lastUpdated":"{iso_millis(now)}","nextUpdate":"{iso_millis(fresh_until)}"'
        return _Answer(now, fresh_until, today, drops, packed, f'{stamps}}},"status":"success"}}'.encode())


def window(config: EmulatorConfig, index: int, today: int, drops: tuple[Drop, ...] = ()) -> dict[str, Any]:
    """Return the `analytics` object of account `index` as it looks on the day `today` (an ordinal)."""
    account = character(config.seed, index)
    last = today if config.include_today else today - 1
    daily, sums = [], Counts()
    for day in range(last - config.days + 1, last + 1):
        counts = shown_counts(config.seed, index, day, today - day, account, drops)
        daily.append(_daily(day, today, counts))
        for name, value in counts.items():
            sums[name] = sums.get(name, 0) + value
    totals = {camel(name): value for name, value in with_rates(sums).items()}
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
