"""Days as a viewer has them: in the time zone that was chosen in the page, else the browser's, else UTC."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from urllib.parse import unquote
from zoneinfo import ZoneInfo, available_timezones

from aiohttp import web

from collector.errors import CollectorError
from collector.table.moment import zone_named

FIRST_DAY, LAST_DAY = date(2000, 1, 2), date(2099, 12, 30)
"""Days on which a pin can be due wherever its viewer is, by the rules of the table."""

_COOKIE = "tz"
_PLACES = frozenset(
    {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)


def zone_of(request: web.Request) -> ZoneInfo:
    """Return the zone that the query names, else the viewer's own."""
    return _named(request.query.get("zone", "")) or own_zone(request)


def own_zone(request: web.Request) -> ZoneInfo:
    """Return the zone of the browser, which its script keeps in a cookie; without a script UTC."""
    return _named(unquote(request.cookies.get(_COOKIE, ""))) or ZoneInfo("UTC")


def is_zone_known(request: web.Request) -> bool:
    """Tell whether a request says which zone its viewer is in, or has chosen."""
    return "zone" in request.query or _COOKIE in request.cookies


def _named(name: str) -> ZoneInfo | None:
    try:
        return zone_named(name)
    except CollectorError:
        return None


@cache
def zone_names() -> tuple[str, ...]:
    """Return the zones that a person chooses from: UTC, and those named by a place."""
    return ("UTC", *sorted(name for name in available_timezones() if name.partition("/")[0] in _PLACES))


def plannable_day(text: str) -> date:
    """Return a day on which a pin can be due. Raises ``ValueError``."""
    day = date.fromisoformat(text)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{day} is too far away")
    return day


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins; where a change of the clocks skips its midnight, that is when they change."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def days_from(first: date, number: int) -> list[date]:
    return [first + timedelta(days=place) for place in range(number)]
