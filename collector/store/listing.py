"""Lists profiles and pins, chosen by filters; all filters of a list apply together."""

from datetime import date, datetime
from enum import StrEnum
from typing import Final

import msgspec

from collector.errors import RegistryError
from collector.models.pin import PinState
from collector.models.profile import ProfileState
from collector.store.columns import names, values
from collector.store.pool import Database
from collector.store.profile import RegisteredProfile
from collector.store.rate_limit import PIN_WAITS_FOR, PIN_WAITS_UNTIL
from collector.store.sendable import is_sendable
from collector.store.unknown import unknown_names


class ListedPin(msgspec.Struct, frozen=True, kw_only=True):
    """A pin as lists show it; a queued one says what its lane waits for."""

    id: int
    profile_id: int
    profile: str
    client: str
    client_ref: str
    title: str | None
    state: PinState
    state_since: datetime
    publish_at: datetime
    attempts: int
    last_error: str | None
    pin_url: str | None
    published_at: datetime | None
    waits_for: str | None
    waits_until: datetime | None


class SilentProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile of which the detector says nothing, and why; ``settled_through`` is its newest settled day."""

    profile: str
    client: str
    state: ProfileState
    settled_through: date | None
    why: str


class ProfileSort(StrEnum):
    """What profiles are ordered by."""

    NAME = "name"
    CLIENT = "client"
    STATE = "state"
    LAST_READ = "last-read"
    NEXT_POLL = "next-poll"


class PinSort(StrEnum):
    """What pins are ordered by; ``NEWEST`` is the order in which they were queued, the last one first."""

    NEWEST = "newest"
    DUE = "due"
    PROFILE = "profile"
    STATE = "state"


class ProfileFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which profiles; ``text`` is in the name, the client or the refId, ``since`` and ``until`` bound the last read."""

    client: str | None = None
    state: ProfileState | None = None
    tag: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None


class PinFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which pins; ``text`` is in the client_ref, title or description, ``since`` and ``until`` bound the due time."""

    profile: str | None = None
    client: str | None = None
    state: PinState | None = None
    tag: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None


PROFILES: Final = f"""
SELECT {names(RegisteredProfile)}
FROM profile
WHERE ($1::text IS NULL OR client = $1)
  AND ($2::text IS NULL OR state = $2)
  AND ($3::text IS NULL OR $3 = ANY (tags))
  AND ($4::text IS NULL OR strpos(lower(concat_ws(' ', name, client, ref_id)), lower($4)) > 0)
  AND ($5::timestamptz IS NULL OR last_success_at >= $5)
  AND ($6::timestamptz IS NULL OR last_success_at < $6 OR last_success_at IS NULL)
  AND ($7::text IS NULL OR name = $7)
"""
_PROFILE_ORDER = {
    ProfileSort.NAME: "name",
    ProfileSort.CLIENT: "client, name",
    ProfileSort.STATE: "state, name",
    ProfileSort.LAST_READ: "last_success_at NULLS FIRST, name",
    ProfileSort.NEXT_POLL: "next_poll_at NULLS LAST, name",
}

# Two days of grace: Ayrshare's cache, and Pinterest's delay. Nothing is expected of a paused profile.
_SILENT = """
SELECT name AS profile, client, state, settled_through, why
FROM (
    SELECT
        p.*,
        CASE
            WHEN p.settled_through IS NULL THEN 'no settled day yet'
            WHEN p.settled_through < newest_day_due(p.settle_days) - 2 THEN 'no fresh data'
            WHEN v.profile_id IS NULL THEN 'no detector has looked at it yet'
            ELSE v.silence
        END AS why
    FROM profile p
    LEFT JOIN drop_verdict v ON v.profile_id = p.id
    WHERE p.state <> 'paused'
) s
WHERE why IS NOT NULL
ORDER BY why, client, name
"""

PINS: Final = f"""
SELECT
    p.id, p.profile_id, f.name AS profile, f.client, p.client_ref, p.title, p.state, p.state_since, p.publish_at,
    p.attempts, p.last_error, p.pin_url, p.published_at,
    {PIN_WAITS_FOR} AS waits_for, {PIN_WAITS_UNTIL} AS waits_until
FROM pin p
JOIN profile f ON f.id = p.profile_id
LEFT JOIN pin_lane l ON l.profile_id = p.profile_id
WHERE ($1::text IS NULL OR f.name = $1)
  AND ($2::text IS NULL OR f.client = $2)
  AND ($3::text IS NULL OR p.state = $3)
  AND ($4::text IS NULL OR $4 = ANY (f.tags))
  AND ($5::text IS NULL OR strpos(lower(concat_ws(' ', p.client_ref, p.title, p.description)), lower($5)) > 0)
  AND ($6::timestamptz IS NULL OR p.publish_at >= $6)
  AND ($7::timestamptz IS NULL OR p.publish_at < $7)
"""
_PIN_ORDER = {
    PinSort.NEWEST: "p.id DESC",
    PinSort.DUE: "p.publish_at, p.id",
    PinSort.PROFILE: "f.name, p.id",
    PinSort.STATE: "p.state, p.id",
}

_UNKNOWN = """
SELECT what
FROM (
    VALUES
        ('profile', $1::text IS NULL OR EXISTS (SELECT FROM profile WHERE name = $1)),
        ('client', $2::text IS NULL OR EXISTS (SELECT FROM profile WHERE client = $2)),
        ('tag', $3::text IS NULL OR EXISTS (SELECT FROM profile WHERE $3 = ANY (tags)))
) AS asked (what, known)
WHERE NOT known
"""


class Listing:
    """What commands list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def profiles(
        self, wanted: ProfileFilter, sort: ProfileSort = ProfileSort.NAME, limit: int | None = None
    ) -> list[RegisteredProfile]:
        """Return profiles. Raises ``RegistryError`` for a client or a tag that no profile has."""
        await self.insist_on_known(client=wanted.client, tag=wanted.tag, text=wanted.text)
        statement = f"{PROFILES} ORDER BY {_PROFILE_ORDER[sort]} LIMIT $8"
        rows = await self._database.fetch(statement, *msgspec.structs.astuple(wanted), limit)
        return values(RegisteredProfile, rows)

    async def pins(
        self, wanted: PinFilter, sort: PinSort = PinSort.NEWEST, limit: int | None = None
    ) -> list[ListedPin]:
        """Return pins. Raises ``RegistryError`` for a profile that there is not, a client or a tag that none has."""
        await self.insist_on_known(profile=wanted.profile, client=wanted.client, tag=wanted.tag, text=wanted.text)
        statement = f"{PINS} ORDER BY {_PIN_ORDER[sort]} LIMIT $8"
        return values(ListedPin, await self._database.fetch(statement, *msgspec.structs.astuple(wanted), limit))

    async def silent(self) -> list[SilentProfile]:
        """Return the profiles that cannot be judged at present, so that no drop of theirs would be told."""
        return values(SilentProfile, await self._database.fetch(_SILENT))

    async def count_profiles(self, wanted: ProfileFilter) -> int:
        return int(await self._database.fetchval(_count(PROFILES), *msgspec.structs.astuple(wanted)))

    async def count_pins(self, wanted: PinFilter) -> int:
        return int(await self._database.fetchval(_count(PINS), *msgspec.structs.astuple(wanted)))

    async def insist_on_known(
        self, *, profile: str | None = None, client: str | None = None, tag: str | None = None, text: str | None = None
    ) -> None:
        """Raise ``RegistryError`` for a profile that there is not, and a client or a tag that none has."""
        asked = {"profile": profile, "client": client, "tag": tag, "text": text}
        for what, name in asked.items():
            if name is not None and not is_sendable(name):
                raise RegistryError(f"no such {what}: {name}; `collector profiles list` shows them all")
        if rows := await self._database.fetch(_UNKNOWN, profile, client, tag):
            raise await unknown_names(self._database, {what: [str(asked[what])] for (what,) in rows})


def _count(statement: str) -> str:
    return f"SELECT count(*) FROM ({statement}) AS found"
