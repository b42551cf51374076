"""Reads the reports that an e-mail carries."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from collector.models.notice import Notice, NoticeKind

log = structlog.get_logger(__name__)

# Whoever is told of more looks into the folder. Base64 makes ten megabytes of these bytes, which mail servers take.
_MOST_FILES: Final = 10
_MOST_BYTES: Final = 7_000_000


class Attachment(msgspec.Struct, frozen=True):
    """A file of an e-mail: a PDF, or a page of HTML."""

    name: str
    content: bytes

    @property
    def media_type(self) -> tuple[str, str]:
        return ("application", "pdf") if self.name.endswith(".pdf") else ("text", "html")


def attachments(notices: Sequence[Notice], folder: Path | None) -> list[Attachment]:
    """Return the reports that are told of and are in a folder: those that can be read, or none of too many."""
    files = [each.detail for each in notices if each.kind is NoticeKind.REPORT_READY]
    if folder is None or not 0 < len(files) <= _MOST_FILES:
        return []
    found = [each for each in (_read(folder, file) for file in files) if each is not None]
    return found if sum(len(each.content) for each in found) <= _MOST_BYTES else []


def _read(folder: Path, file: str) -> Attachment | None:
    try:
        path = folder / file
        if path.stat().st_size > _MOST_BYTES:
            return None
        return Attachment(path.name, path.read_bytes())
    except OSError as error:
        log.warning("a report cannot be sent, only named", file=file, reason=error.strerror)
        return None
