"""Serves the API over a real socket, and asks it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from pydantic import SecretStr

from collector.access import digest, new_token
from collector.api.route import Route
from collector.api.services import Services
from collector.api.site import Api
from collector.loops.every import Heartbeats
from collector.store.fleet import FleetStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.token import TokenStore
from collector.web.door import Door
from collector.web.health import Health
from collector.web.server import Pages, serving
from collector.web.tokens import Tokens
from tests.support.away import Away
from tests.support.profiles import new_profile

FULL, READ = "full-0123456789ab", "read-0123456789ab"
IMAGE = "https://images.example.com/a.jpg"


def services(database: Database, away: Away | None = None) -> Services:
    away, heartbeats = away or Away(), Heartbeats()
    heartbeats.expect("poller", 5.0)
    return Services(
        database=database,
        heartbeats=heartbeats,
        keys=away.key_ring,
        try_key=away.try_key,
        check_pins=away.check_pins,
        look_at_media=away.look_at_media,
        states=FleetStore(database).summary,
        problems=Health(database, heartbeats, hold=lambda: None).problems,
        where="a test",
    )


@asynccontextmanager
async def served(database: Database, away: Away | None = None) -> AsyncIterator[str]:
    """Serve the API with the tokens `FULL` and `READ`, and yield its address."""
    given = services(database, away)
    health = Health(database, given.heartbeats, hold=lambda: None)
    door = Door(Tokens(SecretStr(FULL), SecretStr(READ), TokenStore(database).known))
    async with serving(Pages(health, None, Api(given)), "127.0.0.1", 0, door=door) as url:
        yield url


class Client:
    """Asks the API with a token."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self._session = session
        self.token = token

    async def __call__(
        self, method: str, path: str, body: object = None, *, headers: Any = None, **query: str
    ) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        more: dict[str, Any] = {} if body is None else {"json": body}
        async with self._session.request(method, f"/api/v1{path}", params=query, headers=sent, **more) as answer:
            return answer.status, await answer.json(content_type=None)

    async def raw(self, method: str, path: str, **more: Any) -> tuple[int, CIMultiDictProxy[str], bytes]:
        """Return the status, the headers, and the bytes of an answer."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        async with self._session.request(method, f"/api/v1{path}", headers=headers, **more) as answer:
            return answer.status, answer.headers, await answer.read()

    def with_token(self, token: str) -> "Client":
        return Client(self._session, token)


@asynccontextmanager
async def client(database: Database, away: Away | None = None) -> AsyncIterator[Client]:
    async with served(database, away) as url, aiohttp.ClientSession(url) as session:
        yield Client(session, FULL)


async def client_token(database: Database, name: str, *, may_change: bool = True) -> str:
    """Make a token of the client ``name``."""
    token = new_token()
    await TokenStore(database).add(f"of {name} {may_change}", digest(token), client=name, may_change=may_change)
    return token


async def two_clients(database: Database) -> dict[str, int]:
    """Register `a` and `b` of acme and `c` of globex; return their ids by name."""
    await ProfileStore(database).put(
        [
            new_profile("a", "key-of-a"),
            new_profile("b", "key-of-b"),
            new_profile("c", "key-of-c", client="globex"),
        ]
    )
    return {row["name"]: row["id"] for row in await database.fetch("SELECT id, name FROM profile")}


async def days(database: Database, profile_id: int, first: date, count: int, *, impression: int = 100) -> None:
    """Store so many days, each with the same numbers; all but the last three are settled."""
    last = first + timedelta(days=count - 1)
    await database.execute(
        """
        INSERT INTO daily_metric (
            profile_id, day, impression, engagement, engagement_rate, save, first_seen_at, updated_at
        )
        SELECT $1, day, $4::bigint, $4::bigint / 10, 0.5, 1, (day + 1)::timestamptz, (day + 1)::timestamptz
        FROM generate_series(0, $3::integer - 1) AS n
        CROSS JOIN LATERAL (SELECT $2::date + n AS day) d
        """,
        *(profile_id, first, count, impression),
    )
    await database.execute(
        "UPDATE profile SET settled_through = $2, settle_days = 3, first_day = $3, last_day = $4 WHERE id = $1",
        *(profile_id, last - timedelta(days=3), first, last),
    )


def routes() -> list[Route]:
    """Return all routes, for looking only: there is nothing behind them."""
    nothing: Any = None
    return Api(services(nothing)).routes
