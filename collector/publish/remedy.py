"""What a refusal asks for, by Ayrshare's code and words: the one table of them. Pure.

Neither codes nor words are documented for Pinterest, so the table has what was seen, and all else is unknown.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec


class Remedy(StrEnum):
    """What helps a pin that was refused; also the reason of the attempt."""

    MEND_PIN = "mend_pin"
    MEND_LINK = "mend_link"
    WAIT = "wait"
    UNKNOWN = "refused"


class _Rule(msgspec.Struct, frozen=True):
    remedy: Remedy
    words: re.Pattern[str]
    codes: frozenset[int] = frozenset()


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# The first that fits. "Try again" alone says little: it also ends "resize the image and try again".
RULES: Final = (
    _Rule(
        Remedy.MEND_LINK,
        _words(r"\bre-?link|not linked|re-?connect|re-?authori[sz]e|authori[sz]ation (error|expired)|access token"),
        frozenset({156, 161, 272}),
    ),
    _Rule(
        Remedy.WAIT,
        _words(
            r"(could|can) ?not (be )?(fetch|download|retrieve|reach|load)|couldn.t (fetch|download|retrieve|reach|load)"
            r"|(unable|failed) to (fetch|download|retrieve|reach|load)"
            r"|went wrong|on our (end|side)|internal (server )?error|timed? ?out|temporar|unavailable|overloaded"
        ),
    ),
    _Rule(
        Remedy.MEND_PIN,
        _words(
            r"too (small|large|long|short|big|many)|exceeds|maxim|minim|invalid|incorrect|unsupported|missing|required"
            r"|must |not (supported|allowed|valid|found|exist)|aspect ratio|dimension|format|duplicate"
        ),
        frozenset({101, 137, 138}),
    ),
    _Rule(Remedy.WAIT, _words(r"try again|try later|retry")),
)

ADVICE: Final = {
    Remedy.MEND_PIN: "correct what Ayrshare names, and queue the pin under another client_ref",
    Remedy.MEND_LINK: "link the account again at Ayrshare, then send the pin again with `collector pins retry`",
    Remedy.WAIT: "nothing is wrong with the pin; `collector pins retry` sends it once more",
    Remedy.UNKNOWN: "nobody has seen these words before; look at the pin, then `collector pins retry` or leave it",
}


def remedy_of(code: int | None, words: str | None) -> Remedy:
    """Return what a refusal with this code and these words asks for."""
    found = (rule.remedy for rule in RULES if code in rule.codes or rule.words.search(words or ""))
    return next(found, Remedy.UNKNOWN)
