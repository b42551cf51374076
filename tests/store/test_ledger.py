"""The ledger of versions beside a model of it, through random polls, restatements, lost leases and forgotten days."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from collector.models.analytics import AccountAnalytics, DayMetrics, Metrics, SeenAnswer
from collector.models.outcome import Failure, Success
from collector.models.poll import Claim, PollRecord
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.profiles import new_profile

TODAY = datetime.now(UTC).date()
SEEN = SeenAnswer(last_updated=None, next_update=None)
TICK = timedelta(microseconds=1)
VALUE = "impression, save_rate::text, data_status, extra::text"
VERSIONS = f"""
SELECT profile_id, day, revision, observed_at, last_seen_at, superseded_at, {VALUE}
FROM daily_metric_version
ORDER BY profile_id, day, revision
"""
AS_OF = f"SELECT profile_id, day, {VALUE} FROM daily_metric_as_of($1) ORDER BY profile_id, day"

Key = tuple[int, date]
Value = tuple[int | None, str | None, str | None, str | None]


class Version(msgspec.Struct):
    value: Value
    observed_at: datetime
    last_seen_at: datetime | None = None
    superseded_at: datetime | None = None

    def known_at(self, instant: datetime) -> bool:
        return self.observed_at <= instant and (self.superseded_at is None or instant < self.superseded_at)


class Model:
    """What the tables should hold."""

    def __init__(self) -> None:
        self.versions: dict[Key, list[Version]] = {}
        self.last_good: dict[int, datetime] = {}
        self.instants: set[datetime] = set()

    def poll(self, profile_id: int, days: Iterable[DayMetrics], now: datetime) -> tuple[int, int]:
        """Take a good answer in; return how many days are new and how many changed."""
        amounts = [0, 0]
        for day in days:
            versions = self.versions.setdefault((profile_id, day.day), [])
            if versions and versions[-1].value == value_of(day):
                continue
            amounts[bool(versions)] += 1
            if versions:
                versions[-1].last_seen_at, versions[-1].superseded_at = self.last_good[profile_id], now
            versions.append(Version(value_of(day), now))
        self.last_good[profile_id] = now
        self.instants.add(now)
        return amounts[0], amounts[1]

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (*key, revision, each.observed_at, each.last_seen_at, each.superseded_at, *each.value)
            for key, versions in sorted(self.versions.items())
            for revision, each in enumerate(versions, start=1)
        ]

    def as_of(self, instant: datetime) -> list[tuple[Any, ...]]:
        return [
            (*key, *each.value)
            for key, versions in sorted(self.versions.items())
            for each in versions
            if each.known_at(instant)
        ]


def value_of(day: DayMetrics) -> Value:
    rate = day.metrics.save_rate
    return day.metrics.impression, None if rate is None else f"{rate:g}", day.data_status, day.extra


def some_days(random: Random, step: int) -> tuple[DayMetrics, ...]:
    """Return days of a window that moves on, now and then with one of long ago."""
    window = range(40 - step, 48 - step)
    ages = random.sample(window, random.randint(0, 8)) + random.sample(range(200, 500), random.random() < 0.1)
    return tuple(
        DayMetrics(
            day=TODAY - timedelta(days=age),
            data_status=random.choice(["READY", None]),
            extra=random.choice([None, '{"a": 1}', '{"a": 2}']),
            metrics=Metrics(impression=random.choice([None, 1, 2]), save_rate=random.choice([None, 0.0, 0.1])),
        )
        for age in sorted(ages, reverse=True)
    )


def some_record(random: Random, claim: Claim, step: int) -> PollRecord:
    analytics = random.choice([None, SEEN, *(AccountAnalytics(window=Metrics(), days=some_days(random, step)),) * 8])
    return PollRecord(
        profile_id=claim.profile_id,
        lease_until=claim.lease_until,
        outcome=Failure.TIMEOUT if analytics is None else Success.OK,
        duration_seconds=0.1,
        next_poll_in=0.0,
        analytics=analytics,
        known_through=claim.last_day if random.random() < 0.8 else None,
    )


async def compress(database: Database) -> None:
    for table in ("daily_metric", "daily_metric_revision", "account_snapshot"):
        await database.fetch(f"SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('{table}') c")


@pytest.mark.parametrize("seed", range(4))
async def test_every_version_is_kept_once_and_what_was_known_can_be_asked(
    database: Database, *, has_timescaledb: bool, seed: int
) -> None:
    random, model = Random(seed), Model()
    await ProfileStore(database).put([new_profile(name, f"key of {name}") for name in ("one", "two", "three")])
    metrics, leases = MetricStore(database), LeaseStore(database, owner="me", seconds=60.0)
    for step in range(40):
        claims = await leases.claim_due(3)
        records = [some_record(random, claim, step) for claim in random.sample(claims, random.randint(1, 3))]
        lost = [record.profile_id for record in records if random.random() < 0.1]
        await database.execute("UPDATE profile SET lease_until = NULL WHERE id = ANY ($1::bigint[])", lost)
        written = {each.profile_id: (each.rows_new, each.rows_changed) for each in await metrics.write_polls(records)}
        assert await metrics.write_polls(records) == []
        now = await database.fetchval("SELECT max(last_poll_at) FROM profile")
        assert written == {
            record.profile_id: model.poll(record.profile_id, getattr(record.analytics, "days", ()), now)
            if record.analytics
            else (0, 0)
            for record in records
            if record.profile_id not in lost
        }
        await leases.release_all()
        if has_timescaledb and random.random() < 0.2:
            await compress(database)
    stored = [tuple(row) for row in await database.fetch(VERSIONS)]
    assert stored == model.rows()
    assert len(stored) > 1.5 * len(model.versions)
    assert all(
        observed <= last_seen <= superseded for _, _, _, observed, last_seen, superseded, *_ in stored if last_seen
    )
    for instant in random.sample(sorted(model.instants), 10):
        for at in (instant - TICK, instant):
            assert [tuple(row) for row in await database.fetch(AS_OF, at)] == model.as_of(at)
