"""Renders the gauges of all profiles in the Prometheus text format, in slices that do not hold up the event loop."""

import asyncio
import math
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import TypeVar

import msgspec

from collector.store.fleet import ProfileStatus

T = TypeVar("T")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# About 5 ms of rendering, after which the event loop gets its turn.
_SLICE = 5000
_UNPACKED_AT_ONCE = 2**17
_NAN = math.nan
_GZIP = 31  # zlib's "window bits" for a gzip header and trailer


class Family(msgspec.Struct, frozen=True):
    """A gauge: its name, its help line, and the field of `ProfileStatus` that it shows."""

    name: str
    help: str
    field: str


_COUNTS = {
    "impressions": ("impression", "Impressions"),
    "engagements": ("engagement", "Engagements"),
    "saves": ("save", "Saves"),
    "pin_clicks": ("pin_click", "Pin clicks"),
    "outbound_clicks": ("outbound_click", "Outbound clicks"),
}


def _families() -> list[Family]:
    families = []
    for plural, (column, title) in _COUNTS.items():
        families += [
            Family(f"pinterest_{plural}", f"{title} on the newest settled day.", column),
            Family(f"pinterest_window_{plural}", f"{title} over the window that Ayrshare reports.", f"window_{column}"),
        ]
        if column != "impression":
            per = f"{title} per impression"
            families += [
                Family(f"pinterest_{plural}_ratio", f"{per} on the newest settled day.", f"{column}_rate"),
                Family(f"pinterest_window_{plural}_ratio", f"{per} over the window.", f"window_{column}_rate"),
            ]
    return families


FAMILIES = (
    *_families(),
    Family("pinterest_followers", "Followers of the account.", "followers"),
    Family("pinterest_data_timestamp_seconds", "The newest settled day, as the time of its start.", "settled_day"),
    Family("pinterest_missing_days", "Days of the last 90 that are due and were never read.", "missing_days"),
    Family(
        "pinterest_days_until_data_loss",
        "Days until the oldest unread day can no longer be fetched.",
        "days_until_data_loss",
    ),
    Family(
        "collector_profile_last_success_timestamp_seconds",
        "When the profile was last read without an error.",
        "last_success_at",
    ),
    Family("pinterest_engagement_expected", "Engagements expected on the newest settled day.", "engagement_expected"),
    Family(
        "pinterest_engagement_expected_low",
        "Lower bound of what is normal on that day.",
        "engagement_expected_low",
    ),
    Family(
        "pinterest_engagement_drop_score",
        "How far below the expected the last days are, in standard deviations.",
        "engagement_drop_score",
    ),
    Family(
        "pinterest_engagement_drop",
        "Open drops of the profile's own, one for all metrics that fell together; no series where it cannot be judged.",
        "engagement_drop",
    ),
    Family(
        "collector_profile_account_changed_timestamp_seconds",
        "When most settled days changed at once, as if another account were linked; no series where nothing is asked.",
        "account_changed_at",
    ),
    Family("collector_profile_rate_limited_today", "Answers of 429 today (UTC); 1,000 suspend.", "rate_limited_today"),
    Family(
        "collector_profile_rate_limited_in_row",
        "Answers of 429 since the last good answer; no series where there was none.",
        "rate_limited_in_row",
    ),
)
_SHOWN = attrgetter(*(family.field for family in FAMILIES))
_STATE = (
    "# HELP collector_profile_state 1 for the state that the profile is in.\n# TYPE collector_profile_state gauge\n"
)


class Part(msgspec.Struct, frozen=True):
    """Which profiles a page shows: one of so many shards of the fleet, a client's, or a shard of a client's.

    ``shard`` is from 1 to ``shards``. A profile is in the shard that its id says, in every process and at any time.
    """

    shard: int = 1
    shards: int = 1
    client: str | None = None

    def has(self, profile_id: int, client: str) -> bool:
        return profile_id % self.shards == self.shard - 1 and self.client in {None, client}

    @property
    def tells_of_the_fleet(self) -> bool:
        """Whether it has the lines that are of no profile: once among all shards, and not for a client."""
        return self.shard == 1 and self.client is None


EVERYONE = Part()


class Page(msgspec.Struct, frozen=True):
    """A rendered page; ``plain_bytes`` is how long it is unpacked."""

    gzipped: bytes
    plain_bytes: int
    profiles: int

    def unpacked(self) -> Iterator[bytes]:
        """Yield the page in pieces of about 5 ms."""
        decompressor = zlib.decompressobj(_GZIP)
        for start in range(0, len(self.gzipped), _UNPACKED_AT_ONCE):
            yield decompressor.decompress(self.gzipped[start : start + _UNPACKED_AT_ONCE])


class Fleet:
    """The current values of all profiles, by column: 8 bytes a value, however many profiles there are."""

    def __init__(self) -> None:
        self._index: dict[int, int] = {}
        self._clients: list[str] = []
        self._labels: list[str] = []
        self._states: list[str] = []
        self._values = [array("d") for _ in FAMILIES]

    def __len__(self) -> int:
        return len(self._labels)

    def update(self, profiles: Iterable[ProfileStatus]) -> None:
        """Take over the present values of profiles, replacing those of the same profile."""
        for profile in profiles:
            index = self._index_of(profile.id)
            self._clients[index] = sys.intern(profile.client)
            self._labels[index] = f'{{client="{escaped(profile.client)}",profile="{escaped(profile.name)}"'
            self._states[index] = profile.state.value
            for values, value in zip(self._values, _SHOWN(profile), strict=True):
                # The common cases without a call.
                values[index] = _NAN if value is None else value if isinstance(value, float | int) else _seconds(value)

    def _index_of(self, profile_id: int) -> int:
        index = self._index.get(profile_id)
        if index is None:
            index = self._index[profile_id] = len(self._labels)
            self._clients.append("")
            self._labels.append("")
            self._states.append("")
            for values in self._values:
                values.append(_NAN)
        return index

    def has_client(self, client: str) -> bool:
        return client in self._clients

    async def render(self, part: Part = EVERYONE, more: bytes = b"") -> Page:
        """Render all gauges of a part, and ``more`` lines after them; a value that is not known has no line."""
        page = _Gzip()
        slices = self._slices(part)
        for family, values in zip(FAMILIES, self._values, strict=True):
            await page.add(f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode())
            for some in slices:
                await page.add(_lines(family.name, _of(self._labels, some), _of(values, some)))
        await page.add(_STATE.encode())
        for some in slices:
            pairs = zip(_of(self._labels, some), _of(self._states, some), strict=True)
            lines = [f'collector_profile_state{label},state="{state}"}} 1\n' for label, state in pairs]
            await page.add("".join(lines).encode())
        await page.add(more)
        return Page(page.finish(), page.plain_bytes, sum(len(some) for some in slices))

    def _slices(self, part: Part) -> list[Sequence[int]]:
        """Return where the part's profiles are, in slices."""
        found: Sequence[int] = range(len(self))
        if part != EVERYONE:
            pairs = zip(self._index.items(), self._clients, strict=True)
            found = [index for (profile_id, index), client in pairs if part.has(profile_id, client)]
        return [found[start : start + _SLICE] for start in range(0, len(found), _SLICE)]


class _Gzip:
    """Packs a page while it is rendered, so that it is never in memory unpacked."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(level=1, wbits=_GZIP)
        self._pieces: list[bytes] = []
        self.plain_bytes = 0

    async def add(self, lines: bytes) -> None:
        self.plain_bytes += len(lines)
        # In a thread: zlib lets others run while it works.
        self._pieces.append(await asyncio.to_thread(self._compressor.compress, lines))

    def finish(self) -> bytes:
        return b"".join([*self._pieces, self._compressor.flush()])


def _of(column: Sequence[T], places: Sequence[int]) -> Sequence[T]:
    if isinstance(places, range):
        return column[places.start : places.stop]
    return [column[place] for place in places]


def _lines(name: str, labels: Sequence[str], values: Sequence[float]) -> bytes:
    # "%.17g" would spell 0.1 as 0.10000000000000001; repr is exact and short, and integral values need no point.
    return "".join(
        [
            f"{name}{label}}} {int(value) if value.is_integer() else value!r}\n"
            for label, value in zip(labels, values, strict=True)
            if value == value  # noqa: PLR0124 -- false for NaN alone, at a tenth of isnan's price
        ]
    ).encode()


def escaped(value: object) -> str:
    """Escape a label value as the text format wants it: backslash, double quote, line feed."""
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(value: datetime | date) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
