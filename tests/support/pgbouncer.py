"""Runs a real PgBouncer before the test's server, as docs/scaling.md configures it."""

import asyncio
import configparser
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.paths import ROOT
from tests.support.proxy import proxied
from tools.preview.live import free_port

_START_SECONDS = 20.0


class PgBouncer:
    """A PgBouncer in transaction mode on a port of its own."""

    def __init__(self, program: str, config: Path, port: int) -> None:
        # It refuses to be root.
        self._command = [program, *(["-u", "nobody"] if os.geteuid() == 0 else []), str(config)]
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(*self._command, stderr=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(_START_SECONDS):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def pgbouncer(dsn: str, folder: Path) -> AsyncIterator[tuple[PgBouncer, str]]:
    """Yield a running one and the address that leads through it; skip where none is installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed; .ci/servers installs it")
    url = urlsplit(dsn)
    socket = f"{parse_qs(url.query)['host'][0]}/.s.PGSQL.5432"
    async with proxied(lambda: asyncio.open_unix_connection(socket)) as proxy:
        port = free_port()
        config = folder / "pgbouncer.ini"
        _write(config, port=port, server=f"host=127.0.0.1 port={proxy.port} user={url.username}")
        bouncer = PgBouncer(program, config, port)
        try:
            await bouncer.start()
            yield bouncer, f"postgresql://nobody@127.0.0.1:{port}{url.path}?pooler=transaction"
        finally:
            await bouncer.kill()


def _write(config: Path, *, port: int, server: str) -> None:
    """Write the documented file, but for where the server is, the port, and the password that is not asked."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    parser = configparser.ConfigParser(interpolation=None)
    [documented] = re.findall(r"```ini\n(.*?)```", text, flags=re.DOTALL)
    parser.read_string(documented)
    database = parser["databases"]["collector"]
    parser["databases"]["collector"] = re.sub(r"host=\S+ port=\S+", server, database)
    # Few connections for many clients, so that transactions of one go to several.
    parser["pgbouncer"].update(listen_port=str(port), auth_type="any", default_pool_size="3", unix_socket_dir="")
    with config.open("w") as file:
        parser.write(file)
