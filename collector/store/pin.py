"""The pin queue as its users see it: adding, importing, listing, and changing pins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from collector.errors import BadLinesError, DataRefusedError, PinConflictError, PinError
from collector.models.pin import NewPin, PinProblem, PinState
from collector.models.plan import Planned
from collector.store.columns import names, values
from collector.store.pin_plan import PlannedLine, planned
from collector.store.pool import Database
from collector.store.sendable import is_sendable


class Enqueued(msgspec.Struct, frozen=True):
    """A queued pin; ``created`` False is one that its profile had before under the same client_ref.

    ``differs`` are the names of what that one has and the other had not.
    """

    id: int
    created: bool
    differs: list[str]


class Imported(msgspec.Struct, frozen=True):
    """How many pins of a table are new, and how many queued ones were changed."""

    created: int
    replaced: int


class Hints(msgspec.Struct, frozen=True):
    """What would have a refused line of a table taken, in the caller's words; each follows the reason.

    ``past`` is about a time long ago, ``replace`` about a pin that is queued already.
    """

    past: str = ""
    replace: str = ""


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

_INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_pin (
    line integer, profile text, client_ref text, media_urls text[], description text, title text, link text,
    board_id text, alt_texts text[], carousel jsonb, thumbnail_url text, note text, publish_at timestamptz, given text[]
) ON COMMIT DELETE ROWS
"""
_INCOMING_COLUMNS = (
    "line", "profile", "client_ref", "media_urls", "description", "title", "link", "board_id", "alt_texts", "carousel",
    "thumbnail_url", "note", "publish_at", "given",
)  # fmt: skip

_KNOWN = """
FROM incoming_pin i
LEFT JOIN profile f ON f.name = i.profile
LEFT JOIN pin k ON k.profile_id = f.id AND k.client_ref = i.client_ref
CROSS JOIN LATERAL pin_differences(
    k, i.given, i.media_urls, i.description, i.title, i.link, i.board_id, i.alt_texts, i.carousel, i.thumbnail_url,
    i.note, i.publish_at
) AS differences
"""

_PROBLEMS = f"""
SELECT line, array_to_string(problems, '; ') AS reason
FROM (
    SELECT i.line, array_remove(ARRAY[
        CASE WHEN f.id IS NULL THEN format('no such profile: %s', left(i.profile, 80)) END,
        CASE WHEN k.id IS NULL THEN pin_past_problem(i.publish_at, $1) || $3::text END,
        CASE
            WHEN k.id IS NOT NULL AND differences <> '{{}}' AND NOT ($2 AND k.state = 'queued')
            THEN format(
                'this client_ref is pin %s already, which is %s and has another %s%s', k.id, k.state,
                array_to_string(differences, ', '),
                CASE WHEN k.state = 'queued' THEN $4::text ELSE '; only a queued one can be changed' END
            )
        END
    ] || pin_problems(
        i.client_ref, i.media_urls, i.description, i.title, i.link, i.board_id, i.alt_texts, i.carousel,
        i.thumbnail_url, i.note, coalesce(i.publish_at, now())
    ), NULL) AS problems
    {_KNOWN}
) p
WHERE problems <> '{{}}'
ORDER BY line
"""

_PLAN = f"""
SELECT
    i.line, concat_ws(' ', i.profile, i.client_ref) AS name, k.id IS NOT NULL AS known, differences AS columns,
    ARRAY(SELECT coalesce(to_jsonb(k) ->> name, '') FROM unnest(differences) AS name) AS old,
    ARRAY(SELECT coalesce(to_jsonb(i) ->> name, '') FROM unnest(differences) AS name) AS new
{_KNOWN}
ORDER BY i.line
"""

_REPLACE = f"""
WITH replaced AS (
    UPDATE pin AS p
    SET media_urls = CASE WHEN 'media_urls' = ANY (d.differences) THEN d.media_urls ELSE p.media_urls END,
        description = CASE WHEN 'description' = ANY (d.differences) THEN d.description ELSE p.description END,
        title = CASE WHEN 'title' = ANY (d.differences) THEN d.title ELSE p.title END,
        link = CASE WHEN 'link' = ANY (d.differences) THEN d.link ELSE p.link END,
        board_id = CASE WHEN 'board_id' = ANY (d.differences) THEN d.board_id ELSE p.board_id END,
        alt_texts = CASE WHEN 'alt_texts' = ANY (d.differences) THEN d.alt_texts ELSE p.alt_texts END,
        thumbnail_url = CASE
            WHEN 'thumbnail_url' = ANY (d.differences) THEN d.thumbnail_url
            ELSE p.thumbnail_url
        END,
        note = CASE WHEN 'note' = ANY (d.differences) THEN d.note ELSE p.note END,
        publish_at = CASE WHEN 'publish_at' = ANY (d.differences) THEN d.publish_at ELSE p.publish_at END
    FROM (SELECT k.id, i.*, differences {_KNOWN}) d (id)
    WHERE p.id = d.id
      AND p.state = 'queued'
      AND d.differences <> '{{}}'
    RETURNING p.id
)
SELECT count(*) FROM replaced
"""

_ENQUEUE_ALL = """
SELECT count(*) FILTER (WHERE e.created)
FROM (SELECT * FROM incoming_pin ORDER BY line) i
CROSS JOIN LATERAL enqueue_pin(
    i.profile, i.client_ref, i.media_urls, i.description, i.title, i.link, i.board_id, i.alt_texts, i.carousel,
    i.thumbnail_url, i.note, i.publish_at, $1
) e
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
        f.name AS profile, f.client, p.*, p.xmin::text AS version, l.paused_reason, l.paused_since, l.paused_detail,
        l.not_before
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

# The lane sends at once whatever it waits for: a cool-down, a backoff, the gap.
_RESUME = """
WITH resumed AS (
    UPDATE pin_lane AS l
    SET paused_reason = NULL, paused_since = NULL, paused_detail = NULL, not_before = NULL, failures = 0,
        failed_pins = 0
    FROM profile f
    WHERE f.id = l.profile_id
      AND f.name = ANY ($1::text[])
    RETURNING l.profile_id, f.name, f.state
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

# A hundred thousand lines take some ten seconds.
_IMPORT_SECONDS = 900.0


NO_HINTS: Final = Hints()


class PinStore:
    """Everything that is done to pins from outside; the queue itself is in ``pin_queue``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(self, pin: NewPin, *, past: bool = False) -> Enqueued:
        """Queue one pin; ``past`` allows a time long ago. Raises ``PinError`` with everything that is wrong with it."""
        refuse_unsendable(pin)
        try:
            [enqueued] = values(Enqueued, await self._database.fetch(_ENQUEUE, *_arguments(pin), past))
        except DataRefusedError as error:
            # What follows is for those who write SQL.
            wrong, *_ = str(error).split(" HINT: ")
            raise PinError(f"{wrong}; nothing was queued") from None
        return enqueued

    async def problems(self, pin: NewPin, *, past: bool = False) -> list[str]:
        """Return everything that is wrong with a pin of a profile that there is, each by itself.

        Raises ``PinError`` for what cannot be judged: a carousel that is no JSON.
        """
        refuse_unsendable(pin)
        _, ref, *content, publish_at = _arguments(pin)
        try:
            found = await self._database.fetch(_WRONG, ref, *content, publish_at, past)
        except DataRefusedError as error:
            raise PinError(f"{error}; nothing was changed") from None
        return [text for (text,) in found]

    async def enqueue_all(
        self,
        pins: Sequence[tuple[int, NewPin]],
        *,
        bad: Sequence[tuple[int, str]] = (),
        past: bool = False,
        replace: bool = False,
        hints: Hints = NO_HINTS,
    ) -> Imported:
        """Queue the pins of a table's lines, all or none.

        ``past`` allows times long ago, ``replace`` changes those that are queued already to what their lines say.

        Raises:
            BadLinesError: with every bad line; those already known to be ``bad`` are among them.

        """
        async with self._database.transaction() as connection:
            await _load(connection, pins)
            await _insist_on_good_lines(connection, past=past, replace=replace, hints=hints, bad=bad)
            replaced = 0
            if replace:
                replaced = int(await connection.fetchval(_REPLACE, timeout=_IMPORT_SECONDS))
                # One may have been sent while this was decided.
                await _insist_on_good_lines(connection, past=past, replace=replace, hints=hints)
            created = int(await connection.fetchval(_ENQUEUE_ALL, past, timeout=_IMPORT_SECONDS))
            return Imported(created, replaced)

    async def plan(
        self,
        pins: Sequence[tuple[int, NewPin]],
        *,
        past: bool = False,
        replace: bool = False,
        hints: Hints = NO_HINTS,
    ) -> list[tuple[int, Planned]]:
        """Return what :meth:`enqueue_all` would do with each line."""
        async with self._database.transaction() as connection:
            await _load(connection, pins)
            reasons = dict(await _line_problems(connection, past=past, replace=replace, hints=hints))
            lines = values(PlannedLine, await connection.fetch(_PLAN, timeout=_IMPORT_SECONDS))
        return [(each.line, planned(each, reasons.get(each.line))) for each in lines]

    async def edit(self, pin_id: int, new: NewPin, version: str) -> None:
        """Change what a queued pin holds and when it is due.

        Raises:
            PinConflictError: it is not queued any more, or not of this version.
            PinError: something is wrong with it.

        """
        _, _, *content, publish_at = _arguments(new)
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


async def _load(connection: asyncpg.Connection, pins: Sequence[tuple[int, NewPin]]) -> None:
    await connection.execute(_INCOMING)
    rows = [(line, *_arguments(pin), pin.given) for line, pin in pins]
    await connection.copy_records_to_table(
        "incoming_pin", records=rows, columns=_INCOMING_COLUMNS, timeout=_IMPORT_SECONDS
    )


async def _line_problems(
    connection: asyncpg.Connection, *, past: bool, replace: bool, hints: Hints
) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await connection.fetch(
        _PROBLEMS, past, replace, hints.past, hints.replace, timeout=_IMPORT_SECONDS
    )
    return found


async def _insist_on_good_lines(
    connection: asyncpg.Connection, *, past: bool, replace: bool, hints: Hints, bad: Sequence[tuple[int, str]] = ()
) -> None:
    problems = await _line_problems(connection, past=past, replace=replace, hints=hints)
    if problems or bad:
        raise BadLinesError(sorted([*map(tuple, problems), *bad]))


def refuse_unsendable(pin: NewPin) -> None:
    """Refuse what a database cannot store as text; every other rule is its own. Raises ``PinError``."""
    fields = {"profile": pin.profile, "client_ref": pin.client_ref, **msgspec.structs.asdict(pin.content)}
    for name, value in fields.items():
        texts = value if isinstance(value, tuple) else (value,)
        if any(text is not None and not is_sendable(text) for text in texts):
            wrong = f"the {name} holds a NUL character or something that is not UTF-8"
            raise PinError(f"{wrong}; nothing was changed", problems=[PinProblem(name, wrong)])


def _arguments(pin: NewPin) -> tuple[object, ...]:
    """Return the arguments of ``enqueue_pin``, in its order."""
    content = pin.content
    return (
        pin.profile, pin.client_ref, content.media_urls, content.description, content.title, content.link,
        content.board_id, content.alt_texts, content.carousel, content.thumbnail_url, content.note, pin.publish_at,
    )  # fmt: skip
