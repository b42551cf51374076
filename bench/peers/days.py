"""An answer's days as rows of the nine metrics, as a script would read them. Standard library only."""

from collections.abc import Iterator
from datetime import date
from typing import Any

PATH = "/analytics/social"
BODY = b'{"platforms": ["pinterest"]}'
METRICS = (
    "impression",
    "engagement",
    "engagement_rate",
    "save",
    "save_rate",
    "pin_click",
    "pin_click_rate",
    "outbound_click",
    "outbound_click_rate",
)
COLUMNS = ("profile_id", "day", *METRICS)
_NAMES = tuple(name.upper() for name in METRICS)


def headers(api_key: str, profile_key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}", "Profile-Key": profile_key, "Content-Type": "application/json"}


def rows(profile_id: int, answer: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield a row a day in the order of `COLUMNS`."""
    for day in answer["pinterest"]["analytics"]["daily"]:
        metrics = day["metrics"]
        yield (profile_id, date.fromisoformat(day["date"]), *[metrics[name] for name in _NAMES])
