"""The window of an answer: its sums, the followers, and the numbers of its ``board``.

Pure: no clock, no I/O.
"""

from typing import Any

from collector.ayrshare.metrics import READERS, as_json, metric_name, place, place_extra
from collector.ayrshare.problems import Problems, UnusableError, shown
from collector.ayrshare.value import count, is_number
from collector.models import Metrics

_FOLLOWERS = ("followers", "followercount", "followerscount", "followercounts")
_NOT_NUMBERS = frozenset({"daily", "warning"})


def read_window(analytics: dict[str, Any], problems: Problems) -> tuple[Metrics, int | None, str | None]:
    """Return the sums, the followers and, as JSON, the numbers without a column; ``daily`` and warnings are left."""
    columns: dict[str, Any] = {}
    extra: dict[str, int | float] = {}
    followers, consumed = _followers(analytics, problems)
    for key, value in analytics.items():
        if key in _NOT_NUMBERS or key in consumed:
            continue
        name = metric_name(key)
        if name in READERS or is_number(value):
            try:
                place(name, value, columns, extra)
            except UnusableError as error:
                problems.add(error.reason, f"window {key}: {shown(value)}")
        elif isinstance(value, dict):
            _place_members(name, value, extra, problems)
    return Metrics(**columns), followers, as_json(extra, "window", problems)


def _followers(analytics: dict[str, Any], problems: Problems) -> tuple[int | None, set[str]]:
    """Find the followers, and the keys of ``analytics`` that were looked at for them."""
    consumed: set[str] = set()
    for key in _follower_keys(analytics):
        consumed.add(key)
        try:
            followers = count(analytics[key])
        except UnusableError as error:
            problems.add(error.reason, f"window {key}: {shown(analytics[key])}")
            continue
        if followers is not None:
            return followers, consumed
    return _board_followers(analytics.get("board"), problems), consumed


def _board_followers(board: object, problems: Problems) -> int | None:
    if not isinstance(board, dict):
        return None
    for key in _follower_keys(board):
        try:
            followers = count(board[key])
        except UnusableError as error:
            problems.add(error.reason, f"window board.{key}: {shown(board[key])}")
            continue
        if followers is not None:
            return followers
    return None


def _follower_keys(numbers: dict[str, Any]) -> list[str]:
    if "follower" not in "".join(numbers).replace("_", "").lower():
        return []
    spelled = {key.replace("_", "").lower(): key for key in numbers}
    return [spelled[name] for name in _FOLLOWERS if name in spelled]


def _place_members(parent: str, members: dict[str, Any], extra: dict[str, int | float], problems: Problems) -> None:
    for key, value in members.items():
        if not is_number(value):
            continue
        name = metric_name(key)
        try:
            place_extra(f"{parent}_{name}" if parent and name else "", value, extra)
        except UnusableError as error:
            problems.add(error.reason, f"window {parent}.{key}: {shown(value)}")
