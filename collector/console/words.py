"""Says in words what states, outcomes and metrics are, and what to do about them. Pure."""

import re
from datetime import date
from functools import lru_cache
from typing import Final

import msgspec

from collector.models.gap import Whose
from collector.models.pin import PauseReason
from collector.models.plan import Action
from collector.publish.remedy import Remedy
from collector.store.budget import Budget

METRICS: Final = {
    "engagement": "Engagement",
    "impression": "Impressions",
    "save": "Saves",
    "pin_click": "Pin clicks",
    "outbound_click": "Outbound clicks",
}
"""The metrics that can be summed, in the order in which pages show them."""

# Shares of a limit.
_NEAR_A_LIMIT = 0.5
_AT_A_LIMIT = 0.9


class Word(msgspec.Struct, frozen=True):
    """How something is shown: its name, the tone of its badge (good, info, warn, bad or quiet), and a sentence."""

    name: str
    tone: str
    text: str = ""


PROFILE_STATES: Final = {
    "active": Word("Active", "good", "It is read as planned."),
    "paused": Word("Paused", "quiet", "Nobody reads it until it is resumed."),
    "unlinked": Word("Unlinked", "bad", "Pinterest is not linked any more: have the client link it again."),
    "suspended": Word("Suspended", "bad", "Ayrshare has suspended it: ask Ayrshare to lift it, then resume it."),
    "key_invalid": Word("Key invalid", "bad", "Ayrshare does not know its key: give it the new one."),
}

PIN_STATES: Final = {
    "queued": Word("Queued", "info"),
    "sending": Word("Sending", "info"),
    "published": Word("Published", "good"),
    "failed": Word("Failed", "bad"),
    "unknown": Word("Unknown", "warn", "It was sent, and nobody knows yet whether it is live."),
    "cancelled": Word("Cancelled", "quiet"),
}

ATTEMPTS: Final = {
    "published": "published",
    "failed": "refused",
    "requeued": "not sent; it is tried again",
    "unknown": "sent, and not known whether it is live",
}
"""What an attempt to publish a pin came to."""

_PAUSES: Final = {
    PauseReason.PAUSED: "the profile is paused",
    PauseReason.UNLINKED: "Pinterest is not linked any more",
    PauseReason.SUSPENDED: "Ayrshare has suspended the profile",
    PauseReason.KEY_INVALID: "Ayrshare does not know the profile's key",
    PauseReason.SPAM_BLOCK: "Pinterest takes the account for a spammer for now",
    PauseReason.NOT_ALLOWED: "Ayrshare does not allow this profile to post",
    PauseReason.QUOTA: "the month's posts are used up",
    PauseReason.FAILING: "too many pins in a row failed",
    PauseReason.FLEET_REFUSED: "much of the fleet is refused, so the refusal is not believed yet",
    PauseReason.RATE_LIMITED: "Ayrshare said 429: too many requests",
}

PLANNED: Final = {
    Action.ADDED: Word("To be queued", "good"),
    Action.CHANGED: Word("To be changed", "info"),
    Action.UNCHANGED: Word("Known already", "quiet"),
    Action.REFUSED: Word("Refused", "bad"),
}
"""What an import would do with a line."""

PIN_ADVICE: Final = {
    Remedy.MEND_PIN: "Correct what Ayrshare names, and queue it again as new.",
    Remedy.MEND_LINK: "Link the account again at Ayrshare, then send it again.",
    Remedy.WAIT: "Nothing is wrong with the pin: send it again.",
    Remedy.UNKNOWN: "Nobody has seen these words before: look at the pin, then send it again or leave it.",
}
"""What helps a pin that was refused."""

OUTCOMES: Final = {
    "ok": Word("New numbers", "good", "Ayrshare had numbers that were new or different."),
    "unchanged": Word("No change", "quiet", "Ayrshare had nothing new."),
    "rate_limited": Word("Slowed down", "warn", "Ayrshare said 429: too many requests. It is read again later."),
    "quota": Word("Quota used up", "warn", "The month's posts are used up. Numbers are read again a little later."),
    "unauthorized": Word("API key refused", "bad", "Ayrshare refuses the agency's API key: check it."),
    "suspended": Word("Suspended", "bad", "Ayrshare says that the profile is suspended."),
    "unlinked": Word("Unlinked", "bad", "Pinterest is not linked: the client has to link it again."),
    "key_invalid": Word("Key invalid", "bad", "Ayrshare does not know the profile's key."),
    "upstream_error": Word("Ayrshare failed", "warn", "Ayrshare answered with an error. It is tried again soon."),
    "timeout": Word("No answer", "warn", "Ayrshare did not answer in time. It is tried again soon."),
    "network": Word("No connection", "warn", "Ayrshare could not be reached. It is tried again soon."),
    "payload_invalid": Word("Unreadable", "warn", "The answer could not be read. It is tried again soon."),
    "internal_error": Word("Defect", "bad", "A defect of this program ended the poll; its log has more."),
}

PIN_FIELDS: Final = {
    "profile": "Profile",
    "publish_at": "Time",
    "zone": "Time zone",
    "title": "Title",
    "description": "Description",
    "media_urls": "Address",
    "alt_texts": "Alt text",
    "thumbnail_url": "Address of the cover image",
    "link": "Link",
    "board_id": "Board",
    "note": "Private note",
    "client_ref": "Reference",
}
"""What the fields of a pin are called in forms, and in what is said of them."""

# How the database names them.
_OF_PINS: Final = (
    (re.compile(r"\bmedia URLs\b"), "addresses"),
    (re.compile(r"\bmedia URL\b"), "address"),
    (re.compile(r"\ba thumbnail_url\b"), "a cover image"),
    *((re.compile(rf"\b(the )?{name}\b"), f"the {PIN_FIELDS[name].lower()}")
      for name in ("publish_at", "client_ref", "board_id", "thumbnail_url")),
    (re.compile(r"\bthe note\b"), "the private note"),
)  # fmt: skip

DATA_STATUSES: Final = {
    "READY": Word("Counted", "quiet", "Pinterest says that it has counted the day to its end."),
    "PROCESSING": Word("Being counted", "info", "Pinterest still counts the day: it will change."),
    "ESTIMATE": Word("Estimate", "info", "Pinterest estimates the day: it will change."),
}
"""What Pinterest says of the numbers of a day."""

_COUNTERS: Final = {
    "board_follower_count": "Followers of boards",
    "board_pin_count": "Pins on boards",
    "quartile_95_percent_view": "Videos watched to 95 %",
    "video_10s_view": "Videos watched for 10 s",
    "video_avg_watch_time": "Mean watch time, ms",
    "video_mrc_view": "Videos seen for 2 s",
    "video_start": "Videos started",
    "video_v50_watch_time": "Watch time, ms",
}

LOOPS: Final = {
    "backlog": "counts the profiles that are due",
    "detector": "looks for drops",
    "expiry": "writes down lost days, and deletes what is older than it is to be kept",
    "exporter": "renders the page for Prometheus",
    "leader": "leads, or tries to, what one process does for all",
    "native": "looks for pins that were not made here",
    "notifier": "tells people what happened",
    "overview": "sums up the fleet for these pages",
    "poller": "reads the profiles that are due",
    "publisher": "publishes the pins that are due",
    "presence": "tells the other processes that this one is alive",
    "queue": "counts the pins of the queue",
    "reconciler": "looks for pins of which nobody knows whether they are live",
    "reporter": "writes the reports of the month that is over",
    "results": "counts the published pins that are due to be asked for",
    "standby": "looks whether the database that pages are read from is well",
    "tracker": "asks how published pins do",
}
"""What each loop of a process does."""

FAILING_AFTER: Final = 3
"""Failures in a row after which a profile is called failing: one by itself is nothing."""

ACCOUNT_CHANGED: Final = Word(
    "Account changed?", "warn", "Most settled days were replaced: another Pinterest account may be linked."
)

DECIDED: Final = METRICS | {"together": "All metrics together", "silence": "Days without anything"}
"""What a decision about a drop rests on."""

UNMET: Final = {
    "volume": "Too few events to tell",
    "gaps": "Too many days without a number",
    "score": "Within chance",
    "loss": "Too small a loss",
    "newest_day": "The newest day is not low",
    "one_day": "A single low day is no drop",
    "open_already": "Part of a drop that is open",
}
"""Why days are no drop."""

GAP_WHOSE: Final = {
    Whose.US: "The collector",
    Whose.API: "Ayrshare, or the way to it",
    Whose.CLIENT: "The client",
    Whose.PINTEREST: "Pinterest",
    Whose.UNKNOWN: "Not known",
}
"""Where the reason of a missing day lies."""

ENDINGS: Final = {
    "recovered": "recovered",
    "new_normal": "it is the new normal",
    "deepened": "it fell further",
    "data_ended": "the data ended",
    "account_changed": "another account was linked",
}


IMPORTED: Final = "imported: another program recorded it"
"""Of a day that no poll read."""


def of_pin(message: str) -> str:
    """Return what is wrong with a pin in the words of the form; what it quotes, after a colon, stays."""
    said, colon, quoted = message.partition(": ")
    for pattern, name in _OF_PINS:
        said = pattern.sub(name, said)
    return said + colon + quoted


def counted(number: int, what: str, plural: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def short(value: float | None) -> str:
    """Return a number in four characters or so; an en dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{scaled:.1f}{unit}" if abs(scaled) < 100 else f"{scaled:,.0f}{unit}"  # noqa: PLR2004 -- digits
    return f"{value:,.0f}"


def exact(value: float | None) -> str:
    """Return a whole number with commas; an en dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:,.0f}"


def percent(share: float) -> str:
    """Return a change with its sign, in per cent."""
    sign = "+" if share > 0 else "\N{MINUS SIGN}" if share < 0 else "\N{PLUS-MINUS SIGN}"
    value = abs(100 * share)
    return f"{sign}{value:.1f} %" if value < 10 else f"{sign}{value:,.0f} %"  # noqa: PLR2004 -- digits


# Everybody looks at the same days.
@lru_cache(maxsize=4096)
def day(value: date) -> str:
    """Return a day without its year."""
    return f"{value.day} {value:%b}"


@lru_cache(maxsize=4096)
def long_day(value: date) -> str:
    """Return a day with its weekday and year."""
    return f"{value:%a} {value.day} {value:%b %Y}"


def size(size_bytes: int) -> str:
    """Return the size of a file."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:,.0f} kB"  # noqa: PLR2004 -- units


def sentence(text: str) -> str:
    """Return a reason as a sentence; an address at its beginning stays as it is."""
    start = text[:1] if text.startswith("https://") else text[:1].upper()
    return start + text[1:] + ("" if text.endswith(".") else ".")


def drops(number: int) -> Word:
    """Return what to show of a profile or client with open drops."""
    return Word(counted(number, "drop"), "bad", "Numbers are lower than the past makes likely.")


def several(state: str, profiles: int) -> Word:
    """Return what to show of a client with so many profiles in a state."""
    word = PROFILE_STATES[state]
    return Word(f"{profiles:,} {word.name.lower()}", word.tone, word.text)


def missing(days: int, of: str = "") -> Word:
    """Return what to show where days are missing, of one profile or of several."""
    return Word(f"{counted(days, 'day')} missing", "warn", f"Of the last 90 days{of}.")


def counter(name: str) -> str:
    """Return what a counter of an account is called; one that nobody has seen before keeps its name."""
    return _COUNTERS.get(name) or name.replace("_", " ").capitalize()


def data_status(status: str) -> Word:
    """Return what Pinterest says of a day's numbers; words that nobody has seen before stay as they are."""
    return DATA_STATUSES.get(status) or Word(status.capitalize(), "quiet")


def paused(reason: str) -> str:
    """Return why the pins of a profile wait, as the end of a sentence."""
    return _PAUSES[PauseReason(reason)]


def duration(seconds: float) -> str:
    """Return a time in its largest units that are not empty, two at most."""
    left, parts = round(seconds), []
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def failing(failures: int, outcome: str | None) -> Word:
    """Return what to show of a profile whose polls fail."""
    why = OUTCOMES[outcome].text if outcome in OUTCOMES else ""
    return Word("Failing", "warn", f"{failures} polls in a row failed. {why}".strip())


def budget(used: Budget) -> Word:
    """Return how near a profile is to the nearest of its limits."""
    if used.quota_until is not None:
        return Word("Posts used up", "warn", "Its pins wait until the month's posts are there again.")
    tone = "bad" if used.used_share >= _AT_A_LIMIT else "warn" if used.used_share >= _NEAR_A_LIMIT else "quiet"
    return Word(f"{100 * used.used_share:.0f} % used", tone, "Of the limit that is nearest.")
