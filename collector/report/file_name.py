"""Names the file of a client's report, as any file system takes it. Pure."""

import re
import unicodedata
from hashlib import sha256

from collector.report.month import Month

_LONGEST_BYTES = 120
# What Windows, the strictest, refuses; and what turns the direction of a name.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]')


def file_name(client: str, month: Month, suffix: str) -> str:
    """Return ``Acme 2026-10.html``; a name that had to be changed ends in a few digits, so that no two are the same."""
    plain = unicodedata.normalize("NFC", client)
    shown = _REFUSED.sub("-", plain).encode()[:_LONGEST_BYTES].decode(errors="ignore").strip(" .")
    mark = "" if shown == client else f" {sha256(client.encode()).hexdigest()[:6]}"
    return f"{shown}{mark} {month}.{suffix}"
