"""What answers of 429 cost a profile: they are counted, and polls, pins, checks and results wait together.

The wait is in the profile's row, so that all replicas and the next process keep it.
"""

from collections.abc import Sequence

import asyncpg

# Of profile ``f``. A poll goes first: if it is refused, all others wait on.
OTHERS_WAIT_UNTIL = "(f.rate_limited_until + interval '1 minute')"
OTHERS_WAIT = f"coalesce({OTHERS_WAIT_UNTIL} > now(), false)"

# What a pin ``p`` of profile ``f`` waits for beside its time, and until when, with its lane ``l``.
PIN_WAITS_FOR = f"""
CASE WHEN p.state = 'queued' THEN coalesce(l.paused_reason, CASE WHEN {OTHERS_WAIT} THEN 'rate_limited' END) END
"""
PIN_WAITS_UNTIL = f"""
CASE
    WHEN p.state = 'queued'
     AND (l.paused_reason IS NOT NULL OR {OTHERS_WAIT})
     AND greatest(l.not_before, {OTHERS_WAIT_UNTIL}) > now()
    THEN greatest(l.not_before, {OTHERS_WAIT_UNTIL})
END
"""

# As long as the first answer asks for, then 15 minutes, 45, 135, and six hours: at most nine refusals a day. Those that
# come during a wait were under way when it began.
_NOTE = """
UPDATE profile AS p
SET rate_limited_on = (now() AT TIME ZONE 'UTC')::date,
    rate_limited_count = CASE
        WHEN p.rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN p.rate_limited_count + 1
        ELSE 1
    END,
    rate_limited_in_row = w.in_row,
    -- The row as it is now: another answer may have been noted since the statement began.
    rate_limited_until = greatest(p.rate_limited_until, w.until),
    next_poll_at = CASE
        WHEN p.next_poll_at IS NOT NULL THEN greatest(p.next_poll_at, p.rate_limited_until, w.until)
    END
FROM (
    SELECT
        f.id,
        f.rate_limited_in_row + (l.lengthens AND NOT l.waits)::integer AS in_row,
        greatest(
            now() + least(21600, r.asked_seconds) * interval '1 second',
            CASE
                WHEN l.lengthens AND NOT l.waits AND f.rate_limited_in_row > 0
                THEN now() + least(21600, 300 * 3 ^ least(f.rate_limited_in_row, 9)) * interval '1 second'
            END
        ) AS until
    FROM unnest($1::bigint[], $2::double precision[]) AS r (profile_id, asked_seconds)
    JOIN profile f ON f.id = r.profile_id
    CROSS JOIN LATERAL (
        SELECT $3::boolean AS lengthens, coalesce(f.rate_limited_until > now(), false) AS waits
    ) l
) w
WHERE p.id = w.id
"""


async def note_rate_limited(
    connection: asyncpg.Connection,
    profile_ids: Sequence[int],
    asked_seconds: Sequence[float],
    *,
    lengthens: bool = True,
) -> None:
    """Count an answer of 429 of each profile, and let it wait for as long as was asked, or for longer than last time.

    Without ``lengthens`` it waits only for as long as was asked. No profile waits for more than six hours.
    """
    await connection.execute(_NOTE, profile_ids, asked_seconds, lengthens)
