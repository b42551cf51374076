"""The answer as Ayrshare nearly always sends it, read by msgspec straight into models; anything else is None.

What this module reads, ``days`` and ``parse`` read to the same models, only some four times as slowly.
Pure: no clock, no I/O.
"""

import re
from datetime import date
from hashlib import sha256
from itertools import pairwise, starmap
from operator import lt
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple, fields

from collector.ayrshare.problems import Problems
from collector.ayrshare.stamps import read_stamp
from collector.ayrshare.value import BIGINT_MAX, EARLIEST, EXACT_IN_FLOAT, LARGEST
from collector.ayrshare.window import read_window
from collector.models import AccountAnalytics, DayMetrics, Metrics

_Whole = Annotated[int, msgspec.Meta(ge=-BIGINT_MAX - 1, le=BIGINT_MAX)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=BIGINT_MAX)]
_Rate = Annotated[float, msgspec.Meta(ge=0, le=LARGEST)]
_Other = _Count | Annotated[float, msgspec.Meta(ge=0, lt=EXACT_IN_FLOAT)] | UnsetType


class _Block(msgspec.Struct, rename="camel"):
    analytics: msgspec.Raw
    next_update: str | None = None
    last_updated: Any = None
    status: Any = None
    warning: Any = None


class Envelope(msgspec.Struct, rename="camel"):
    """A success, with what it is about left unread, and all that may make it unusual."""

    pinterest: _Block
    status: Literal["success", "partial"]
    next_update: Any = None
    last_updated: Any = None
    history: Any = None
    posts: Any = None

    def digest(self) -> int:
        """Return the digest of what the answer says, a signed 64-bit number."""
        # Processors have instructions for SHA-256, which makes it the fastest of the good ones.
        digest = sha256(self.pinterest.analytics).digest()[:8]
        return int.from_bytes(digest, "big", signed=True)


class _Nine(Metrics, frozen=True, kw_only=True, gc=False, rename="upper", forbid_unknown_fields=True):
    impression: _Count
    engagement: _Count
    engagement_rate: _Rate
    save: _Count
    save_rate: _Rate
    pin_click: _Count
    pin_click_rate: _Rate
    outbound_click: _Count
    outbound_click_rate: _Rate


class _NineAndFurther(_Nine, frozen=True, kw_only=True, gc=False, rename="upper", forbid_unknown_fields=True):
    """Those of an account with video. Sorted by name after the nine, as ``extra`` is."""

    closeup: _Other = UNSET
    closeup_rate: _Other = UNSET
    profile_visit: _Other = UNSET
    quartile_95_percent_view: _Other = UNSET
    total_comments: _Other = UNSET
    total_reactions: _Other = UNSET
    user_follow: _Other = UNSET
    video_10s_view: _Other = UNSET
    video_avg_watch_time: _Other = UNSET
    video_mrc_view: _Other = UNSET
    video_start: _Other = UNSET
    video_v50_watch_time: _Other = UNSET


class _Day(
    DayMetrics,
    frozen=True,
    kw_only=True,
    rename={"day": "date", "data_status": "dataStatus"},
    forbid_unknown_fields=True,
):
    day: date  # again, because what is inherited keeps its name
    data_status: Literal["READY", "PROCESSING", "ESTIMATE"] | None = None
    extra: None = None
    metrics: _Nine


class _DayWithFurther(_Day, frozen=True, kw_only=True):
    metrics: _NineAndFurther


_COLUMNS: Final = len(Metrics.__struct_fields__)
_Further = msgspec.defstruct(
    "_Further", [(field.name, field.type, UNSET) for field in fields(_NineAndFurther)[_COLUMNS:]]
)

_ENVELOPE = msgspec.json.Decoder(Envelope)
# A list in place of anything but the days is unusual.
_WITH_NINE = msgspec.json.Decoder(dict[str, _Whole | float | str | bool | dict[str, Any] | list[_Day] | None])
_WITH_FURTHER = msgspec.json.Decoder(
    dict[str, _Whole | float | str | bool | dict[str, Any] | list[_DayWithFurther] | None]
)
_ENCODER = msgspec.json.Encoder()
# 5.0 has to compare equal to 5.
_WHOLE_FLOAT = re.compile(r"\.0(?=[,}])")
_NOTHING_UNUSUAL: Final = (None,) * 5


def open_envelope(body: bytes) -> Envelope | None:
    """Tell a success from all else, with what it is about left unread."""
    try:
        return _ENVELOPE.decode(body)
    except (ValueError, RecursionError):
        return None


def read_usual(envelope: Envelope, *, latest: date, digest: int) -> AccountAnalytics | None:
    """Read an answer with nothing unusual but, maybe, a number of its window; ``latest`` is the last day to believe."""
    block = envelope.pinterest
    analytics = _analytics(block.analytics)
    unusual = (block.status, block.warning, envelope.history, envelope.posts, analytics.get("warning"))
    days = _days(analytics.get("daily"), latest)
    if days is None or unusual != _NOTHING_UNUSUAL:
        return None
    problems = Problems()
    window, followers, extra = read_window(analytics, problems)
    return AccountAnalytics(
        window=window,
        followers=followers,
        extra=extra,
        days=days,
        last_updated=read_stamp("lastUpdated", (block.last_updated, envelope.last_updated), problems),
        next_update=read_stamp("nextUpdate", (block.next_update, envelope.next_update), problems),
        problems=problems.listed(),
        digest=digest,
    )


def _analytics(raw: msgspec.Raw) -> dict[str, Any]:
    for decoder in (_WITH_NINE, _WITH_FURTHER):
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            continue
        except (ValueError, RecursionError):
            break
    return {}


def _days(daily: object, latest: date) -> tuple[DayMetrics, ...] | None:
    if not isinstance(daily, list):
        return None
    if not daily:
        return ()
    dates = [day.day for day in daily]
    if not EARLIEST <= dates[0] <= dates[-1] <= latest or not all(starmap(lt, pairwise(dates))):
        return None
    return _with_extra(daily) if isinstance(daily[0], _DayWithFurther) else tuple(daily)


def _with_extra(days: list[_DayWithFurther]) -> tuple[DayMetrics, ...] | None:
    further = [_Further(*astuple(day.metrics)[_COLUMNS:]) for day in days]
    text = _ENCODER.encode_lines(further).decode()
    if "-" in text:  # -0.0, or a number so small that it is written like 1e-7
        return None
    extras = _WHOLE_FLOAT.sub("", text).splitlines()
    return tuple(
        [
            DayMetrics(
                day=day.day,
                data_status=day.data_status,
                extra=extra if extra != "{}" else None,
                metrics=day.metrics,
            )
            for day, extra in zip(days, extras, strict=True)
        ]
    )
