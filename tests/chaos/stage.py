"""Where a scenario plays: a server, an emulated Ayrshare, a proxy before each, daemons, and what a scenario does."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from collector.emulator import EMULATOR, Emulator, EmulatorConfig, make_app, serve
from collector.store.profile import ProfileStore
from tests.chaos.daemon import Daemon
from tests.chaos.server import PASSWORD, USER, Server, running
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import ENCRYPTION_KEY, new_profile
from tests.support.program import Ended, Program
from tests.support.proxy import Proxy, proxied

API_KEY = "Api-Key-3Xw8pLr5tYb1"
PROFILES = 40
MORE = 6
_USUAL = {
    "HTTP_PORT": "0",
    "POLL_INTERVAL": "2s",
    "POLL_CONCURRENCY": "8",
    "LEASE_TIME": "6s",
    "PIN_LANE_GAP": "200ms",
    "PIN_RECONCILE_AFTER": "1s,2s,4s",
    "MAX_REQUESTS_PER_SECOND": "200",
}
_EMULATED: dict[str, Any] = {
    "profiles": PROFILES,
    "days": 30,
    "cache_seconds": 0.0,
    "history_cache_seconds": 1.0,
    "rate_limit": 100_000,
    "api_key": API_KEY,
}
_ENQUEUE = "SELECT id FROM enqueue_pin($1, $2, ARRAY['https://images.example.com/a.jpg'], $2)"


class Stage:
    """Everything that a scenario can reach, and what is known of it so far."""

    def __init__(
        self,
        folder: Path,
        server: Server,
        emulator: Emulator,
        ayrshare: Ayrshare,
        proxies: tuple[Proxy, Proxy],
        settings: Mapping[str, str],
        seconds: float,
    ) -> None:
        self.server = server
        self.emulator = emulator
        self.ayrshare = ayrshare
        self.database, self.api = proxies
        self.seconds = seconds
        self.dice = random.Random(1)
        # Indices in the emulator by the database's ids; how pins may end that are not to be published.
        self.profiles: dict[int, int] = {}
        self.ends: dict[int, str] = {}
        self.daemons: list[Daemon] = []
        self.gone: list[Daemon] = []
        self.said: list[str] = []
        self.complaints: list[str] = []
        self._folder = folder
        self._pins = 0
        self._troubled = False
        self._settings = {
            **_USUAL,
            "DATABASE_URL": f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.database.port}/postgres",
            "AYRSHARE_URL": f"http://127.0.0.1:{self.api.port}/api",
            "AYRSHARE_API_KEY": API_KEY,
            "ENCRYPTION_KEYS": ENCRYPTION_KEY,
            **settings,
        }

    @property
    def folder(self) -> Path:
        return self._folder

    async def start(self, roles: str, *, program: Sequence[str] | None = None, **settings: str) -> Daemon:
        """Start a daemon, whose settings are as usual but for those named."""
        chosen = {f"COLLECTOR_{name}": value for name, value in (self._settings | settings).items()}
        more: dict[str, Any] = {} if program is None else {"program": program}
        daemon = Daemon(self._folder, chosen | {"COLLECTOR_ROLES": roles}, **more)
        daemon.watched = self._troubled
        await daemon.start(self.ayrshare.session)
        self.daemons.append(daemon)
        return daemon

    async def kill(self, daemon: Daemon) -> None:
        await daemon.kill()
        self._forget(daemon)

    async def stop(self, daemon: Daemon, seconds: float = 5.0) -> None:
        """Tell a daemon to stop, and complain if it does not in time."""
        if (complaint := await daemon.stop(seconds)) is not None:
            self.complaints.append(complaint)
        self._forget(daemon)

    def _forget(self, daemon: Daemon) -> None:
        self.daemons.remove(daemon)
        self.gone.append(daemon)

    async def register(self, count: int, *, pins: int = 2) -> list[int]:
        """Register the next profiles of the emulator, with pins to publish, and return the ids of the pins."""
        begin = len(self.profiles)
        who = [self.ayrshare.identity(index) for index in range(begin, begin + count)]
        await ProfileStore(self.server.owner).put([new_profile(each.title, each.profile_key) for each in who])
        names = [each.title for each in who]
        rows = await self.server.owner.fetch("SELECT id FROM profile WHERE name = ANY ($1) ORDER BY name", names)
        self.profiles.update({row["id"]: begin + place for place, row in enumerate(rows)})
        return [await self.pin(name) for name in names for _ in range(pins)]

    async def pin(self, profile: str) -> int:
        """Queue a pin, and return its id."""
        self._pins += 1
        pin: int = await self.server.owner.fetchval(_ENQUEUE, profile, f"pin {self._pins}")
        return pin

    def name(self, index: int) -> str:
        return self.ayrshare.identity(index).title

    @asynccontextmanager
    async def trouble(self, *, newcomers: int = MORE) -> AsyncIterator[None]:
        """Register some more profiles, so that work is under way, and watch what ``/readyz`` says until the end."""
        await self.register(newcomers)
        self._troubled = True
        for daemon in self.daemons:
            daemon.watched = True
        yield
        self._troubled = False
        for daemon in self.daemons:
            daemon.watched = False

    async def lasts(self, share: float = 1.0) -> None:
        """Let what was injected last."""
        await asyncio.sleep(self.seconds * share)

    async def heal(self) -> None:
        """End all that was injected into the proxies and the emulator."""
        await self.ayrshare.heal()
        await self.database.mend()
        await self.api.mend()

    async def fault(self, fault: str, profile: str = "*", **details: Any) -> None:
        await self.ayrshare.fault(profile, fault, **details)

    async def restate(self) -> None:
        """Let Pinterest restate the last eight days of every profile."""
        since = datetime.now(UTC).date() - timedelta(days=8)
        await self.fault("drop", since=since.isoformat(), factor=0.9)

    async def command(self, *arguments: str, stdin: str = "", **settings: str) -> Ended:
        """Run ``collector`` with the daemons' settings, but for those named."""
        program = Program(self._folder, **(self._settings | settings))
        ended = await program(*arguments, stdin=stdin)
        self.said.append(ended.out + ended.err)
        return ended

    async def expect(self, code: int, words: str, *arguments: str, stdin: str = "", **settings: str) -> None:
        """Run ``collector`` and complain unless it ends with this exit code and says these words."""
        ended = await self.command(*arguments, stdin=stdin, **settings)
        text = " ".join((ended.out + ended.err).split())
        if ended.code != code or words not in text:
            self.complaints.append(
                f"`collector {' '.join(arguments)}` ended with {ended.code} instead of {code}, without {words!r}: "
                f"{text[-500:]}"
            )

    def file(self, name: str, text: str | bytes) -> str:
        path = self._folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    async def says(self, words: str, *, seconds: float = 30.0) -> None:
        """Wait until a daemon's ``/readyz`` has said these words; the verdict complains if none does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not any(words in reason for daemon in self.daemons for reason in daemon.reasons):
                    await asyncio.sleep(0.1)

    async def until(self, sql: str, *arguments: object, seconds: float = 60.0) -> None:
        """Wait until a statement returns true; complain if it does not in time."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.server.owner.fetchval(sql, *arguments):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            self.complaints.append(f"this did not become true within {seconds:.0f} s: {' '.join(sql.split())}")

    async def live(self) -> Counter[str]:
        """Return how often the emulator published each pin, by its token."""
        return Counter((post.notes or "").partition("#")[0] for post in self.emulator.record.posts)

    async def close(self) -> None:
        for daemon in list(self.daemons):
            daemon.send(signal.SIGCONT)
            await self.kill(daemon)


@asynccontextmanager
async def staged(
    prepared: Path, folder: Path, *, settings: Mapping[str, str], emulator: Mapping[str, Any], seconds: float
) -> AsyncIterator[Stage]:
    """Yield a stage without daemons."""
    config = EmulatorConfig(**{**_EMULATED, **emulator})
    app = make_app(config)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(prepared, folder / "data"))
        url = await stack.enter_async_context(serve(app))
        port = urlsplit(url).port
        database = await stack.enter_async_context(proxied(server.connect))
        api = await stack.enter_async_context(proxied(lambda: asyncio.open_connection("127.0.0.1", port)))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        stage = Stage(folder, server, app[EMULATOR], Ayrshare(url, config, session), (database, api), settings, seconds)
        stack.push_async_callback(stage.close)
        yield stage
