"""The tokens of ``collector tokens``: only their digests are kept."""

from datetime import datetime

import msgspec

from collector.access import ApiToken
from collector.errors import DuplicateError, RegistryError
from collector.store.columns import names, values
from collector.store.pool import Database
from collector.store.sendable import is_sendable


class ListedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is shown."""

    name: str
    client: str | None
    may_change: bool
    created_at: datetime


_KNOWN = f"SELECT {names(ApiToken)} FROM api_token ORDER BY id"
_LIST = f"SELECT {names(ListedToken)} FROM api_token ORDER BY name"
_ADD = "INSERT INTO api_token (name, sha256, client, may_change) VALUES ($1, $2, $3, $4)"
_REVOKE = "DELETE FROM api_token WHERE name = $1 RETURNING name"


class TokenStore:
    """Adds, lists and revokes tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self) -> list[ApiToken]:
        return values(ApiToken, await self._database.fetch(_KNOWN))

    async def listed(self) -> list[ListedToken]:
        """Return all tokens by name."""
        return values(ListedToken, await self._database.fetch(_LIST))

    async def add(self, name: str, sha256: bytes, *, client: str | None, may_change: bool) -> None:
        """Keep a token's digest. Raises ``RegistryError`` when there is a token of this name."""
        try:
            await self._database.execute(_ADD, name, sha256, client, may_change)
        except DuplicateError:
            raise RegistryError(f"there is a token {name} already; revoke it, or choose another name") from None

    async def revoke(self, name: str) -> None:
        """Forget a token. Raises ``RegistryError`` for an unknown one."""
        if not is_sendable(name) or await self._database.fetchval(_REVOKE, name) is None:
            raise RegistryError(f"there is no token {name}; `collector tokens list` shows them all")
