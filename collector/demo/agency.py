"""Fills the demo's database: registers its profiles, writes their past, queues their pins, and reads the present."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import SecretStr

from collector.app.storage import key_ring
from collector.app.upstream import make_gate, open_ayrshare
from collector.app.workers import make_poller
from collector.config import Settings
from collector.demo import pins
from collector.demo.cast import Member, cast
from collector.demo.past import past
from collector.demo.story import lose_next_pin, monday, refuse_next_pin, stage
from collector.detect.detector import Detector
from collector.emulator import Emulator, Identity, profile_identity
from collector.emulator.accounts import Account
from collector.errors import RegistryError
from collector.models.pin import PinState
from collector.models.plan import Action
from collector.poll.poller import PollResult
from collector.registry.register import insist, register
from collector.registry.validate import Registration
from collector.store.drop import DropStore
from collector.store.past import PastStore
from collector.store.pin import PinStore
from collector.store.pin_import import PinImporter
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.removal import RemovalStore

# Marks the demo's own profiles, so that it never touches others.
TAG = "demo"
# More of them would take the demo longer to make up than anybody waits.
_WITH_A_PAST = 60

# A profile, its account at the emulator, and its id.
_Shown = tuple[Member, Account, int]


class Agency:
    """The demo's agency, as far as it is in the database."""

    def __init__(self, emulator: Emulator, settings: Settings, database: Database) -> None:
        self._emulator = emulator
        self._settings = settings
        self._database = database
        self._now = datetime.now(UTC)
        self._today = self._now.date()
        self._members = cast(emulator.config.profiles)
        self._shown = self._members[:_WITH_A_PAST]
        self._profiles = ProfileStore(database)
        self._pins = PinStore(database)

    async def open(self, on_poll: Callable[[PollResult], None]) -> int:
        """Let the database show everything until now; return how many profiles of other demos were removed.

        Raises:
            RegistryError: it holds profiles that are not the demo's.
        """
        titles = {member.name: self._identity(place).title for place, member in enumerate(self._shown)}
        stage(self._emulator, titles, self._today)
        removed, known = await self._remove_others()
        insist(await register(self._registrations(), self._profiles, key_ring(self._settings)))
        ids = {each.name: each.id for each in await self._profiles.all()}
        shown = [(member, self._account(place), ids[member.name]) for place, member in enumerate(self._shown)]
        await self._write_past([each for each in shown if each[0].name not in known])
        await self._write_pins(shown)
        await self._poll([profile_id for _, _, profile_id in shown], on_poll)
        await Detector(DropStore(self._database)).run_once()
        return removed

    async def _remove_others(self) -> tuple[int, set[str]]:
        """Remove profiles of another week's demo or a larger one; return how many, and the names of those that stay."""
        known = await self._profiles.all()
        foreign = [profile.name for profile in known if TAG not in profile.tags]
        if foreign:
            raise RegistryError(
                f"{self._settings.data_dir} holds {len(foreign)} profiles that are not the demo's; "
                "name another folder in COLLECTOR_DATA_DIR"
            )
        wanted = {member.name for member in self._members}
        kept = {profile.name for profile in known if self._week in profile.tags} & wanted
        others = [profile.id for profile in known if profile.name not in kept]
        await RemovalStore(self._database).remove(others, open_pins=True)
        return len(others), kept

    @property
    def _week(self) -> str:
        return f"week-of-{monday(self._today)}"

    def _registrations(self) -> list[Registration]:
        return [
            Registration(
                name=member.name,
                client=member.client,
                profile_key=SecretStr(self._identity(place).profile_key),
                ref_id=self._identity(place).ref_id,
                tags=(TAG, member.market, self._week),
            )
            for place, member in enumerate(self._members)
        ]

    def _identity(self, place: int) -> Identity:
        config = self._emulator.config
        return profile_identity(place, seed=config.seed, profiles=config.profiles)

    def _account(self, place: int) -> Account:
        return self._emulator.accounts.require(self._identity(place).profile_key)

    async def _write_past(self, profiles: Sequence[_Shown]) -> None:
        pasts = (past(self._emulator, account, id_, member.name, self._today) for member, account, id_ in profiles)
        await PastStore(self._database).write([each for each in pasts if each is not None])

    async def _write_pins(self, profiles: Sequence[_Shown]) -> None:
        shown = {member.name: (account, profile_id) for member, account, profile_id in profiles}
        planned = list(pins.calendar(self._shown, self._today))
        gone = [(pin, at) for pin, at in planned if at < self._now]
        await PastStore(self._database).write_pins(
            [pins.past_pin(self._emulator, *shown[pin.profile], pin, at, self._now) for pin, at in gone]
        )
        coming = [pin for pin, at in planned if at >= self._now] + pins.slow_pins(self._shown, self._today)
        lines = list(enumerate(coming))
        # What an earlier start queued stays as people left it, also if they moved or edited it.
        importer = PinImporter(self._database)
        added = {line for line, plan in await importer.plan(lines, past=True) if plan.action is Action.ADDED}
        await importer.enqueue_all([each for each in lines if each[0] in added], past=True)
        await self._misfortune()

    async def _misfortune(self) -> None:
        """Queue the pins that do not go out: one refused, one without an answer, one withdrawn."""
        for pin, happens in (
            (pins.failing_pin(self._shown, self._today), refuse_next_pin),
            (pins.vanishing_pin(self._shown, self._today), lose_next_pin),
        ):
            if pin is not None and (await self._pins.enqueue(pin)).created:
                happens(self._emulator, self._account(self._place(pin.profile)).title)
        withdrawn = pins.cancelled_pin(self._shown, self._today)
        if withdrawn is not None and (queued := await self._pins.enqueue(withdrawn)).created:
            await self._pins.cancel(queued.id, PinState.QUEUED)

    def _place(self, name: str) -> int:
        return next(place for place, member in enumerate(self._members) if member.name == name)

    async def _poll(self, profile_ids: Sequence[int], on_poll: Callable[[PollResult], None]) -> None:
        gate = make_gate(self._settings)
        async with open_ayrshare(self._settings, gate) as client:
            poller = make_poller(self._settings, self._database, client, gate, on_poll)
            await poller.poll_named(profile_ids, only_due=True)
