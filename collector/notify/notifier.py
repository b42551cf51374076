"""Finds what happened, gives it to the targets that want it, and sends their messages, each event once a target."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from collector.cancellation import uninterrupted
from collector.loops.every import backoff
from collector.models.notice import Notice, NoticeKind
from collector.notify.attachment import attachments
from collector.notify.body import Message
from collector.notify.deliver import Deliverer, DeliveryError
from collector.notify.sentence import lines
from collector.notify.targets import MailTarget, Targets
from collector.store.event import EventStore, Limits
from collector.store.notice import MessageClaim, NewNotice, NoticeStore, Telling
from collector.telemetry import NOTIFICATIONS

log = structlog.get_logger(__name__)

GIVE_UP_SECONDS: Final = 86400.0
_FIRST_BACKOFF: Final = 30.0
_LONGEST_BACKOFF: Final = 1800.0
_LEAST_WAIT: Final = 5.0
# Reading what every profile misses is work, and days are lost at midnight.
_LOSSES_EVERY_SECONDS: Final = 900.0
# A process that is told to stop waits so long for a message that is on its way.
_LAST_SECONDS: Final = 2.0


class Notifier:
    """Tells people what happened."""

    def __init__(
        self,
        events: EventStore,
        store: NoticeStore,
        targets: Targets,
        deliverer: Deliverer,
        console_url: str | None,
        *,
        report_dir: Path | None = None,
    ) -> None:
        self._events = events
        self._store = store
        self._targets = targets
        self._by_name = targets.by_name
        self._deliverer = deliverer
        self._console_url = console_url
        self._report_dir = report_dir
        self._limits = Limits(targets.stale_after, targets.loss_within_days)
        self._losses_at = 0.0

    async def run_once(self) -> int:
        """Do everything that is due; return how many messages were sent."""
        await self._find()
        # After finding: what was there before a target was is not told to it.
        since = await self._store.keep_targets(list(self._by_name))
        while await self._store.address(lambda notice: self._tellings(notice, since)):
            pass
        claims = await self._store.claim(list(self._by_name))
        try:
            # One that answers slowly must not keep the others waiting.
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._send(claim)) for claim in claims]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return sum(task.result() for task in tasks)

    async def _find(self) -> None:
        await self._events.find(self._limits)
        if time.monotonic() >= self._losses_at:
            await self._events.find_losses(self._limits)
            await self._store.forget()
            self._losses_at = time.monotonic() + _LOSSES_EVERY_SECONDS

    def _tellings(self, notice: NewNotice, since: dict[str, datetime]) -> Iterator[Telling]:
        for name, target in self._by_name.items():
            if notice.found_at >= since[name] and target.wants(notice.kind, notice.client):
                yield Telling(notice.id, name, target.due(notice.found_at, self._targets.group))

    async def _send(self, claim: MessageClaim) -> bool:
        message = await self._message(claim)
        if not message.lines:
            # Its profiles were removed meanwhile, or its drops dismissed.
            return not await self._store.sent(claim)
        # In the middle of it nobody knows whether the message arrived; a moment's patience saves sending it again.
        return await uninterrupted(self._deliver(claim, message), seconds=_LAST_SECONDS)

    async def _message(self, claim: MessageClaim) -> Message:
        notices = await self._store.notices(claim)
        carries = isinstance(self._by_name[claim.target], MailTarget)
        carried = await asyncio.to_thread(attachments, notices, self._report_dir) if carries else ()
        reference = f"notice-{claim.message_id}-{int(claim.created_at.timestamp())}"
        return Message(reference, claim.created_at, lines(notices, self._console_url), carried)

    async def _deliver(self, claim: MessageClaim, message: Message) -> bool:
        try:
            await self._deliverer.deliver(self._by_name[claim.target], message)
        except DeliveryError as error:
            await self._note_failure(claim, error)
            return False
        await self._store.sent(claim)
        NOTIFICATIONS.labels("sent").inc()
        log.info("people were told", target=claim.target, events=len(message.lines))
        return True

    async def _note_failure(self, claim: MessageClaim, error: DeliveryError) -> None:
        wait = None if error.permanent else _wait(claim)
        await self._store.failed(claim, str(error), wait)
        NOTIFICATIONS.labels("given_up" if wait is None else "failed").inc()
        if wait is None:
            log.error("people were not told, and will not be", target=claim.target, reason=str(error))
        else:
            log.warning("people could not be told yet", target=claim.target, reason=str(error), again_in=round(wait))


def _wait(claim: MessageClaim) -> float | None:
    """Return the seconds until a message is tried again; None when it has been tried for long enough."""
    if claim.age_seconds >= GIVE_UP_SECONDS:
        return None
    return _LEAST_WAIT + backoff(claim.attempt, base=_FIRST_BACKOFF, cap=_LONGEST_BACKOFF)


def trial(console_url: str | None) -> Message:
    """Return a message that shows what the others look like."""
    now = datetime.now(UTC)
    example = Notice(
        id=0,
        kind=NoticeKind.DROP_OPENED,
        profile_id=None,
        profile="example-us",
        client="Example",
        happened_at=now,
        detail="This is a test. Engagements of example-us would have fallen to 450 a day since yesterday.",
    )
    return Message(f"notice-test-{int(now.timestamp())}", now, lines([example], console_url))
