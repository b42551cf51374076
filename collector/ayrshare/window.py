"""Reads the window of an answer: its sums, the followers, and the numbers of the objects in it.

Pure: no clock, no I/O.
"""

from functools import partial
from typing import Any, Final

from collector.ayrshare.numbers import as_json, bounded, count, has_column, is_number, metric_within, read_numbers
from collector.ayrshare.problems import Problems, UnusableError, shown
from collector.models.analytics import Metrics

_FOLLOWERS = ("followers", "followercount", "followerscount", "followercounts")
_NOT_NUMBERS: Final = frozenset({"daily", "warning"})


def read_window(analytics: dict[str, Any], problems: Problems) -> tuple[Metrics, int | None, str | None]:
    """Return the sums, the followers and, as JSON, the numbers without a column; ``daily`` and warnings are left."""
    analytics = bounded(analytics, "window", problems)
    followers, seen = _followers(analytics, "", problems)
    if followers is None and isinstance(board := analytics.get("board"), dict):
        followers, _ = _followers(board, "board.", problems)
    rest = {key: value for key, value in analytics.items() if key not in _NOT_NUMBERS and key not in seen}
    sums = {key: value for key, value in rest.items() if is_number(value) or has_column(key)}
    numbers = read_numbers(sums)
    _name_unusable(sums, numbers.unusable, "", problems)
    for key, value in rest.items():
        if isinstance(value, dict) and key not in sums:
            within = bounded(value, f"window {key}", problems).items()
            members = {member: number for member, number in within if is_number(number)}
            inner = read_numbers(members, partial(metric_within, key))
            _name_unusable(members, inner.unusable, f"{key}.", problems)
            numbers.extra.update(inner.extra)
    return Metrics(**numbers.columns), followers, as_json(numbers.extra, "window", problems)


def _followers(numbers: dict[str, Any], prefix: str, problems: Problems) -> tuple[int | None, list[str]]:
    """Find the followers, and the keys that were looked at for them."""
    seen: list[str] = []
    if "follower" not in "".join(numbers).replace("_", "").lower():
        return None, seen
    spelled = {key.replace("_", "").lower(): key for key in numbers}
    for key in (spelled[name] for name in _FOLLOWERS if name in spelled):
        seen.append(key)
        try:
            followers = count(numbers[key])
        except UnusableError as error:
            problems.add(error.reason, f"window {prefix}{key}: {shown(numbers[key])}")
            continue
        if followers is not None:
            return followers, seen
    return None, seen


def _name_unusable(values: dict[str, Any], reasons: dict[str, str], prefix: str, problems: Problems) -> None:
    for key, reason in reasons.items():
        problems.add(reason, f"window {prefix}{key}: {shown(values[key])}")
