"""What an operator may do with a pin: queue it, change or cancel it while it waits, give it up, send it again.

The command line, the API and the console all come through here. Only tables are imported as a whole, by the store.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from collector.errors import CollectorError, PinConflictError, PinError
from collector.models.history import HistoryCheck, UnknownPins
from collector.models.pin import NewPin, PinContent, PinProblem, PinState
from collector.publish.problem import named
from collector.store.pin import Enqueued, PinDetails, PinStore
from collector.store.pin_check import CheckStore
from collector.table.moment import in_zone

CANCELLABLE = frozenset({PinState.QUEUED, PinState.UNKNOWN})
RETRIABLE = frozenset({PinState.FAILED, PinState.CANCELLED, PinState.UNKNOWN})

Check = Callable[[UnknownPins], Awaitable[HistoryCheck]]
Look = Callable[[PinContent], Awaitable[object]]
"""Looks at the images of a pin; it raises ``PinError`` to refuse them."""


class FoundPin(msgspec.Struct, frozen=True):
    """A pin as it was found; it is changed only if it still is like that."""

    pin_id: int
    state: PinState
    attempts: int


class Evidence(StrEnum):
    """What is known of a pin that is to be sent again, and so of whether it will be live twice."""

    REFUSED = "refused"  # Ayrshare said of every attempt that it did not take it
    ABSENT = "absent"  # not in Ayrshare's history
    UNASKED = "unasked"  # the history was not asked
    SETTLED = "settled"  # the history has it: nothing is to be sent


class Retry(msgspec.Struct, frozen=True):
    """A pin that may be sent again; if it is ``SETTLED``, ``pin`` is as it was settled, and it may not."""

    pin: FoundPin
    evidence: Evidence

    @property
    def may_be_live(self) -> bool:
        """Whether it may be live twice then, so that the operator has to be asked."""
        return self.evidence in {Evidence.ABSENT, Evidence.UNASKED}


class PinOperator:
    """Changes pins. What may do harm takes two steps, between which the operator is asked. All raise ``PinError``."""

    def __init__(self, pins: PinStore, checks: CheckStore) -> None:
        self._pins = pins
        self._checks = checks

    async def problems(self, pin: NewPin, *, past: bool = False) -> list[PinProblem]:
        """Return all that is wrong with a pin, but for its profile and its images."""
        return named(await self._pins.problems(pin, past=past))

    async def add(self, pin: NewPin, *, past: bool = False, look: Look | None = None) -> Enqueued:
        """Queue a pin; ``past`` allows a time long ago. All that is wrong is told at once."""
        try:
            if look is not None:
                await look(pin.content)
            return await self._pins.enqueue(pin, past=past)
        except PinError as error:
            found = [*error.problems, *await self.problems(pin, past=past)]
            raise _wrong(found) if error.problems else PinError(str(error), problems=found) from None

    async def edit(
        self,
        pin_id: int,
        given: Mapping[str, object],
        publish_at: datetime | None,
        *,
        past: bool = False,
        look: Look | None = None,
        version: str | None = None,
    ) -> None:
        """Change what is ``given`` of a queued pin, by the names of `PinContent`, and its time if there is one.

        ``past`` allows a time long ago; ``look`` is called where the media are others. With a ``version`` the pin is
        changed only if it still is as it was read with that.
        """
        pin = await self._queued(pin_id)
        if version not in {None, pin.version}:
            raise PinConflictError(f"pin {pin_id} was changed meanwhile; nothing was changed")
        before = {name: getattr(pin, name) for name in PinContent.__struct_fields__}
        edited = msgspec.convert(before | dict(given), PinContent)
        new = NewPin(
            profile=pin.profile, client_ref=pin.client_ref, content=edited, publish_at=publish_at or pin.publish_at
        )
        found = await self.problems(new, past=past or publish_at is None)
        if look is not None and edited.media_urls != tuple(pin.media_urls):
            try:
                await look(edited)
            except PinError as error:
                found = [*error.problems, *found]
        if found:
            raise _wrong(found)
        await self._pins.edit(pin_id, new, pin.version)

    async def move(self, pin_id: int, day: date, zone: ZoneInfo, *, version: str) -> None:
        """Put a queued pin, as it was read with ``version``, to another day.

        The clocks of ``zone`` show the same time of day for it as before. A time that is past is refused.
        """
        pin = await self._queued(pin_id)
        local = datetime.combine(day, pin.publish_at.astimezone(zone).time())
        text = f"{local:%Y-%m-%d %H:%M}"
        try:
            moment = in_zone(local, zone, text)
        except CollectorError as error:
            raise PinError(f"the time {error}; nothing was changed") from None
        if moment < datetime.now(UTC):
            raise PinError(f"{text} in {zone} is past, so the pin would go out at once; nothing was changed")
        await self.edit(pin_id, {}, moment, version=version)

    async def find_cancellable(self, pin_id: int) -> FoundPin:
        """Return a pin that can be cancelled; an unknown one may be live and is then given up."""
        pin = await self._find(pin_id)
        if pin.state not in CANCELLABLE:
            raise PinConflictError(f"pin {pin_id} is {pin.state.value}; only a queued or unknown one can be cancelled")
        return pin

    async def cancel(self, pin: FoundPin) -> None:
        if not await self._pins.cancel(pin.pin_id, pin.state):
            raise _changed(pin)

    async def prepare_retry(self, pin_id: int, check: Check | None) -> Retry:
        """Return a pin that can be sent again, if ``check`` does not find it in Ayrshare's history.

        What the history settles is recorded. Without a ``check`` the history is not asked.
        """
        pin = await self._find(pin_id)
        if pin.state not in RETRIABLE:
            raise PinConflictError(
                f"pin {pin_id} is {pin.state.value}; only a failed, cancelled or unknown one can be sent again"
            )
        if check is None:
            return Retry(pin, Evidence.UNASKED)
        # Also of one that was given up: it may be live.
        group = await self._checks.of_pin(pin_id)
        if group is None:
            return Retry(pin, Evidence.REFUSED)
        found = await check(group)
        if found.state is not PinState.UNKNOWN:
            await self._checks.record([found])
            return Retry(msgspec.structs.replace(pin, state=found.state), Evidence.SETTLED)
        if not found.absent:
            raise PinConflictError(f"pin {pin_id}: {found.finding}; nothing was sent")
        return Retry(pin, Evidence.ABSENT)

    async def retry(self, pin: FoundPin) -> None:
        if await self._pins.retry(pin.pin_id, pin.state, pin.attempts):
            return
        now, _ = await self._pins.story(pin.pin_id)
        if (now.state, now.attempts) == (pin.state, pin.attempts):
            raise PinConflictError(
                f"pin {pin.pin_id} is being looked for right now; try again in a minute; nothing was sent"
            )
        raise _changed(pin)

    async def _queued(self, pin_id: int) -> PinDetails:
        pin, _ = await self._pins.story(pin_id)
        if pin.state is not PinState.QUEUED:
            raise PinConflictError(f"pin {pin_id} is {pin.state.value}; only a queued one can be changed")
        return pin

    async def _find(self, pin_id: int) -> FoundPin:
        pin, _ = await self._pins.story(pin_id)
        return FoundPin(pin_id, pin.state, pin.attempts)


def _wrong(problems: Sequence[PinProblem]) -> PinError:
    return PinError(f"{'; '.join(each.message for each in problems)}; nothing was changed", problems=problems)


def _changed(pin: FoundPin) -> PinConflictError:
    return PinConflictError(f"pin {pin.pin_id} changed meanwhile; nothing was done")
