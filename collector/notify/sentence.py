"""Puts notices into words: a sentence each, and the subject of a message. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import UTC
from urllib.parse import urlencode

import msgspec

from collector.models.notice import Notice, NoticeKind

_LONGEST = 300
# Marks that change in which direction the text around them is read, and what has no shape at all.
_INVISIBLE = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


class Line(msgspec.Struct, frozen=True):
    """A notice as it is told: the sentence is clean, and ``link`` is where the console shows it, if there is one."""

    notice: Notice
    sentence: str
    link: str | None


def clean(text: str, longest: int = _LONGEST) -> str:
    """Return a text of others as one line, without characters that a reader does not see."""
    visible = _INVISIBLE.sub("", text)
    plain = "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp", "Cs"} else each for each in visible)
    words = " ".join(plain.split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def lines(notices: Sequence[Notice], console_url: str | None) -> list[Line]:
    """Put notices into words, those of a kind together, and the kinds in the order of `NoticeKind`."""
    order = list(NoticeKind)
    ranked = sorted(notices, key=lambda each: (order.index(each.kind), each.client or "", each.profile or "", each.id))
    return [Line(each, clean(_sentence(each), 2 * _LONGEST), _link(each, console_url)) for each in ranked]


def subject(notices: Sequence[Notice]) -> str:
    """Return what a message is about, in the fewest words: ``Engagement dropped: alder-oak-us (Alder & Oak)``."""
    kinds = Counter(each.kind for each in notices)
    if len(notices) == 1:
        only = notices[0]
        return f"{_TITLES[only.kind]}{_about(only)}"
    return ", ".join(f"{_TITLES[kind]} ({kinds[kind]})" for kind in NoticeKind if kinds[kind])


def _about(notice: Notice) -> str:
    client = clean(notice.client or "", 60)
    if notice.profile:
        return f": {clean(notice.profile, 60)} ({client})"
    return f": {client}" if client else ""


def title(kind: NoticeKind) -> str:
    return _TITLES[kind]


_TITLES = {
    NoticeKind.DROP_OPENED: "Engagement dropped",
    NoticeKind.DROP_RECOVERED: "Engagement recovered",
    NoticeKind.FLEET_DROP: "Most profiles dropped together",
    NoticeKind.PROFILE_UNLINKED: "Pinterest is not linked any more",
    NoticeKind.PROFILE_SUSPENDED: "Ayrshare suspended a profile",
    NoticeKind.KEY_INVALID: "Profile key refused",
    NoticeKind.DATA_STALE: "No new data",
    NoticeKind.DAYS_AT_RISK: "Days will be lost",
    NoticeKind.PIN_FAILED: "Pin not published",
    NoticeKind.PIN_UNKNOWN: "Pin may or may not be live",
    NoticeKind.REPORT_READY: "Report is ready",
}


_SENTENCES = {
    NoticeKind.DROP_OPENED: "{detail}",
    NoticeKind.DROP_RECOVERED: "{detail}",
    NoticeKind.FLEET_DROP: "{detail}",
    NoticeKind.PROFILE_UNLINKED: "{who} is not linked to Pinterest since {since}: no numbers come, and its pins wait. "
    "Whoever owns the account links it again on Ayrshare's page.",
    NoticeKind.PROFILE_SUSPENDED: "{who} is suspended by Ayrshare since {since}: no numbers come, and its pins wait. "
    "{detail}",
    NoticeKind.KEY_INVALID: "Ayrshare refuses the key of {who} since {since}. Replace it: "
    "`collector profiles rotate-key`.",
    NoticeKind.DATA_STALE: "{who} has brought no data since {since}. {detail}",
    NoticeKind.DAYS_AT_RISK: "{who} has days that were not read, and Pinterest shows the first of them {days}.",
    NoticeKind.PIN_FAILED: "A pin of {who} was not published: {detail}",
    NoticeKind.PIN_UNKNOWN: "A pin of {who} was sent, and nobody knows whether it is live. Look before it is sent "
    "again: {detail}",
    NoticeKind.REPORT_READY: "The report of {client} is ready: {file}.",
}


def _sentence(notice: Notice) -> str:
    at = notice.happened_at.astimezone(UTC)
    detail = clean(notice.detail)
    return _SENTENCES[notice.kind].format(
        who=clean(notice.profile or "", 120),
        client=clean(notice.client or "", 120),
        detail=detail,
        file=detail.rpartition("/")[2],
        days=_days_left(detail),
        since=f"{at.day} {at:%B, %H:%M} UTC",
    )


def _days_left(days: str) -> str:
    return "only today" if days in {"0", "1"} else f"for {days} more days"


def _link(notice: Notice, console_url: str | None) -> str | None:
    if console_url is None:
        return None
    base = console_url.rstrip("/")
    match notice:
        case Notice(kind=NoticeKind.REPORT_READY, client=str(client)):
            asked = {"name": client, "month": notice.detail.partition("/")[0]}
            return f"{base}/client/report?{urlencode(asked)}"
        case Notice(profile_id=None):
            return f"{base}/"
    return f"{base}/profiles/{notice.profile_id}"
