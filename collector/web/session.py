"""Sessions of browsers: a signed cookie and nothing else, so that every replica knows them. Pure: no clock, no I/O.

The value is ``id.expires.mac``: which token was signed in with, when the session ends, and an HMAC of both. Its key is
made of the token's digest and of a pepper that is in no database. So a token that is changed or revoked takes its
sessions along, and whoever has a copy of the database can make none.
"""

import hashlib
import hmac
import re

from collector.access import ApiToken

SECONDS = 7 * 86_400
_COOKIE = re.compile(r"(-?[0-9]{1,19})\.([0-9]{1,19})\.([0-9a-f]{64})")


def claimed_id(cookie: str) -> int | None:
    """Return the id of the token that a cookie claims to be of; None where no cookie of ours looks like that."""
    parts = _COOKIE.fullmatch(cookie)
    return int(parts[1]) if parts is not None else None


class Sessions:
    """Issues and reads cookies; ``pepper`` is a secret that every replica has."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper

    def issue(self, token: ApiToken, now: float) -> str:
        """Return the value of the cookie of a session that ends `SECONDS` after ``now``."""
        expires = int(now) + SECONDS
        return f"{token.id}.{expires}.{self._mac(token, expires)}"

    def holds(self, cookie: str, token: ApiToken, now: float) -> bool:
        """Tell whether a session that began with ``token`` is not over."""
        parts = _COOKIE.fullmatch(cookie)
        if parts is None or int(parts[2]) <= now:
            return False
        return hmac.compare_digest(self._mac(token, int(parts[2])), parts[3])

    def _mac(self, token: ApiToken, expires: int) -> str:
        key = hmac.digest(self._pepper, token.sha256, hashlib.sha256)
        return hmac.new(key, f"{token.id}.{expires}".encode(), hashlib.sha256).hexdigest()
