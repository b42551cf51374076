"""The tokens that open the door: those of the settings, and those in the database, read at most every few seconds."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from collector.access import ApiToken, digest
from collector.errors import DatabaseUnavailableError

FRESH_SECONDS = 5.0
# While the database is away, requests do not wait for it one after the other.
_AWAY_SECONDS = 1.0

Read = Callable[[], Awaitable[list[ApiToken]]]


class Tokens:
    """Finds tokens; ``read`` gets those of the database, and is not called for those of the settings."""

    def __init__(
        self,
        full: SecretStr | None = None,
        read_only: SecretStr | None = None,
        read: Read | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = ((0, "COLLECTOR_API_TOKEN", full, True), (-1, "COLLECTOR_API_TOKEN_READ", read_only, False))
        self._settings = [
            ApiToken(id=number, name=name, sha256=digest(token.get_secret_value()), may_change=may_change)
            for number, name, token, may_change in given
            if token is not None
        ]
        self._read = read
        self._clock = clock
        self._stored: list[ApiToken] = []
        self._read_again_at = float("-inf")
        self._away: str | None = None
        self._reading = asyncio.Lock()

    @property
    def required(self) -> bool:
        """Whether the settings have a token, so that nobody comes in without one."""
        return bool(self._settings)

    def pepper(self) -> bytes:
        """Return a secret of all replicas that other machines reach; where there is none, one of this process.

        It is slow to make, so that nobody finds the tokens of the settings by trying them on a cookie.
        """
        known = b"".join(token.sha256 for token in self._settings) or secrets.token_bytes(32)
        return hashlib.scrypt(known, salt=b"collector session", n=2**14, r=8, p=1)

    async def find(self, token: str) -> ApiToken | None:
        """Return what a token may do. Raises ``DatabaseUnavailableError`` where only the database could tell."""
        wanted = digest(token)
        return _same(self._settings, wanted) or _same(await self._from_database(), wanted)

    async def by_id(self, token_id: int) -> ApiToken | None:
        """Return the token of this id. Raises ``DatabaseUnavailableError`` where only the database could tell."""
        known = await self._from_database() if token_id > 0 else self._settings
        return next((token for token in known if token.id == token_id), None)

    async def _from_database(self) -> list[ApiToken]:
        if self._read is None:
            return []
        async with self._reading:
            if self._clock() >= self._read_again_at:
                await self._refresh(self._read)
        if self._away is not None:
            raise DatabaseUnavailableError(self._away)
        return self._stored

    async def _refresh(self, read: Read) -> None:
        try:
            self._stored, self._away, fresh = await read(), None, FRESH_SECONDS
        except DatabaseUnavailableError as error:
            self._away, fresh = str(error), _AWAY_SECONDS
        self._read_again_at = self._clock() + fresh


def _same(tokens: list[ApiToken], wanted: bytes) -> ApiToken | None:
    found = None
    for token in tokens:
        if hmac.compare_digest(token.sha256, wanted):
            found = token
    return found
