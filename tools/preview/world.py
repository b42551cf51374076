"""Makes up an agency to draw: half a year of a few dozen profiles, with everything that can happen to them.

The daemon's own code does it, against the emulator. Weeks are made in a few polls, each with the emulator's
clock set back; times that the database stamps with its own clock are moved to that day.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from collector.app.daemon import run_roles
from collector.app.roles import Hooks
from collector.app.storage import key_ring, open_storage
from collector.app.upstream import make_gate, open_ayrshare
from collector.app.workers import make_poller
from collector.config import Role, Settings
from collector.demo.cast import cast
from collector.detect.detector import Detector
from collector.emulator import EMULATOR, Emulator, EmulatorConfig, make_app, profile_identity, serve
from collector.emulator.accounts import Account
from collector.emulator.config import DAY_SECONDS
from collector.emulator.faults import EVERYTHING, Fault, FaultName
from collector.poll.poller import Poller
from collector.registry.register import register
from collector.registry.validate import Registration
from collector.store.drop import DropStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore

PROFILES = {member.name: member.client for member in cast(58)}

# Client and profile that the dashboard of one client shows: one drop that is over, one that is open.
SHOWN = ("Juniper Home", "juniper-home-us")

# A poll sees 90 days. The last weeks are read day by day, as they are restated.
_POLLED_DAYS_AGO = (200, 110, 60, *range(30, -1, -1))
_UNLINKED = {"dune-swimwear-es": 12, "lumen-lighting-it": 5}
_SUSPENDED = {"kestrel-bikes-nl": 3}
_PAUSED = {"pine-street-ca": 20}
# Since how many days, and by which factor; a second factor of the inverse ends a drop.
_DROPS = {
    "juniper-home-us": ((47, 0.4), (33, 2.5), (9, 0.35)),
    "cobalt-kitchens-de": ((11, 0.3),),
    "hollis-paper-us": ((8, 0.45),),
    "marlow-bakery-uk": ((72, 0.35), (60, 2.9)),
    "rosewater-weddings-in": ((13, 0.25),),
}

_PINS_A_DAY = 0.35
_PUBLISHING_SECONDS = 120.0
_SPAMMER, _LOST = "granite-outdoor-ca", "orchard-ceramics-pt"
_PIN_FAULTS: tuple[tuple[FaultName, dict[str, Any]], ...] = (
    ("post_error", {"probability": 0.03, "message": "The image is smaller than 200 x 300 pixels."}),
    ("post_error", {"probability": 0.02, "message": "The board does not exist."}),
    ("reset_after", {"probability": 0.01}),
)
_MOODS: tuple[tuple[FaultName, dict[str, Any]], ...] = (
    ("latency", {"seconds": 0.12, "probability": 0.6}),
    ("latency", {"seconds": 0.9, "probability": 0.06}),
    ("status", {"status": 503, "probability": 0.03}),
    ("rate_limited", {"retry_after": 5, "probability": 0.02}),
    ("hang", {"probability": 0.004}),
    ("html", {"probability": 0.01}),
)

_BACKDATE_POLL = (
    "UPDATE poll_log SET polled_at = polled_at - $2::interval WHERE polled_at >= $1",
    "UPDATE daily_metric_revision SET superseded_at = superseded_at - $2::interval WHERE superseded_at >= $1",
    "UPDATE daily_metric SET first_seen_at = first_seen_at - $2::interval WHERE first_seen_at >= $1",
    "UPDATE daily_metric SET updated_at = updated_at - $2::interval WHERE updated_at >= $1",
    "UPDATE profile SET state_since = state_since - $2::interval WHERE state_since >= $1",
    "UPDATE profile SET last_success_at = last_success_at - $2::interval WHERE last_success_at >= $1",
)
_SPREAD_POLLS = "UPDATE profile SET next_poll_at = now() + interval '1 second' * (id % 20) WHERE state = 'active'"
_ENQUEUE = "SELECT enqueue_pin($1, $2, $3, description => 'A pin to look at', publish_at => $4, past => true)"
_UNDECIDED = """
SELECT EXISTS (
    SELECT FROM pin p
    LEFT JOIN pin_lane l ON l.profile_id = p.profile_id
    WHERE p.state = 'sending'
       OR p.state = 'queued' AND p.publish_at <= now() AND l.paused_reason IS NULL
       OR p.state = 'unknown' AND p.next_look_at IS NOT NULL
)
"""
# Most pins go out within seconds; some wait for the gap after another one, a few for longer.
_DELAY = """
    interval '1 second' * (2 + (id * 7919) % 10)
    + interval '1 second' * CASE WHEN id % 11 = 0 THEN 15 WHEN id % 47 = 0 THEN 400 ELSE 0 END
"""
_BACKDATE_PINS = (
    f"""
    UPDATE pin_attempt a
    SET started_at = p.publish_at + p.delay - interval '1.4 seconds', ended_at = p.publish_at + p.delay
    FROM (SELECT id, publish_at, {_DELAY} AS delay FROM pin) p
    WHERE p.id = a.pin_id
    """,
    f"""
    UPDATE pin
    SET created_at = least(created_at, publish_at - interval '4 days'),
        state_since = CASE WHEN state = 'queued' THEN state_since ELSE publish_at + {_DELAY} END,
        published_at = CASE WHEN state = 'published' THEN publish_at + {_DELAY} END
    """,
    """
    UPDATE pin_lane l
    SET paused_since = p.state_since
    FROM profile p
    WHERE p.id = l.profile_id AND l.paused_reason = p.state
    """,
)


class World:
    """The agency: its emulator, its database, and the daemon's settings."""

    def __init__(self, emulator: Emulator, settings: Settings, database: Database) -> None:
        self.emulator = emulator
        self.settings = settings
        self.database = database

    async def populate(self) -> None:
        """Fill the months until now."""
        await self._register()
        for name, changes in _DROPS.items():
            for days_ago, factor in changes:
                since = _today() - timedelta(days=days_ago)
                self._fault("drop", profile=_title(self.emulator, name), since=since, factor=factor)
        gate = make_gate(self.settings)
        async with open_ayrshare(self.settings, gate) as client:
            poller = make_poller(self.settings, self.database, client, gate, lambda _result: None)
            for days_ago in _POLLED_DAYS_AGO:
                await self._poll(poller, days_ago)
        await Detector(DropStore(self.database)).run_once()
        await self._publish()

    async def trouble(self) -> None:
        """Spread the next polls, and switch on the faults of a bad day at Ayrshare."""
        await self.database.execute(_SPREAD_POLLS)
        for fault, details in _MOODS:
            self._fault(fault, endpoint="/analytics/social", **details)

    def _fault(self, fault: FaultName, **details: Any) -> None:  # noqa: ANN401 -- fields of Fault
        self.emulator.faults.add(Fault(fault=fault, **details))

    async def _register(self) -> None:
        config = self.emulator.config
        identities = [profile_identity(i, seed=config.seed, profiles=config.profiles) for i in range(config.profiles)]
        registrations = [
            Registration(name=name, client=client, profile_key=SecretStr(identity.profile_key), ref_id=identity.ref_id)
            for (name, client), identity in zip(PROFILES.items(), identities, strict=True)
        ]
        await register(registrations, ProfileStore(self.database), key_ring(self.settings))
        created = datetime.now(UTC) - timedelta(days=_POLLED_DAYS_AGO[0])
        await self.database.execute("UPDATE profile SET created_at = $1", created)

    async def _poll(self, poller: Poller, days_ago: int) -> None:
        self.emulator.clock.offset_seconds = -DAY_SECONDS * days_ago
        await self._change_profiles(days_ago)
        began = await self.database.fetchval("SELECT clock_timestamp()")
        await poller.poll_named(await ProfileStore(self.database).unpaused_ids())
        for statement in _BACKDATE_POLL:
            await self.database.execute(statement, began, timedelta(days=days_ago))

    async def _change_profiles(self, days_ago: int) -> None:
        for name, since in _UNLINKED.items():
            if since == days_ago:
                self._account(name).linked = False
        for name, since in _SUSPENDED.items():
            if since == days_ago:
                self._account(name).suspended = True
        paused = [name for name, since in _PAUSED.items() if since == days_ago]
        await ProfileStore(self.database).pause(paused, "the client takes a break")

    def _account(self, name: str) -> Account:
        account = self.emulator.accounts.by_title(_title(self.emulator, name))
        if account is None:
            raise LookupError(name)
        return account

    async def _publish(self) -> None:
        for profile, ref, publish_at in _pins(datetime.now(UTC)):
            media = [f"https://cdn.example.com/{profile}/{ref}.jpg"]
            await self.database.execute(_ENQUEUE, profile, ref, media, publish_at)
        for fault, details in _PIN_FAULTS:
            self._fault(fault, endpoint="POST /post", **details)
        self._fault(
            "post_error",
            profile=_title(self.emulator, _SPAMMER),
            endpoint="POST /post",
            message="Pinterest blocked this as spam.",
        )
        self._fault("reset_before", profile=_title(self.emulator, _LOST), endpoint="POST /post", times=2)
        publisher = self.settings.model_copy(update={"roles": frozenset({Role.PUBLISHER})})
        running = asyncio.create_task(run_roles(publisher, self.database, Hooks()))
        try:
            async with asyncio.timeout(_PUBLISHING_SECONDS):
                while await self.database.fetchval(_UNDECIDED):
                    await asyncio.sleep(0.5)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        for name in (EVERYTHING, _title(self.emulator, _SPAMMER), _title(self.emulator, _LOST)):
            self.emulator.faults.clear(name)
        for statement in _BACKDATE_PINS:
            await self.database.execute(statement)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Yield a populated agency in ``folder``; its servers stop at the end of the block."""
    config = EmulatorConfig(profiles=len(PROFILES), days=90, cache_seconds=0.0)
    app = make_app(config)
    async with serve(app) as url:
        settings = Settings.model_validate(
            {
                "database_url": None,
                "data_dir": folder,
                "ayrshare_url": url,
                "ayrshare_api_key": config.api_key,
                "http_port": 0,
                "max_requests_per_second": 1000.0,
                "pin_lane_gap": 0.0,
                "pin_reconcile_after": "1s,2s,3s",
            }
        )
        async with open_storage(settings, create=True) as database:
            made = World(app[EMULATOR], settings, database)
            await made.populate()
            yield made


def _today() -> date:
    return datetime.now(UTC).date()


def _title(emulator: Emulator, name: str) -> str:
    config = emulator.config
    return profile_identity(list(PROFILES).index(name), seed=config.seed, profiles=config.profiles).title


def _pins(now: datetime) -> Iterator[tuple[str, str, datetime]]:
    """Yield profile, reference and time of the pins of some weeks past and to come."""
    chance = random.Random(7)  # noqa: S311 -- the same pictures every time
    first = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for profile in PROFILES:
        past = 1 if profile in {_SPAMMER, _LOST} else 30
        for day in range(-past, 15):
            if chance.random() < _PINS_A_DAY:
                hour = chance.choice((8, 9, 12, 17, 19, 20))
                moment = first + timedelta(days=day, hours=hour, minutes=chance.choice((0, 15, 30, 45)))
                yield profile, f"{moment:%Y-%m-%d}-{chance.randrange(1000):03d}", moment
