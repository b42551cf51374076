"""Which text the database can be sent. An argument that is not UTF-8 arrives with surrogates, which it cannot."""

import re

_UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")


def is_sendable(text: str) -> bool:
    """Tell whether a text may be stored or looked for; nothing is named by another."""
    return not _UNSENDABLE.search(text)
