"""Runs a daemon inside the test's own process, on the test's database and emulated Ayrshare."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr

from collector.app.daemon import run_roles
from collector.app.roles import Hooks
from collector.config import Role, load_settings
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import ENCRYPTION_KEY


@asynccontextmanager
async def daemon(database: Database, dsn: str, ayrshare: Ayrshare, *roles: Role, **settings: Any) -> AsyncIterator[str]:
    """Run some roles; yield the address of the pages as ``host:port``."""
    made = load_settings(
        database_url=dsn,
        ayrshare_url=ayrshare.url,
        ayrshare_api_key=SecretStr(ayrshare.config.api_key),
        encryption_keys=(SecretStr(ENCRYPTION_KEY),),
        roles=frozenset(roles),
        max_requests_per_second=1000.0,
        http_port=0,
        **settings,
    )
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_roles(made, database, Hooks(serving=address.set_result)))
    try:
        yield (await address).removeprefix("http://")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
