"""Recommends after how many days a day is settled, by how late numbers were restated."""

from collections.abc import Sequence
from typing import Final

import msgspec

from collector.store.restatement import Movement, RestatementStore

MOST_MOVED_SHARE: Final = 0.01
MOST_CHANGE_SHARE: Final = 0.005
# Followed for longer is better evidence, if there is enough of it.
_FOLLOWED: Final = (28, 14, 7)
_ENOUGH_DAYS: Final = 100
# Pinterest has a day on the next one, or the one after. Those that were first seen later tell nothing of early changes.
_SEEN_BY: Final = 2
_OLDEST: Final = 14


class Settling(msgspec.Struct, frozen=True, kw_only=True):
    """What is recommended, and by which evidence; None where no age is good enough, or too few days were followed."""

    settle_days: int | None
    followed_days: int
    enough: bool
    evidence: list[Movement]


async def recommend(store: RestatementStore, client: str | None = None) -> Settling:
    """Return the least age after which numbers hardly move: at most 1 % of the days, and by 0.5 % of the numbers."""
    evidence: list[Movement] = []
    for followed in _FOLLOWED:
        evidence = await store.movement(client, followed, min(_OLDEST, followed - 1))
        if evidence[_SEEN_BY].days >= _ENOUGH_DAYS:
            return Settling(settle_days=_least(evidence), followed_days=followed, enough=True, evidence=evidence)
    return Settling(settle_days=None, followed_days=_FOLLOWED[-1], enough=False, evidence=evidence)


def _least(evidence: Sequence[Movement]) -> int | None:
    return next((each.age_days for each in evidence if each.age_days >= 1 and _hardly_moves(each)), None)


def _hardly_moves(each: Movement) -> bool:
    changes = (each.impression_share or 0.0, each.engagement_share or 0.0)
    few = each.moved <= MOST_MOVED_SHARE * each.days and max(changes) <= MOST_CHANGE_SHARE
    return few and each.days >= _ENOUGH_DAYS
