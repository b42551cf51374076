"""What happened to the demo's profiles, and when: days are counted from the Monday of the present week.

A second start in the same week finds the numbers of the first one.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, Final

import msgspec

from collector.emulator import Emulator
from collector.emulator.faults import EVERYTHING, Fault, FaultName

DROPPING: Final = "alder-oak-us"
RECOVERED: Final = "cobalt-kitchens-uk"
VIRAL: Final = "bergamot-tea-us"
YOUNG: Final = "bergamot-tea-uk"
GAPPED: Final = "alder-oak-de"
UNLINKED: Final = "dune-swimwear-br"
RATE_LIMITED: Final = "cobalt-kitchens-nl"
FAILING: Final = "alder-oak-uk"
VANISHING: Final = "bergamot-tea-us"
SLOW: Final = "alder-oak-fr"

# A pin takes so long to go out that somebody who looks sees it being sent, and less than a stop waits for it.
_SLOW_SECONDS = 5.0
_UNLINKED_DAYS_AGO = 3


class _Change(msgspec.Struct, frozen=True):
    """Numbers of a profile that are other than usual, from a day to a day; both are days before this week's Monday."""

    profile: str
    fault: FaultName
    since: int | None = None
    until: int | None = None
    factor: float = 1.0


_CHANGES = (
    _Change(DROPPING, "drop", 8, None, 0.35),
    _Change(RECOVERED, "drop", 75, 63, 0.4),
    _Change(EVERYTHING, "drop", 46, 42, 0.25),
    _Change(VIRAL, "drop", 23, 23, 9.0),
    _Change(YOUNG, "gap", None, 53),
    _Change(GAPPED, "gap", 20, 18),
)


def monday(today: date) -> date:
    return today - timedelta(days=today.weekday())


def last_read(name: str, today: date) -> date | None:
    """Return the day on which a profile was read last before the demo; None for one that is read all the time."""
    return {
        UNLINKED: monday(today) - timedelta(days=_UNLINKED_DAYS_AGO),
        RATE_LIMITED: today - timedelta(days=1),
    }.get(name)


def stage(emulator: Emulator, titles: dict[str, str], today: date) -> None:
    """Let the emulator play it; ``titles`` are what it calls the profiles."""
    for fault in _faults(titles, monday(today)):
        emulator.faults.add(fault)
    if UNLINKED in titles and (account := emulator.accounts.by_title(titles[UNLINKED])):
        account.linked = False


def lose_next_pin(emulator: Emulator, title: str) -> None:
    """Let the next call that publishes a pin of this profile end without an answer."""
    emulator.faults.add(Fault(fault="reset_before", profile=title, endpoint="POST /post", times=1))


def refuse_next_pin(emulator: Emulator, title: str) -> None:
    message = "The image is smaller than 200 x 300 pixels."
    emulator.faults.add(Fault(fault="post_error", profile=title, endpoint="POST /post", times=1, message=message))


def _faults(titles: dict[str, str], week: date) -> Iterator[Fault]:
    known = titles | {EVERYTHING: EVERYTHING}
    for change in _CHANGES:
        if change.profile in known:
            yield Fault(
                fault=change.fault,
                profile=known[change.profile],
                factor=change.factor,
                since=_before(week, change.since),
                until=_before(week, change.until),
            )
    yield from _of(known, RATE_LIMITED, "rate_limited", endpoint="/analytics/social")
    yield from _of(known, SLOW, "latency", endpoint="POST /post", seconds=_SLOW_SECONDS)


def _of(titles: dict[str, str], name: str, fault: FaultName, **details: Any) -> Iterable[Fault]:  # noqa: ANN401 -- Fault's fields
    return [Fault(fault=fault, profile=titles[name], **details)] if name in titles else []


def _before(week: date, days: int | None) -> date | None:
    return None if days is None else week - timedelta(days=days)
