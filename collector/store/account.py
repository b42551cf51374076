"""Notices that a profile shows another account's numbers, and marks it for the operator; also that the former is back.

A restatement moves the recent days, or all days by about the same factor. Another account has other numbers on most
days.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from statistics import median

import asyncpg
import msgspec

from collector.models.poll import PollRecord
from collector.store.columns import arrays, columns, names
from collector.store.polled_profile import days_of, window_start

# Fewer days could change together by chance; an answer has 30 to 90.
LEAST_DAYS = 14
_MOST_CHANGED = 0.8
# A correction of all days keeps the shape of the history: each day moves by about the common factor.
_LARGEST_FACTOR = 2.0
_OFF_FACTOR, _OFF_COUNT = 0.1, 3
_MOST_OFF = 0.5


class Day(msgspec.Struct, frozen=True):
    """Impressions of a settled day: stored until now, in the new answer, and before the account changed last."""

    stored: int
    given: int
    former: int | None


class Replaced(msgspec.Struct, frozen=True):
    """A profile of which a poll replaced most settled days; ``named`` tells that the poll asked for the name too."""

    profile_id: int
    seam_day: date
    named: bool


class Accounts(msgspec.Struct, frozen=True):
    """What polls show: accounts that others took the place of, and former ones that are back."""

    replaced: tuple[Replaced, ...] = ()
    returned: tuple[int, ...] = ()


class Noticed(msgspec.Struct, frozen=True):
    """The profiles that were marked, and how many marks a restatement of the fleet took away."""

    marked: frozenset[int] = frozenset()
    unmarked: int = 0


# The days as they were, before this poll; a day that was not settled then says nothing, and neither do imported ones.
_STORED = """
SELECT m.profile_id, m.day, m.impression AS stored, f.impression AS former
FROM unnest($1::bigint[], $2::date[], $3::date[]) AS a (profile_id, first_day, last_day)
JOIN profile p ON p.id = a.profile_id
CROSS JOIN LATERAL (
    SELECT *
    FROM daily_metric d
    WHERE d.profile_id = a.profile_id
      AND d.day BETWEEN a.first_day AND least(a.last_day, p.settled_through)
      AND d.day BETWEEN $4::date AND $5::date
      AND is_settled_status(d.data_status)
      AND d.impression IS NOT NULL
      AND d.source IS NULL
    OFFSET 0
) m
LEFT JOIN daily_metric_revision f
    ON p.seam_day IS NOT NULL
    AND f.profile_id = m.profile_id
    AND f.day = m.day
    AND f.superseded_at = p.replaced_at
ORDER BY m.profile_id, m.day
"""

# Read again in a minute: that poll asks for the account's name.
_MARK = f"""
UPDATE profile AS p
SET replaced_at = now(),
    seam_day = r.seam_day,
    account_changed_at = now(),
    former_account_name = CASE WHEN r.named THEN p.former_account_name ELSE p.account_name END,
    account_name = CASE WHEN r.named THEN p.account_name END,
    account_name_asked_at = CASE WHEN r.named THEN p.account_name_asked_at END,
    next_poll_at = least(p.next_poll_at, now() + interval '1 minute')
FROM unnest({arrays(Replaced)}) AS r ({names(Replaced)})
WHERE p.id = r.profile_id
"""

_RETURN = """
UPDATE profile
SET replaced_at = NULL,
    seam_day = NULL,
    account_changed_at = NULL,
    former_account_name = NULL,
    account_name = NULL,
    account_name_asked_at = NULL
WHERE id = ANY ($1::bigint[])
"""

# Clients do not change their accounts together: when so many do within a day, Pinterest restated its history. Whoever
# is being polled at this moment keeps its mark until the next one is made.
_UNMARK = """
WITH fleet AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE replaced_at > now() - interval '1 day') AS replaced,
        count(*) FILTER (WHERE last_success_at > now() - interval '1 day') AS read
    FROM profile
),
restated AS MATERIALIZED (
    SELECT p.id
    FROM profile p
    JOIN fleet f ON f.replaced >= greatest(5, 0.2 * f.read)
    WHERE p.replaced_at > now() - interval '1 day'
      AND p.account_changed_at IS NOT NULL
    FOR NO KEY UPDATE OF p SKIP LOCKED
)
UPDATE profile AS p
SET seam_day = NULL,
    account_changed_at = NULL,
    account_name = coalesce(p.account_name, p.former_account_name),
    former_account_name = NULL,
    days_changed_at = now()
FROM restated r
WHERE p.id = r.id
RETURNING p.id
"""


def is_another_account(days: Sequence[Day]) -> bool:
    """Tell whether the answer's days can hardly be the stored ones, restated.

    So it is when at least 80 % of at least 14 settled days have other impressions, and these moved by more than a
    factor of 2 altogether, or half of the days by more than 10 % and three impressions off the common factor.
    """
    changed = sum(day.given != day.stored for day in days)
    if len(days) < LEAST_DAYS or changed < _MOST_CHANGED * len(days):
        return False
    ratios = [day.given / day.stored for day in days if day.stored]
    factor = median(ratios) if ratios else 0.0
    if not 1 / _LARGEST_FACTOR <= factor <= _LARGEST_FACTOR:
        return True
    off = sum(abs(day.given - factor * day.stored) > max(_OFF_FACTOR * factor * day.stored, _OFF_COUNT) for day in days)
    return off >= _MOST_OFF * len(days)


def is_the_former_account(days: Iterable[Day]) -> bool:
    """Tell whether the answer's days are those from before the account changed."""
    known = [day for day in days if day.former is not None]
    same = sum(day.given == day.former for day in known)
    return len(known) >= LEAST_DAYS and same >= _MOST_CHANGED * len(known)


async def compare_accounts(
    connection: asyncpg.Connection, records: Sequence[PollRecord], restated: Mapping[int, int]
) -> Accounts:
    """Compare answers with what is stored; ``restated`` is how many days of a profile differ."""
    suspects = {each.profile_id: each for each in records if restated.get(each.profile_id, 0) >= LEAST_DAYS}
    replaced, returned = [], []
    for profile_id, days in (await _compared(connection, list(suspects.values()))).items():
        record = suspects[profile_id]
        seam_day = window_start(days_of(record))
        if is_the_former_account(days):
            returned.append(profile_id)
        elif is_another_account(days) and seam_day is not None:
            replaced.append(Replaced(profile_id, seam_day, record.name_asked))
    return Accounts(tuple(replaced), tuple(returned))


async def note_accounts(connection: asyncpg.Connection, accounts: Accounts, held: Collection[int]) -> Noticed:
    """Mark profiles that show another account, of those that are ``held``; unmark all where the whole fleet does."""
    if returned := [profile_id for profile_id in accounts.returned if profile_id in held]:
        await connection.execute(_RETURN, returned)
    replaced = [each for each in accounts.replaced if each.profile_id in held]
    if not replaced:
        return Noticed()
    await connection.execute(_MARK, *columns(Replaced, replaced))
    unmarked = {profile_id for (profile_id,) in await connection.fetch(_UNMARK)}
    return Noticed(frozenset(each.profile_id for each in replaced) - unmarked, len(unmarked))


async def _compared(connection: asyncpg.Connection, records: Sequence[PollRecord]) -> dict[int, list[Day]]:
    if not records:
        return {}
    answers = {record.profile_id: days_of(record) for record in records}
    firsts, lasts = [days[0].day for days in answers.values()], [days[-1].day for days in answers.values()]
    given = {(profile_id, each.day): each.metrics.impression for profile_id, days in answers.items() for each in days}
    found: dict[int, list[Day]] = {}
    for row in await connection.fetch(_STORED, list(answers), firsts, lasts, min(firsts), max(lasts)):
        number = given.get((row["profile_id"], row["day"]))
        if number is not None:
            found.setdefault(row["profile_id"], []).append(Day(row["stored"], number, row["former"]))
    return found
