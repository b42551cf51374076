"""Stands for what the API and the console ask others than the database: Ayrshare, and servers of images."""

from collections.abc import Sequence

from pydantic import SecretStr

from collector.ayrshare.boards import parse_boards
from collector.crypto import KeyRing
from collector.errors import CollectorError
from collector.models.history import HistoryCheck, UnknownPins
from collector.models.pin import Board, PinState
from collector.publish.media import Media
from collector.registry.trial import Standing, Trial
from collector.report.brand import Brand
from collector.report.contents import Contents
from tests.support.profiles import KEYS


class Away:
    """Answers of the test; ``boards`` may be an error, or the body of Ayrshare's answer."""

    def __init__(self) -> None:
        self.trial = Trial(Standing.LINKED)
        self.history: HistoryCheck | None = None
        self.media: dict[str, Media] = {}
        self.pictures: dict[str, str] = {}
        self.keys: KeyRing | CollectorError = KEYS
        self.boards: list[Board] | bytes | CollectorError = []

    async def try_key(self, _key: SecretStr) -> Trial:
        return self.trial

    async def pictures_of(self, contents: Contents, _brand: Brand) -> dict[str, str]:
        urls = [pin.picture_url for pin in contents.best_pins]
        return {url: self.pictures[url] for url in urls if url is not None and url in self.pictures}

    async def look_at_media(self, urls: Sequence[str]) -> dict[str, Media]:
        return {url: self.media[url] for url in urls if url in self.media}

    async def check_pins(self, group: UnknownPins) -> HistoryCheck:
        if self.history is not None:
            return self.history
        pin = group.pins[0]
        return HistoryCheck(
            pin_id=pin.pin_id,
            attempt=pin.attempt,
            state=PinState.UNKNOWN,
            absent=True,
            next_seconds=None,
            finding="it is not there",
            found_attempt=pin.attempt,
        )

    async def boards_of(self, _profile: str) -> list[Board]:
        if isinstance(self.boards, CollectorError):
            raise self.boards
        return parse_boards(200, self.boards) if isinstance(self.boards, bytes) else self.boards

    def key_ring(self) -> KeyRing:
        if isinstance(self.keys, CollectorError):
            raise self.keys
        return self.keys
