"""Reads ``GET /user``: what the Pinterest account behind a profile key is called.

Pure: no clock, no I/O. The answer's shape is not confirmed, so every likely one is taken.
"""

from collections.abc import Iterator
from typing import Final

from collector.ayrshare.refusal import clean, decode

_NAMES: Final = ("displayName", "username", "userName", "name", "title")
_LONGEST_NAME: Final = 200


def parse_account_name(body: bytes) -> str | None:
    """Return the display name of the Pinterest account; None where the answer has none.

    Raises:
        AyrshareError: it is not JSON.

    """
    payload = decode(body)
    listed = payload.get("displayNames") if isinstance(payload, dict) else None
    return next((clean(name, _LONGEST_NAME) for name in _names(listed) if name.strip()), None)


def _names(listed: object) -> Iterator[str]:
    if isinstance(listed, dict):
        yield from _words(listed.get("pinterest"))
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("platform") == "pinterest":
            yield from _words(each)


def _words(account: object) -> Iterator[str]:
    if isinstance(account, str):
        yield account
    if isinstance(account, dict):
        yield from (account[key] for key in _NAMES if isinstance(account.get(key), str))
