"""Serves the console of a test's process, to whom its door lets in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from collector.access import digest, new_token
from collector.console.elsewhere import Elsewhere
from collector.console.overview import OverviewKeeper
from collector.console.site import Console
from collector.errors import DatabaseUnavailableError
from collector.loops.every import Heartbeats
from collector.loops.outage import Outage
from collector.store.pool import Database
from collector.store.token import TokenStore
from collector.web.door import Door
from collector.web.health import Health
from collector.web.server import Pages, serving
from collector.web.tokens import Tokens
from tests.support.away import Away

FULL, READ = "full-0123456789ab", "read-0123456789ab"
AS_A_PERSON = {"Accept": "text/html"}


def make_console(
    database: Database,
    *,
    problems: tuple[str, ...] = (),
    outage: Outage | None = None,
    away: Away | None = None,
    keeper: OverviewKeeper | None = None,
    report_file: Path | None = None,
) -> Console:
    """Return a console whose pulse tells these problems, and which asks ``away`` what the database does not know."""

    async def told() -> list[str]:
        return list(problems)

    heartbeats = Heartbeats()
    heartbeats.outage = outage or heartbeats.outage
    away = away or Away()
    elsewhere = Elsewhere(
        check_pins=away.check_pins,
        look_at_media=away.look_at_media,
        boards_of=away.boards_of,
        pictures_of=away.pictures_of,
    )
    return Console(
        *(database, keeper or OverviewKeeper(database), elsewhere, told, heartbeats),
        where="a database of a test",
        report_file=report_file,
    )


@asynccontextmanager
async def console_address(
    database: Database,
    *,
    locked: bool = False,
    problems: tuple[str, ...] = (),
    outage: Outage | None = None,
    away: Away | None = None,
    keeper: OverviewKeeper | None = None,
    report_file: Path | None = None,
) -> AsyncIterator[str]:
    """Serve the pages; ``locked`` ones ask for `FULL`, `READ` or a token of the database. Yield their address.

    Without a ``keeper``, the fleet's sums are made before.
    """
    if keeper is None:
        keeper = OverviewKeeper(database)
        with suppress(DatabaseUnavailableError):
            await keeper.refresh()
    console = make_console(
        database, problems=problems, outage=outage, away=away, keeper=keeper, report_file=report_file
    )
    pages = Pages(Health(database, Heartbeats(), hold=lambda: None), None, console)
    tokens = Tokens(SecretStr(FULL), SecretStr(READ), TokenStore(database).known) if locked else None
    async with serving(pages, "127.0.0.1", 0, door=Door(tokens) if tokens else None) as address:
        yield address


@asynccontextmanager
async def console_session(
    database: Database,
    token: str | None = None,
    *,
    outage: Outage | None = None,
    problems: tuple[str, ...] = (),
    away: Away | None = None,
    keeper: OverviewKeeper | None = None,
    report_file: Path | None = None,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session of a person, who has a token or is on this machine."""
    headers = AS_A_PERSON | ({"Authorization": f"Bearer {token}"} if token else {})
    async with (
        console_address(
            database,
            locked=token is not None,
            outage=outage,
            problems=problems,
            away=away,
            keeper=keeper,
            report_file=report_file,
        ) as address,
        aiohttp.ClientSession(address, headers=headers) as session,
    ):
        yield session


async def token_of(database: Database, client: str, *, may_change: bool = True) -> str:
    """Return a token that is bound to a client."""
    token = new_token()
    await TokenStore(database).add(f"of {client}", digest(token), client=client, may_change=may_change)
    return token


async def page(session: aiohttp.ClientSession, path: str, status: int = 200) -> str:
    """Return the text of a page, which must have this status; redirects are not followed."""
    async with session.get(path, allow_redirects=False) as response:
        text = await response.text()
        assert response.status == status, text
        return text
