"""Notices: giving the events that were found to targets, and the messages that tell them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import asyncpg
import msgspec

from collector.models.notice import Notice
from collector.store.columns import arrays, columns, names, values
from collector.store.pool import Database


class Telling(msgspec.Struct, frozen=True):
    """A target is to be told of a notice, not before that time."""

    notice_id: int
    target: str
    due_at: datetime


class NewNotice(Notice, frozen=True, kw_only=True):
    found_at: datetime


Address = Callable[[NewNotice], Iterable[Telling]]


class MessageClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is ours to send; ``owner`` and ``attempt`` are the fence of what becomes of it."""

    message_id: int
    target: str
    owner: str
    attempt: int
    created_at: datetime
    age_seconds: float


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a target's messages: ``waiting`` notices, and the last message that was not sent."""

    target: str
    since: datetime
    last_sent_at: datetime | None
    sent: int
    waiting: int
    given_up: int
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None


_KEEP_TARGETS = "INSERT INTO notice_target (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING"
_SINCE = "SELECT name, since FROM notice_target"
_NEW = f"""
SELECT {names(NewNotice)}
FROM notice
WHERE NOT addressed
ORDER BY id
LIMIT 1000
FOR UPDATE SKIP LOCKED
"""
_TELL = f"""
INSERT INTO notice_telling ({names(Telling)})
SELECT {names(Telling)}
FROM unnest({arrays(Telling)}) AS t ({names(Telling)})
ON CONFLICT (notice_id, target) DO NOTHING
"""
_ADDRESSED = "UPDATE notice SET addressed = true WHERE id = ANY ($1::bigint[])"

_CLAIM = """
UPDATE notice_message AS m
SET owner = $1,
    attempts = m.attempts + 1,
    lease_until = now() + $2 * interval '1 second'
FROM claimable AS c
WHERE m.id = c.id
RETURNING
    m.id AS message_id, m.target, m.owner, m.attempts AS attempt, m.created_at,
    extract(epoch FROM now() - m.created_at)::double precision AS age_seconds
"""
_CLAIM_WAITING = f"""
WITH claimable AS MATERIALIZED (
    SELECT id
    FROM notice_message
    WHERE state = 'waiting'
      AND target = ANY ($3::text[])
      AND next_attempt_at <= now()
      AND coalesce(lease_until <= now(), true)
    ORDER BY next_attempt_at
    FOR UPDATE SKIP LOCKED
)
{_CLAIM}
"""
# A target whose last message is not settled waits; what is found meanwhile goes with the next one.
_LOCK_DUE_TARGETS = """
SELECT t.name
FROM notice_target t
WHERE t.name = ANY ($1::text[])
  AND EXISTS (SELECT FROM notice_telling n WHERE n.target = t.name AND n.message_id IS NULL AND n.due_at <= now())
FOR UPDATE SKIP LOCKED
"""
# A statement of its own, which sees what was done by whoever had the lock before.
_MAKE_MESSAGES = """
INSERT INTO notice_message (target)
SELECT t.name
FROM unnest($1::text[]) AS t (name)
WHERE EXISTS (SELECT FROM notice_telling n WHERE n.target = t.name AND n.message_id IS NULL AND n.due_at <= now())
  AND NOT EXISTS (SELECT FROM notice_message m WHERE m.target = t.name AND m.state = 'waiting')
RETURNING id, target
"""
_FILL_MESSAGES = """
UPDATE notice_telling AS n
SET message_id = m.id
FROM unnest($1::bigint[], $2::text[]) AS m (id, target)
WHERE n.target = m.target
  AND n.message_id IS NULL
"""
# Of a drop that waited in a digest somebody may have said meanwhile that it is not a problem.
_NOTICES = f"""
SELECT {names(Notice, "n.")}
FROM notice_telling t
JOIN notice n ON n.id = t.notice_id
WHERE t.message_id = $1
  AND NOT EXISTS (
      SELECT FROM engagement_drop d
      WHERE n.kind = 'drop_opened'
        AND d.profile_id = n.profile_id
        AND d.dismissed_at IS NOT NULL
        AND n.key = format('drop_opened:%s:%s:%s', d.profile_id, d.metric, d.detected_day)
  )
ORDER BY n.id
"""
_SENT = """
UPDATE notice_message
SET state = 'sent', ended_at = now(), last_error = NULL, lease_until = NULL
WHERE id = $1
  AND owner = $2
  AND attempts = $3
  AND state = 'waiting'
"""
_FAILED = """
UPDATE notice_message
SET last_error = $4,
    state = CASE WHEN $5::double precision IS NULL THEN 'given_up' ELSE 'waiting' END,
    ended_at = CASE WHEN $5 IS NULL THEN now() END,
    next_attempt_at = now() + coalesce($5, 0) * interval '1 second',
    lease_until = NULL
WHERE id = $1
  AND owner = $2
  AND attempts = $3
  AND state = 'waiting'
"""
_RETRY = """
UPDATE notice_telling AS n
SET message_id = NULL, due_at = now()
FROM notice_message m
WHERE m.id = n.message_id
  AND m.state = 'given_up'
  AND m.target = ANY ($1::text[])
"""
_STATES = f"""
SELECT {names(TargetState)}
FROM (
    SELECT
        t.name AS target, t.since,
        (SELECT max(ended_at) FROM notice_message WHERE target = t.name AND state = 'sent') AS last_sent_at,
        (SELECT count(*) FROM notice_message WHERE target = t.name AND state = 'sent') AS sent,
        (
            SELECT count(*)
            FROM notice_telling n
            LEFT JOIN notice_message m ON m.id = n.message_id
            WHERE n.target = t.name
              AND (m.id IS NULL OR m.state = 'waiting')
        ) AS waiting,
        (
            SELECT count(DISTINCT m.id)
            FROM notice_message m
            JOIN notice_telling n ON n.message_id = m.id
            WHERE m.target = t.name
              AND m.state = 'given_up'
        ) AS given_up,
        coalesce(w.attempts, 0) AS attempts,
        CASE WHEN w.state = 'waiting' THEN w.next_attempt_at END AS next_attempt_at,
        w.last_error
    FROM notice_target t
    LEFT JOIN LATERAL (
        SELECT *
        FROM notice_message m
        WHERE m.target = t.name
          AND m.state <> 'sent'
          AND EXISTS (SELECT FROM notice_telling WHERE message_id = m.id)
        ORDER BY m.id DESC
        LIMIT 1
    ) w ON true
    WHERE $1::text[] IS NULL OR t.name = ANY ($1)
) s
ORDER BY target
"""
_FORGET = "DELETE FROM notice WHERE found_at < now() - interval '180 days'"
_FORGET_MESSAGES = """
DELETE FROM notice_message m
WHERE m.ended_at < now() - interval '180 days'
  AND NOT EXISTS (SELECT FROM notice_telling WHERE message_id = m.id)
"""


class NoticeStore:
    """The notices of one owner, whose claims hold for ``seconds``."""

    def __init__(self, database: Database, *, owner: str, seconds: float) -> None:
        self._database = database
        self._owner = owner
        self._seconds = seconds

    async def forget(self) -> None:
        """Delete what is older than half a year."""
        await self._database.execute(_FORGET)
        await self._database.execute(_FORGET_MESSAGES)

    async def keep_targets(self, targets: Sequence[str]) -> dict[str, datetime]:
        """Note the targets that are new, and return since when each is told."""
        await self._database.execute(_KEEP_TARGETS, targets)
        return dict(await self._database.fetch(_SINCE))

    async def address(self, address: Address) -> int:
        """Give notices that nobody was given yet to the targets that ``address`` names; return how many."""
        async with self._database.transaction() as connection:
            new = values(NewNotice, await connection.fetch(_NEW))
            tellings = [telling for notice in new for telling in address(notice)]
            if tellings:
                await connection.execute(_TELL, *columns(Telling, tellings))
            if new:
                await connection.execute(_ADDRESSED, [notice.id for notice in new])
        return len(new)

    async def claim(self, targets: Sequence[str]) -> list[MessageClaim]:
        """Claim the messages to these targets that are due, at most one a target."""
        async with self._database.transaction() as connection:
            await _make_messages(connection, targets)
        rows = await self._database.fetch(_CLAIM_WAITING, self._owner, self._seconds, targets)
        return values(MessageClaim, rows)

    async def notices(self, claim: MessageClaim) -> list[Notice]:
        """Return what a message tells, in the order in which it was found."""
        return values(Notice, await self._database.fetch(_NOTICES, claim.message_id))

    async def sent(self, claim: MessageClaim) -> bool:
        """Record that a message was sent; tell whether it was still ours."""
        return bool(await self._database.execute(_SENT, claim.message_id, claim.owner, claim.attempt))

    async def failed(self, claim: MessageClaim, error: str, wait_seconds: float | None) -> bool:
        """Record that a message was not sent and when to try again, None for "never"."""
        fence = (claim.message_id, claim.owner, claim.attempt)
        return bool(await self._database.execute(_FAILED, *fence, error, wait_seconds))

    async def retry(self, targets: Sequence[str]) -> int:
        """Let what was given up be told after all; return how many notices those are."""
        return await self._database.execute(_RETRY, targets)

    async def states(self, targets: Sequence[str] | None = None) -> list[TargetState]:
        """Return what became of the messages to these targets, or to all that ever were."""
        return values(TargetState, await self._database.fetch(_STATES, targets))


async def _make_messages(connection: asyncpg.Connection, targets: Sequence[str]) -> None:
    due = [name for (name,) in await connection.fetch(_LOCK_DUE_TARGETS, targets)]
    if due and (made := await connection.fetch(_MAKE_MESSAGES, due)):
        await connection.execute(_FILL_MESSAGES, [row["id"] for row in made], [row["target"] for row in made])
