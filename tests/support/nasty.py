"""The corpus of nasty answers: its form, and a server that sends an answer as its file says, however wrong that is."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from tests.support.paths import NASTY

# The keys that the files have in their answers.
API_KEY = "7H3AP1K-9KEY/WX4-TTM6-0FAGENCY"
PROFILE_KEY = "PR0F1LE-K3Y-8XYZ.4321"

_PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": partial(gzip.compress, mtime=0), "deflate": zlib.compress}


class Repeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the body has ``times`` times in place of ``<repeat>``; ``{n}`` in it is the number."""

    text: str
    times: int
    between: str = ","

    def __str__(self) -> str:
        return self.between.join(self.text.replace("{n}", str(number)) for number in range(self.times))


class Nasty(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An answer, and what must become of it; ``tests/payloads/nasty/README.md`` explains the fields."""

    about: str
    call: str
    status: str = "200 OK"
    headers: dict[str, str] = {}
    body: str = ""
    repeat: Repeat | None = None
    encoding: str = "utf-8"
    pack: Literal["gzip", "deflate"] | None = None
    cut: int = 0
    outcome: str
    stored: dict[str, Any] = {}

    def wire(self) -> bytes:
        """Return the bytes of the answer, its head included."""
        text = self.body if self.repeat is None else self.body.replace("<repeat>", str(self.repeat))
        body = text.encode(self.encoding)
        body = _PACK[self.pack](body) if self.pack is not None else body
        body = body[: len(body) - self.cut]
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        if "Transfer-Encoding" in self.headers:
            del headers["Content-Length"]
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in (headers | self.headers).items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def nasty(call: str = "") -> dict[str, Nasty]:
    """Return the answers by the names of their files, those to one call or all."""
    found = {path.stem: _read(path) for path in sorted(NASTY.glob("*.toml"))}
    return {name: each for name, each in found.items() if call in {"", each.call}}


def _read(path: Path) -> Nasty:
    return msgspec.toml.decode(path.read_bytes(), type=Nasty)


@asynccontextmanager
async def answering(answers: Mapping[str, Nasty]) -> AsyncIterator[str]:
    """Yield the address of a server that answers each profile key with its own answer; ``""`` is for no key."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, _, head = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        headers = BytesHeaderParser().parsebytes(head)
        await reader.readexactly(int(headers.get("Content-Length", "0")))
        try:
            writer.write(answers[headers.get("Profile-Key", "")].wire())
            await writer.drain()
        except ConnectionError:
            pass  # the client has had enough of it
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
