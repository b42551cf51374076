"""The pin queue as its users see it: adding, showing, and changing pins, each by itself."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from collector.errors import DataRefusedError, PinConflictError, PinError
from collector.models.pin import NewPin, PinProblem, PinState
from collector.store.columns import names, values
from collector.store.pool import Database
from collector.store.rate_limit import PIN_WAITS_FOR, PIN_WAITS_UNTIL
from collector.store.sendable import is_sendable


class Enqueued(msgspec.Struct, frozen=True):
    """A queued pin; ``created`` False is one that its profile had before under the same client_ref.

    ``differs`` are the names of what that one has and the other had not.
    """

    id: int
    created: bool
    differs: list[str]


class PinFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What users see of a pin and its lane in the same form wherever it is shown."""

    profile: str
    client: str
    id: int
    client_ref: str
    created_at: datetime
    publish_at: datetime
    description: str
    title: str | None
    link: str | None
    board_id: str | None
    media_urls: list[str]
    alt_texts: list[str]
    thumbnail_url: str | None
    note: str | None
    state: PinState
    state_since: datetime
    refusals: int
    last_error: str | None
    ayrshare_id: str | None
    pinterest_pin_id: str | None
    pin_url: str | None
    published_at: datetime | None
    looks: int
    next_look_at: datetime | None
    look_until: datetime | None
    lease_until: datetime | None
    paused_reason: str | None
    paused_since: datetime | None
    paused_detail: str | None
    not_before: datetime | None


class PinDetails(PinFacts, frozen=True, kw_only=True):
    """All that is stored of a pin and its lane; ``carousel`` is JSON, ``attempts`` counts them.

    ``version`` is another one as soon as anything of the pin is.
    """

    profile_id: int
    carousel: str | None
    attempts: int
    version: str


class PinAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to publish a pin; ``look`` is what the last look for it into Ayrshare's history found."""

    attempt: int
    owner: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: str | None
    http_status: int | None
    code: int | None
    detail: str | None
    excerpt: str | None
    looked_at: datetime | None
    look: str | None


class QueueSummary(msgspec.Struct, frozen=True):
    """Pins by state, paused lanes by reason, for how long the first due pin that could go has been waiting.

    ``unresolved`` are the unknown pins that no look is planned for any more, ``late`` those queued that do not go out
    when they are due, because their lane is paused for longer.
    """

    states: dict[str, int]
    paused: dict[str, int]
    oldest_due_seconds: float
    unresolved: int
    late: int


_ENQUEUE = """
SELECT id, created, differs
FROM enqueue_pin($1, $2, $3::text[], $4, $5, $6, $7, $8::text[], $9::jsonb, $10, $11, $12, $13)
"""

_WRONG = """
SELECT problem
FROM unnest(
    pin_problems($1, $2::text[], $3, $4, $5, $6, $7::text[], $8::jsonb, $9, $10, coalesce($11, now()))
    || pin_past_problem(coalesce($11, now()), $12)
) WITH ORDINALITY AS p (problem, place)
WHERE problem IS NOT NULL
ORDER BY place
"""

# Only while it is queued: what is sent is what its attempt says. Only as it was read: else of two that change it at
# once, one would undo what the other has changed.
_EDIT = """
UPDATE pin
SET media_urls = $2, description = $3, title = $4, link = $5, board_id = $6, alt_texts = $7, carousel = $8::jsonb,
    thumbnail_url = $9, note = $10, publish_at = $11
WHERE id = $1
  AND state = 'queued'
  AND xmin::text = $12
RETURNING id
"""

_DETAILS = f"""
SELECT {names(PinDetails)}
FROM (
    SELECT
        f.name AS profile, f.client, p.*, p.xmin::text AS version,
        coalesce(l.paused_reason, {PIN_WAITS_FOR}) AS paused_reason, l.paused_since, l.paused_detail,
        coalesce({PIN_WAITS_UNTIL}, l.not_before) AS not_before
    FROM pin p
    JOIN profile f ON f.id = p.profile_id
    LEFT JOIN pin_lane l ON l.profile_id = p.profile_id
    WHERE p.id = $1
) AS story
"""

_ATTEMPTS = f"""
SELECT {names(PinAttempt)}
FROM pin_attempt
WHERE pin_id = $1
ORDER BY attempt
"""

_CANCEL = """
UPDATE pin
SET state = 'cancelled', state_since = now(), next_look_at = NULL,
    last_error = CASE WHEN state = 'unknown' THEN 'given up; it may be live' ELSE last_error END
WHERE id = $1
  AND state = $2
RETURNING id
"""

# It goes behind what is due already; its old time would make it look overdue. Not while somebody looks for it: it would
# be sent before it is found.
_RETRY = """
WITH retried AS (
    UPDATE pin
    SET state = 'queued', state_since = now(), publish_at = greatest(publish_at, now()), refusals = 0,
        next_look_at = NULL
    WHERE id = $1
      AND state = $2
      AND attempts = $3
      AND published_at IS NULL
      AND coalesce(look_until <= now(), true)
    RETURNING id, profile_id, publish_at
)
SELECT id, wake_lane(profile_id, publish_at)
FROM retried
"""

# The lane sends at once whatever it waits for: a cool-down, a backoff, the gap, what is left of a wait after 429.
_RESUME = """
WITH resumed AS (
    UPDATE pin_lane AS l
    SET paused_reason = NULL, paused_since = NULL, paused_detail = NULL, not_before = NULL, failures = 0,
        failed_pins = 0
    FROM profile f
    WHERE f.id = l.profile_id
      AND f.name = ANY ($1::text[])
    RETURNING l.profile_id, f.name, f.state
),
asked AS (
    UPDATE profile
    SET rate_limited_until = NULL
    WHERE id IN (SELECT profile_id FROM resumed)
      AND rate_limited_until IS NOT NULL
)
SELECT name, state, wake_lane(profile_id, now())
FROM resumed
ORDER BY name
"""

# Each counts on an index of its own.
_STATES = """
SELECT state, count(*) AS pins FROM pin WHERE state IN ('published', 'failed', 'cancelled') GROUP BY state
UNION ALL
SELECT 'queued', count(*) FROM pin WHERE state = 'queued'
UNION ALL
SELECT 'sending', count(*) FROM pin WHERE state = 'sending'
UNION ALL
SELECT 'unknown', count(*) FROM pin WHERE state = 'unknown'
"""
_PAUSED = """
SELECT paused_reason, count(*)
FROM pin_lane l
WHERE paused_reason IS NOT NULL
  AND EXISTS (SELECT FROM pin WHERE profile_id = l.profile_id AND state = 'queued')
GROUP BY paused_reason
"""
# A history that cannot be read for hours tells nothing either.
_UNRESOLVED = """
SELECT count(*)
FROM pin
WHERE state = 'unknown'
  AND (next_look_at IS NULL OR state_since < now() - interval '2 hours')
"""
_OLDEST_DUE = """
SELECT coalesce(extract(epoch FROM now() - min(greatest(publish_at, created_at))), 0)::double precision
FROM pin p
WHERE state = 'queued'
  AND publish_at <= now()
  AND NOT EXISTS (SELECT FROM pin_lane WHERE profile_id = p.profile_id AND paused_reason IS NOT NULL)
"""
_LATE = """
SELECT count(*)
FROM pin_lane l
JOIN pin p ON p.profile_id = l.profile_id
WHERE l.paused_reason IS NOT NULL
  AND p.state = 'queued'
  AND p.publish_at < greatest(l.not_before, now())
"""


class PinStore:
    """What is done to single pins from outside; tables are in ``pin_import``, the queue itself in ``pin_queue``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(self, pin: NewPin, *, past: bool = False) -> Enqueued:
        """Queue one pin; ``past`` allows a time long ago. Raises ``PinError`` with everything that is wrong with it."""
        refuse_unsendable(pin)
        try:
            [enqueued] = values(Enqueued, await self._database.fetch(_ENQUEUE, *enqueue_arguments(pin), past))
        except DataRefusedError as error:
            raise PinError(f"{error.message}; nothing was queued") from None
        return enqueued

    async def problems(self, pin: NewPin, *, past: bool = False) -> list[str]:
        """Return everything that is wrong with a pin of a profile that there is, each by itself.

        Raises ``PinError`` for what cannot be judged: a carousel that is no JSON.
        """
        refuse_unsendable(pin)
        _, ref, *content, publish_at = enqueue_arguments(pin)
        try:
            found = await self._database.fetch(_WRONG, ref, *content, publish_at, past)
        except DataRefusedError as error:
            raise PinError(f"{error}; nothing was changed") from None
        return [text for (text,) in found]

    async def edit(self, pin_id: int, new: NewPin, version: str) -> None:
        """Change what a queued pin holds and when it is due.

        Raises:
            PinConflictError: it is not queued any more, or not of this version.
            PinError: something is wrong with it.

        """
        _, _, *content, publish_at = enqueue_arguments(new)
        try:
            changed = await self._database.fetchval(_EDIT, pin_id, *content, publish_at, version)
        except DataRefusedError as error:
            raise PinError(f"{error}; nothing was changed") from None
        if changed is None:
            raise PinConflictError(f"pin {pin_id} is not as it was any more; nothing was changed")

    async def story(self, pin_id: int) -> tuple[PinDetails, list[PinAttempt]]:
        """Return a pin, and its attempts in order. Raises ``PinError`` for an unknown one."""
        found = await self._database.fetch(_DETAILS, pin_id) if 0 < pin_id < 2**63 else []
        if not found:
            raise PinError(f"there is no pin {pin_id}; `collector pins list` shows the newest")
        [pin] = values(PinDetails, found)
        return pin, values(PinAttempt, await self._database.fetch(_ATTEMPTS, pin_id))

    async def cancel(self, pin_id: int, state: PinState) -> bool:
        """Cancel a pin, if it is still in that state."""
        return await self._database.fetchval(_CANCEL, pin_id, state) is not None

    async def retry(self, pin_id: int, state: PinState, attempts: int) -> bool:
        """Queue a pin again, if it is still in that state, was not sent meanwhile, and nobody is looking for it."""
        return await self._database.fetchrow(_RETRY, pin_id, state, attempts) is not None

    async def resume(self, profiles: Sequence[str]) -> dict[str, str]:
        """Let lanes send now; return the states of those profiles that have one."""
        sendable = [name for name in profiles if is_sendable(name)]
        return {name: state for name, state, _ in await self._database.fetch(_RESUME, sendable)}

    async def summary(self) -> QueueSummary:
        return QueueSummary(
            states=dict(await self._database.fetch(_STATES)),
            paused=dict(await self._database.fetch(_PAUSED)),
            oldest_due_seconds=await self._database.fetchval(_OLDEST_DUE),
            unresolved=await self._database.fetchval(_UNRESOLVED),
            late=await self._database.fetchval(_LATE),
        )


def refuse_unsendable(pin: NewPin) -> None:
    """Refuse what a database cannot store as text; every other rule is its own. Raises ``PinError``."""
    fields = {"profile": pin.profile, "client_ref": pin.client_ref, **msgspec.structs.asdict(pin.content)}
    for name, value in fields.items():
        texts = value if isinstance(value, tuple) else (value,)
        if any(text is not None and not is_sendable(text) for text in texts):
            wrong = f"the {name} holds a NUL character or something that is not UTF-8"
            raise PinError(f"{wrong}; nothing was changed", problems=[PinProblem(name, wrong)])


def enqueue_arguments(pin: NewPin) -> tuple[object, ...]:
    """Return the arguments of ``enqueue_pin``, in its order."""
    content = pin.content
    return (
        pin.profile, pin.client_ref, content.media_urls, content.description, content.title, content.link,
        content.board_id, content.alt_texts, content.carousel, content.thumbnail_url, content.note, pin.publish_at,
    )  # fmt: skip
