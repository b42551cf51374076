"""Names the files of clients' reports, as any file system takes them. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from hashlib import sha256

from collector.report.month import Month

_LONGEST_BYTES = 120
# What Windows, the strictest, refuses; and what turns the direction of a name.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]')
# What a name ends in that was marked as below.
_MARKED = re.compile(r" [0-9a-f]{6}\Z")


def file_names(clients: Collection[str], month: Month) -> dict[str, str]:
    """Return ``Acme 2026-10`` for each of all clients, of which no two are one file, be it in capitals or not.

    A name that had to be changed, or that another client's file could have, ends in a few digits.
    """
    shown = {client: _shown(client) for client in clients}
    same = Counter(name.casefold() for name in shown.values())

    def mark(client: str, name: str) -> str:
        if name == client and same[name.casefold()] == 1 and not _MARKED.search(name):
            return ""
        return f" {sha256(client.encode()).hexdigest()[:6]}"

    return {client: f"{name}{mark(client, name)} {month}" for client, name in shown.items()}


def _shown(client: str) -> str:
    plain = unicodedata.normalize("NFC", client)
    return _REFUSED.sub("-", plain).encode()[:_LONGEST_BYTES].decode(errors="ignore").strip(" .")
