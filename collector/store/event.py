"""Finds the events that people are told of; each has a key, so that it is noted once."""

import msgspec

from collector.store.pool import Database


class Limits(msgspec.Struct, frozen=True):
    """When something is worth telling: data older than this, days that are lost within so many days."""

    stale_seconds: float
    loss_days: int


# What is older is history that somebody imported, or was told long ago and is forgotten.
_NEWS = "interval '14 days'"

_PUT = "INSERT INTO notice (key, kind, profile_id, profile, client, happened_at, detail)"
# A notice that is there is not written again, and costs no number of the sequence.
_IF_NEW = "AND NOT EXISTS (SELECT FROM notice n WHERE n.key = e.key) ON CONFLICT (key) DO NOTHING"

_FIND_DROPS = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('drop_opened:%s:%s:%s', d.profile_id, d.metric, d.detected_day) AS key, 'drop_opened', d.profile_id,
        d.profile, d.client, d.opened_at, d.sentence
    FROM engagement_drop d
    WHERE d.told
      AND d.opened_at > now() - {_NEWS}
) e
WHERE true
{_IF_NEW}
"""
# Of those whose beginning was news.
_FIND_RECOVERIES = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('drop_recovered:%s:%s:%s', d.profile_id, d.metric, d.detected_day) AS key, 'drop_recovered',
        d.profile_id, d.profile, d.client, d.updated_at, d.sentence
    FROM engagement_drop d
    WHERE d.close_reason = 'recovered'
      AND NOT d.inhibited
      AND d.dismissed_at IS NULL
      AND d.updated_at > now() - {_NEWS}
      AND EXISTS (
          SELECT FROM notice n
          WHERE n.key = format('drop_opened:%s:%s:%s', d.profile_id, d.metric, d.detected_day)
      )
) e
WHERE true
{_IF_NEW}
"""
# The first day may move a little as more days come; it is the same drop.
_FIND_FLEET_DROPS = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('fleet_drop:%s', f.first_day) AS key, 'fleet_drop', NULL::bigint, NULL, NULL,
        f.first_day::timestamp AT TIME ZONE 'UTC' AS happened_at, f.sentence
    FROM fleet_drop f
    WHERE f.open
      AND f.last_day > current_date - 14
) e
WHERE NOT EXISTS (
    SELECT FROM notice n
    WHERE n.kind = 'fleet_drop'
      AND n.happened_at BETWEEN e.happened_at - interval '4 days' AND e.happened_at + interval '4 days'
)
{_IF_NEW}
"""
_FIND_STATES = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('%s:%s:%s', p.state, p.id, extract(epoch FROM p.state_since)) AS key,
        CASE WHEN p.state = 'key_invalid' THEN p.state ELSE 'profile_' || p.state END, p.id, p.name, p.client,
        p.state_since, coalesce(p.state_reason, '')
    FROM profile p
    WHERE p.state IN ('unlinked', 'suspended', 'key_invalid')
      AND p.state_since > now() - {_NEWS}
) e
WHERE true
{_IF_NEW}
"""
# Profiles in another state have had their own notice.
_FIND_STALE = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('data_stale:%s:%s', p.id, extract(epoch FROM r.read_at)) AS key, 'data_stale', p.id, p.name, p.client,
        r.read_at, coalesce(p.last_error, '')
    FROM profile p
    CROSS JOIN LATERAL (SELECT coalesce(p.last_success_at, p.created_at) AS read_at) r
    WHERE p.state = 'active'
      AND r.read_at < now() - $1 * interval '1 second'
      AND r.read_at > now() - {_NEWS} - $1 * interval '1 second'
) e
WHERE true
{_IF_NEW}
"""
# Of a gap each day is lost in its turn; that is told once a fortnight.
_FIND_LOSSES = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('days_at_risk:%s:%s', s.id, current_date) AS key, 'days_at_risk', s.id AS profile_id, s.name, s.client,
        now(), s.days_until_data_loss::text
    FROM profile_status s
    WHERE s.state <> 'paused'
      AND s.first_day IS NOT NULL
      AND s.days_until_data_loss <= $1::integer
) e
WHERE NOT EXISTS (
    SELECT FROM notice n
    WHERE n.profile_id = e.profile_id
      AND n.kind = 'days_at_risk'
      AND n.found_at > now() - interval '14 days'
)
{_IF_NEW}
"""
# An unknown pin is news when looking for it has come to nothing.
_FIND_PINS = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('pin_%s:%s:%s', p.state, p.id, p.attempts) AS key, 'pin_' || p.state, f.id, f.name, f.client,
        p.state_since,
        concat_ws(': ', coalesce(p.title, left(nullif(p.description, ''), 60), p.client_ref), p.last_error)
    FROM pin p
    JOIN profile f ON f.id = p.profile_id
    WHERE p.state_since > now() - {_NEWS}
      AND (
          p.state = 'failed'
          OR p.state = 'unknown' AND (p.next_look_at IS NULL OR p.state_since < now() - interval '2 hours')
      )
) e
WHERE true
{_IF_NEW}
"""

_FIND_REPORTS = f"""
{_PUT}
SELECT e.*
FROM (
    SELECT
        format('report_ready:%s:%s', r.month, r.client) AS key, 'report_ready', NULL::bigint, NULL, r.client,
        r.written_at, r.file
    FROM monthly_report r
    WHERE r.written_at > now() - {_NEWS}
) e
WHERE true
{_IF_NEW}
"""

_FIND = (_FIND_DROPS, _FIND_RECOVERIES, _FIND_FLEET_DROPS, _FIND_STATES, _FIND_PINS, _FIND_REPORTS)


class EventStore:
    """What happened, in the tables that know it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, limits: Limits) -> int:
        """Note what happened since the last time; return how many events those are."""
        found = 0
        for statement in _FIND:
            found += await self._database.execute(statement)
        return found + await self._database.execute(_FIND_STALE, limits.stale_seconds)

    async def find_losses(self, limits: Limits) -> int:
        """Note the profiles that will soon lose days; this reads every profile's last 90 days."""
        return await self._database.execute(_FIND_LOSSES, limits.loss_days)
