"""Wraps an emulated Ayrshare for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from collector.emulator import EmulatorConfig, Identity, profile_identity, serve


class Ayrshare(msgspec.Struct):
    """An emulated Ayrshare, and its faults."""

    url: str
    config: EmulatorConfig
    session: aiohttp.ClientSession

    def identity(self, index: int) -> Identity:
        return profile_identity(index, seed=self.config.seed, profiles=self.config.profiles)

    async def fault(self, profile: str, fault: str, **details: object) -> None:
        body = {"profile": profile, "endpoint": "/analytics/social", "fault": fault} | details
        async with self.session.post(f"{self.url}/_emulator/faults", json=body) as response:
            assert response.status < 300, await response.text()

    async def publish(self, *, index: int = 0, notes: str) -> None:
        """Publish a pin of that profile, as somebody else than the daemon would."""
        headers = {"Authorization": f"Bearer {self.config.api_key}", "Profile-Key": self.identity(index).profile_key}
        body = {"post": "", "platforms": ["pinterest"], "mediaUrls": ["https://x.example/a.jpg"], "notes": notes}
        async with self.session.post(f"{self.url}/post", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()

    async def heal(self, profile: str | None = None) -> None:
        """Switch off the faults of a profile, or all."""
        params = {} if profile is None else {"profile": profile}
        async with self.session.delete(f"{self.url}/_emulator/faults", params=params) as response:
            assert response.status < 300

    async def pass_time(self, seconds: float) -> None:
        async with self.session.post(f"{self.url}/_emulator/clock", json={"offset_seconds": seconds}) as response:
            assert response.status < 300

    async def record(self) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/_emulator/record") as response:
            record: dict[str, Any] = await response.json()
            return record


@asynccontextmanager
async def emulated() -> AsyncIterator[Ayrshare]:
    """Run an emulator with 50 profiles of 30 days, which caches no answer."""
    config = EmulatorConfig(profiles=50, days=30, cache_seconds=0.0)
    async with serve(config) as url, aiohttp.ClientSession() as session:
        yield Ayrshare(url, config, session)
