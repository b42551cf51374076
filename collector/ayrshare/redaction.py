"""Takes our keys out of what Ayrshare sends, however they are written there. Pure: no clock, no I/O."""

import re
from collections.abc import Iterable

from pydantic import SecretStr

_MARK = b"[redacted]"
_WITHHELD = b"an answer that may hold a key was withheld"
# One character as JSON, JSON in JSON, URLs and HTML write it; all of them after lower().
_ESCAPE = re.compile(
    rb"\\+(?:u00|x)([0-9a-f]{2})|%(?:25)*([0-9a-f]{2})|&(?:amp;)*#(?:x0*([0-9a-f]{2})|0*([0-9]{2,3}));?|\\+"
)
_SIGNS = (b"\\", b"%", b"&")
# All keys are; NUL is in none.
_ASCII = range(1, 128)
_MOST_NESTED = 4
# A thousand posts have a tenth of it.
_MOST_SIGNS = 200_000


class Redactor:
    """Knows the keys of a call."""

    def __init__(self, keys: Iterable[SecretStr | None]) -> None:
        self._keys = [key.get_secret_value().encode() for key in keys if key is not None and key.get_secret_value()]

    def clear(self, body: bytes) -> bytes:
        """Return an answer without the keys, before anything of it is decoded or cut.

        What holds a key so mixed up that it cannot be cut out is withheld as a whole, and so is what has escapes enough
        to take a second.
        """
        if len(body) > _MOST_SIGNS and sum(map(body.count, _SIGNS)) > _MOST_SIGNS:
            return _WITHHELD
        if not self._in(body):
            return body
        for key in self._keys:
            body = _any_writing(key).sub(_MARK, body)
        return _WITHHELD if self._in(body) else body

    def clear_text(self, text: str) -> str:
        return self.clear(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _in(self, body: bytes) -> bool:
        plain = body.lower()
        keys = [key.lower() for key in self._keys]
        for _ in range(_MOST_NESTED):
            if any(key in plain for key in keys):
                return True
            if not any(sign in plain for sign in _SIGNS):
                return False
            plain, escapes = _ESCAPE.subn(_decoded, plain)
            if not escapes:
                return False
        return False


def _decoded(escape: re.Match[bytes]) -> bytes:
    *hexadecimal, decimal = escape.groups()
    digits = next((each for each in hexadecimal if each), None)
    code = int(digits, 16) if digits else int(decimal or b"0")
    return bytes([code]).lower() if code in _ASCII else b""


def _any_writing(key: bytes) -> re.Pattern[bytes]:
    return re.compile(b"".join(map(_any_writing_of, key)), re.IGNORECASE)


def _any_writing_of(code: int) -> bytes:
    plain = rb"\\*" + re.escape(bytes([code]))
    cases = {*bytes([code]).lower(), *bytes([code]).upper()}
    forms = rb"\\+(?:u00|x)%02x|%%(?:25)*%02x|&(?:amp;)*#(?:x0*%02x|0*%d);?"
    return b"(?:" + b"|".join([plain, *(forms % (each, each, each, each) for each in cases)]) + b")"
