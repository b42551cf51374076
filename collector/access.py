"""Who asks for a page: what they may do, and whose rows they may see. Handlers find it in the request."""

import hashlib
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

_PREFIX = "pct_"  # so that a token is recognised where it should not be, in a repository for example
_RANDOM_BYTES = 32
_MARK = "collector_access"


class Entry(StrEnum):
    """How somebody came in."""

    LOCAL = "local"  # on this machine, where no token is asked for
    TOKEN = "token"  # noqa: S105 -- a word, no password
    SESSION = "session"  # a browser that signed in with a token


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may look, and perhaps change things; ``client`` is the only one they may see, None is all.

    ``name`` is that of their token.
    """

    may_change: bool
    entry: Entry
    client: str | None = None
    name: str | None = None

    @property
    def known_as(self) -> str:
        """What is kept of who did something."""
        return self.name or "this machine"

    def may_see(self, client: str) -> bool:
        return self.client is None or self.client == client


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that is known, without the token itself; ``id`` is positive in the database, else of the settings."""

    id: int
    name: str
    sha256: bytes
    may_change: bool
    client: str | None = None


VISITOR: Final = web.RequestKey("visitor", Visitor)
"""Where a handler finds its visitor: there is one on every page but the open ones."""


class Audience(StrEnum):
    """For whom a page is; one that says nothing is for visitors who may see all clients."""

    EVERYBODY = "everybody"
    EACH_CLIENT = "each client"


_Handler = TypeVar("_Handler", bound=Callable[..., Any])


def open_to_everybody(handler: _Handler) -> _Handler:
    """Mark a handler that shows and changes no data, so that nobody is asked for a token."""
    setattr(handler, _MARK, Audience.EVERYBODY)
    return handler


def for_each_client(handler: _Handler) -> _Handler:
    """Mark a handler that shows a visitor, and lets them change, the rows of `Visitor.client` alone."""
    setattr(handler, _MARK, Audience.EACH_CLIENT)
    return handler


def audience(handler: object) -> Audience | None:
    found: Audience | None = getattr(handler, _MARK, None)
    return found


def new_token() -> str:
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(token: str) -> bytes:
    """Return what finds a token again, and reveals nothing: tokens are random, so a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
