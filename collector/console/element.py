"""Draws the small components of which tables are full: filters of the templates, which take less time than macros.

Pure.
"""

from datetime import UTC, datetime
from functools import lru_cache

from markupsafe import Markup, escape

from collector.console.words import Word, percent

# Less is no change to speak of.
_LEAST_CHANGE = 0.005


# There are few words.
@lru_cache(maxsize=1024)
def badge(word: Word) -> Markup:
    """Return a word in the colour of its tone, with its sentence where it is pointed at."""
    title = Markup(' title="{}"').format(word.text) if word.text else ""
    return Markup('<span class="badge is-{}"{}>{}</span>').format(word.tone, title, word.name)


def utc(value: datetime) -> str:
    """Return a moment in UTC, in words."""
    at = value.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M} UTC"


def moment(at: datetime | None, none_text: str = "never") -> Markup:
    """Return a moment: UTC, which the script turns into the viewer's time."""
    return _time(at, "moment", none_text)


def ago(at: datetime | None, none_text: str = "never") -> Markup:
    """Return how long ago something was; without the script, when it was."""
    return _time(at, "ago", none_text)


def _time(at: datetime | None, kind: str, none_text: str) -> Markup:
    if at is None:
        return escape(none_text)
    text = f'<time datetime="{at.isoformat()}" data-{kind}>{utc(at)}</time>'
    return Markup(text)  # noqa: S704 -- digits and names of months


def change(share: float | None, than: str = "the week before") -> Markup:
    """Return how a number changed, and for those who do not see where it stands, compared with what."""
    if share is None:
        return Markup('<span class="change quiet">no comparison yet</span>')
    kind = "is-up" if share >= _LEAST_CHANGE else "is-down" if share <= -_LEAST_CHANGE else "quiet"
    text = f'<span class="change {kind}">{percent(share)}<span class="hidden-text"> than {escape(than)}</span></span>'
    return Markup(text)  # noqa: S704 -- a number, and what is escaped
