"""Keeps the settings of clients."""

import msgspec

from collector.store.columns import names, values
from collector.store.pool import Database


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A client; ``country`` is an ISO 3166 code, None where the holidays of many countries count.

    ``time_zone`` is the IANA zone in which the times of its pins are compared, None where that is UTC.
    """

    client: str
    profiles: int
    country: str | None
    time_zone: str | None


_LISTED = f"""
SELECT {names(ClientSettings)}
FROM (
    SELECT p.client, count(*) AS profiles, k.country, k.time_zone
    FROM profile p
    LEFT JOIN client k ON k.name = p.client
    GROUP BY p.client, k.country, k.time_zone
) AS clients
ORDER BY client
"""
_COUNTRY = "SELECT country FROM client WHERE name = $1"
_SET_COUNTRY = """
INSERT INTO client (name, country) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET country = excluded.country
"""
_ZONE = "SELECT time_zone FROM client WHERE name = $1"
_SET_ZONE = """
INSERT INTO client (name, time_zone) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET time_zone = excluded.time_zone
"""


class ClientStore:
    """Clients and their settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self) -> list[ClientSettings]:
        """Return all clients that have profiles."""
        return values(ClientSettings, await self._database.fetch(_LISTED))

    async def country(self, client: str) -> str | None:
        """Return whose holidays count for a client."""
        found: str | None = await self._database.fetchval(_COUNTRY, client)
        return found

    async def set_country(self, client: str, country: str | None) -> None:
        """Choose whose holidays count for a client; its history is judged again."""
        await self._database.execute(_SET_COUNTRY, client, country)

    async def zone(self, client: str) -> str | None:
        """Return the zone in which the times of a client's pins are compared."""
        found: str | None = await self._database.fetchval(_ZONE, client)
        return found

    async def set_zone(self, client: str, zone: str | None) -> None:
        """Choose the zone of a client; None is UTC."""
        await self._database.execute(_SET_ZONE, client, zone)
