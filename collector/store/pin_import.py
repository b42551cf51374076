"""Imports tables of pins, all or none of their lines, and says before what each line would do."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from collector.errors import BadLinesError
from collector.models.pin import NewPin
from collector.models.plan import Planned
from collector.store.columns import values
from collector.store.pin import enqueue_arguments
from collector.store.pin_plan import PlannedLine, planned
from collector.store.pool import Database


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

# A hundred thousand lines take some ten seconds.
_IMPORT_SECONDS = 900.0

_NO_HINTS: Final = Hints()


class PinImporter:
    """Queues the pins of tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue_all(
        self,
        pins: Sequence[tuple[int, NewPin]],
        *,
        bad: Sequence[tuple[int, str]] = (),
        past: bool = False,
        replace: bool = False,
        hints: Hints = _NO_HINTS,
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
        hints: Hints = _NO_HINTS,
    ) -> list[tuple[int, Planned]]:
        """Return what :meth:`enqueue_all` would do with each line."""
        async with self._database.transaction() as connection:
            await _load(connection, pins)
            reasons = dict(await _line_problems(connection, past=past, replace=replace, hints=hints))
            lines = values(PlannedLine, await connection.fetch(_PLAN, timeout=_IMPORT_SECONDS))
        return [(each.line, planned(each, reasons.get(each.line))) for each in lines]


async def _load(connection: asyncpg.Connection, pins: Sequence[tuple[int, NewPin]]) -> None:
    await connection.execute(_INCOMING)
    rows = [(line, *enqueue_arguments(pin), pin.given) for line, pin in pins]
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
