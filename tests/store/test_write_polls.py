"""Storing polls: which rows are written, which are not, and that a lost lease stores nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collector.models.analytics import AccountAnalytics, DayMetrics, Metrics, SeenAnswer
from collector.models.intake import FileDay
from collector.models.outcome import Failure, Success
from collector.models.poll import Claim, PollRecord, Written
from collector.models.profile import ProfileState
from collector.store.fleet import FleetStore
from collector.store.imported import ImportStore
from collector.store.lease import LeaseStore
from collector.store.metric import MetricStore
from collector.store.pool import Database
from collector.store.profile import ProfileStore
from collector.store.retention import expire
from tests.support.profiles import new_profile, remove

TODAY = datetime.now(UTC).date()
SEEN = SeenAnswer(last_updated=None, next_update=None)
LEDGER = "SELECT count(*) FROM daily_metric_revision"
VERSIONS = "SELECT day, revision, impression FROM daily_metric_version ORDER BY day, revision"


def day(age: int, impression: int, **details: Any) -> DayMetrics:
    return DayMetrics(day=TODAY - timedelta(days=age), metrics=Metrics(impression=impression), **details)


def answer(*days: DayMetrics, **details: Any) -> AccountAnalytics:
    ascending = tuple(sorted(days, key=lambda each: each.day))
    return AccountAnalytics(
        window=Metrics(impression=sum(d.metrics.impression or 0 for d in days)), days=ascending, **details
    )


def good(claim: Claim, analytics: AccountAnalytics | SeenAnswer, **details: Any) -> PollRecord:
    record = PollRecord(
        profile_id=claim.profile_id,
        lease_until=claim.lease_until,
        outcome=Success.OK,
        duration_seconds=0.1,
        next_poll_in=3600.0,
        state=ProfileState.ACTIVE,
        http_status=200,
        analytics=analytics,
        settled_through=TODAY - timedelta(days=3),
        settle_days=3,
    )
    return msgspec.structs.replace(record, **details)


def bad(claim: Claim, failure: Failure, **details: Any) -> PollRecord:
    fields: dict[str, Any] = {"outcome": failure, "analytics": None, "state": None}
    return msgspec.structs.replace(good(claim, answer()), **(fields | details))


@pytest.fixture
async def metrics(database: Database) -> MetricStore:
    await ProfileStore(database).put([new_profile("one", "key-1"), new_profile("two", "key-2")])
    return MetricStore(database)


@pytest.fixture
def leases(database: Database) -> LeaseStore:
    return LeaseStore(database, owner="me", seconds=60.0)


async def claim(database: Database, leases: LeaseStore, name: str = "one") -> Claim:
    profile_id = await database.fetchval("SELECT id FROM profile WHERE name = $1", name)
    [claimed] = await leases.claim_named([profile_id])
    return claimed


async def store(database: Database, leases: LeaseStore, metrics: MetricStore, analytics: AccountAnalytics) -> Written:
    [written] = await metrics.write_polls([good(await claim(database, leases), analytics)])
    return written


async def test_a_day_that_its_profile_does_not_know_of_is_compared_after_all(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    await store(database, leases, metrics, answer(day(2, 20), day(1, 10)))
    await database.execute("UPDATE profile SET last_day = NULL")
    written = await store(database, leases, metrics, answer(day(2, 20), day(1, 11)))
    assert (written.rows_new, written.rows_changed) == (0, 1)
    assert await database.fetchval("SELECT array_agg(impression ORDER BY day) FROM daily_metric") == [20, 11]


async def test_a_day_before_the_newest_that_was_missing_is_filled_in(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    await store(database, leases, metrics, answer(day(3, 30), day(1, 10)))
    written = await store(database, leases, metrics, answer(day(3, 30), day(2, 20), day(1, 10)))
    assert (written.outcome, written.rows_new, written.rows_changed) == (Success.OK, 1, 0)
    assert await database.fetchval("SELECT array_agg(impression ORDER BY day) FROM daily_metric") == [30, 20, 10]


async def test_a_first_poll_stores_every_day_once(database: Database, leases: LeaseStore, metrics: MetricStore) -> None:
    written = await store(database, leases, metrics, answer(day(2, 20), day(1, 10, extra='{"video_start": 3}')))
    assert (written.rows_new, written.rows_changed) == (2, 0)
    rows = await database.fetch("SELECT day, impression, extra, revision FROM daily_metric ORDER BY day")
    assert [tuple(row) for row in rows] == [
        (TODAY - timedelta(days=2), 20, None, 1),
        (TODAY - timedelta(days=1), 10, '{"video_start": 3}', 1),
    ]
    assert await database.fetchval(LEDGER) == 0
    assert len(await database.fetch(VERSIONS)) == 2


async def test_a_day_read_again_without_a_change_is_not_written(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    analytics = answer(day(2, 20), day(1, 10, extra='{"a": 1.5, "b": 2}'))
    await store(database, leases, metrics, analytics)
    before = await database.fetch("SELECT ctid, xmin, updated_at FROM daily_metric ORDER BY day")
    written = await store(database, leases, metrics, analytics)
    assert (written.rows_new, written.rows_changed) == (0, 0)
    assert await database.fetch("SELECT ctid, xmin, updated_at FROM daily_metric ORDER BY day") == before
    assert await database.fetchval(LEDGER) == 0
    assert await database.fetchval("SELECT last_outcome FROM profile WHERE name = 'one'") == "unchanged"


async def test_the_detector_hears_of_settled_days_only(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    heard = "SELECT days_changed_at = last_poll_at FROM profile WHERE name = 'one'"
    await store(database, leases, metrics, answer(day(2, 20), day(1, 10)))
    assert await database.fetchval(heard) is None
    await store(database, leases, metrics, answer(day(3, 30), day(2, 20), day(1, 10)))
    assert await database.fetchval(heard)
    await store(database, leases, metrics, answer(day(3, 30), day(2, 21), day(1, 11)))
    assert not await database.fetchval(heard)
    await store(database, leases, metrics, answer(day(3, 31), day(2, 22), day(1, 12)))
    assert await database.fetchval(heard)


async def test_no_number_takes_no_settled_number_away(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    def days(*, save: int | None, status: str | None, extra: str | None) -> AccountAnalytics:
        whole = [(age, Metrics(impression=age * 10, save=save)) for age in (9, 8, 1)]
        return answer(*(DayMetrics(TODAY - timedelta(days=age), status, extra, numbers) for age, numbers in whole))

    stored = "SELECT impression, save, data_status, extra FROM daily_metric ORDER BY day"
    await store(database, leases, metrics, days(save=4, status="READY", extra='{"closeup": 3}'))

    written = await store(database, leases, metrics, days(save=None, status="READY", extra=None))
    assert (written.rows_changed, written.rows_kept, written.rows_withdrawn) == (1, 2, 1)
    kept = [(90, 4, "READY", '{"closeup": 3}'), (80, 4, "READY", '{"closeup": 3}')]
    assert [tuple(row) for row in await database.fetch(stored)] == [*kept, (10, None, "READY", None)]
    assert await database.fetchval("SELECT array_agg(save) FROM daily_metric_revision") == [4]

    blank = [DayMetrics(TODAY - timedelta(days=age), "BEFORE_BUSINESS_CREATED") for age in (9, 8, 1)]
    written = await store(database, leases, metrics, answer(*blank))
    assert (written.rows_changed, written.rows_kept, written.rows_withdrawn) == (1, 2, 1)
    withdrawn = (None, None, "BEFORE_BUSINESS_CREATED", None)
    assert [tuple(row) for row in await database.fetch(stored)] == [*kept, withdrawn]

    mixed = answer(day(9, 91, data_status="READY"), *blank[1:])
    written = await store(database, leases, metrics, mixed)
    assert (written.rows_changed, written.rows_kept, written.rows_withdrawn) == (1, 2, 0)
    corrected = (91, 4, "READY", '{"closeup": 3}')
    assert [tuple(row) for row in await database.fetch(stored)] == [corrected, kept[1], withdrawn]


async def test_a_restated_day_is_updated_in_place_and_its_former_version_is_kept(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    await store(database, leases, metrics, answer(day(2, 20), day(1, 10, data_status="ESTIMATE")))
    first_seen = await database.fetchval("SELECT first_seen_at FROM daily_metric WHERE impression = 10")
    written = await store(database, leases, metrics, answer(day(2, 20), day(1, 14, data_status="READY")))
    assert (written.rows_new, written.rows_changed) == (0, 1)
    row = await database.fetchrow(
        "SELECT impression, data_status, revision, first_seen_at FROM daily_metric WHERE revision > 1"
    )
    assert row is not None
    assert tuple(row) == (14, "READY", 2, first_seen)
    versions = [tuple(row)[1:] for row in await database.fetch(VERSIONS)]
    assert versions == [(1, 20), (1, 10), (2, 14)]


async def test_a_former_version_says_when_it_was_first_seen_last_seen_and_superseded(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    polled: list[datetime] = []
    for impression in (10, 10, 14):
        await store(database, leases, metrics, answer(day(2, 20), day(1, impression, data_status=str(impression))))
        polled.append(await database.fetchval("SELECT last_success_at FROM profile WHERE name = 'one'"))
    rows = await database.fetch(
        "SELECT impression, data_status, observed_at, last_seen_at, superseded_at FROM daily_metric_version "
        "WHERE day = $1 ORDER BY revision",
        TODAY - timedelta(days=1),
    )
    assert [tuple(row) for row in rows] == [(10, "10", *polled), (14, "14", polled[2], None, None)]


async def test_the_versions_known_at_a_moment_can_be_queried(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    moments: list[datetime] = [await database.fetchval("SELECT now()")]
    for days in ([day(1, 10)], [day(1, 14), day(2, 7)], [day(1, 13)]):
        await store(database, leases, metrics, answer(*days))
        moments.append(await database.fetchval("SELECT last_success_at FROM profile WHERE name = 'one'"))
    known = [
        [tuple(row) for row in await database.fetch("SELECT impression, revision FROM daily_metric_as_of($1)", moment)]
        for moment in moments
    ]
    assert [sorted(each) for each in known] == [[], [(10, 1)], [(7, 1), (14, 2)], [(7, 1), (13, 3)]]


async def test_a_number_that_became_no_number_is_a_change(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    await store(database, leases, metrics, answer(day(1, 10)))
    nothing = DayMetrics(day=TODAY - timedelta(days=1), data_status="BEFORE_DATA_RETENTION_PERIOD")
    assert (await store(database, leases, metrics, answer(nothing))).rows_changed == 1
    assert await database.fetchval("SELECT impression FROM daily_metric") is None


async def test_a_result_whose_lease_was_taken_over_stores_nothing(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    mine = await claim(database, leases)
    await database.execute("UPDATE profile SET lease_until = now() - interval '1 second' WHERE name = 'one'")
    theirs = await claim(database, LeaseStore(database, owner="other", seconds=60.0))
    assert await metrics.write_polls([good(mine, answer(day(1, 666)))]) == []
    assert [w.rows_new for w in await metrics.write_polls([good(theirs, answer(day(1, 10)))])] == [1]
    assert [row["impression"] for row in await database.fetch("SELECT impression FROM daily_metric")] == [10]
    assert await database.fetchval("SELECT count(*) FROM poll_log") == 1


@pytest.mark.parametrize("act", ["pause", "remove"])
async def test_a_poll_does_not_undo_what_the_operator_did_meanwhile(
    database: Database, leases: LeaseStore, metrics: MetricStore, act: str
) -> None:
    mine = await claim(database, leases)
    registry = ProfileStore(database)
    await (registry.pause(["one"], "a holiday") if act == "pause" else remove(database, "one"))
    assert await metrics.write_polls([good(mine, answer(day(1, 10)))]) == []
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 0
    states = [row["state"] for row in await database.fetch("SELECT state FROM profile WHERE name = 'one'")]
    assert states == (["paused"] if act == "pause" else [])


async def test_writing_again_after_a_commit_of_unknown_fate_changes_nothing(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    record = good(await claim(database, leases), answer(day(1, 10)))
    assert len(await metrics.write_polls([record])) == 1
    assert await metrics.write_polls([record]) == []
    assert await database.fetchval("SELECT count(*) FROM poll_log") == 1


async def test_one_batch_writes_many_profiles_and_their_failures(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    one, two = await claim(database, leases, "one"), await claim(database, leases, "two")
    failure = bad(two, Failure.TIMEOUT, next_poll_in=5.0, detail="no answer in time", http_status=None)
    written = await metrics.write_polls([good(one, answer(day(1, 10))), failure])
    assert {w.profile_id: w.rows_new for w in written} == {one.profile_id: 1, two.profile_id: 0}
    row = await database.fetchrow(
        "SELECT last_outcome, last_error, consecutive_failures FROM profile WHERE name = 'two'"
    )
    assert row is not None
    assert tuple(row) == ("timeout", "no answer in time", 1)
    logged = await database.fetch("SELECT outcome, rows_new FROM poll_log ORDER BY outcome")
    assert [tuple(row) for row in logged] == [("ok", 1), ("timeout", 0)]


async def test_a_failure_counts_up_and_data_clears_it(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    for expected in (1, 2):
        await metrics.write_polls([bad(await claim(database, leases), Failure.NETWORK, detail="reset")])
        assert await failures(database) == expected
    await store(database, leases, metrics, answer(day(1, 10)))
    assert await failures(database) == 0
    assert await database.fetchval("SELECT last_error FROM profile WHERE name = 'one'") is None


async def failures(database: Database) -> int:
    return int(await database.fetchval("SELECT consecutive_failures FROM profile WHERE name = 'one'"))


async def test_states_change_with_their_reason_and_their_time(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    before = await database.fetchval("SELECT state_since FROM profile WHERE name = 'one'")
    unlinked = bad(await claim(database, leases), Failure.UNLINKED, state=ProfileState.UNLINKED, detail="not linked")
    await metrics.write_polls([unlinked])
    row = await database.fetchrow(
        "SELECT state, state_reason, state_since > $1 FROM profile WHERE name = 'one'", before
    )
    assert row is not None
    assert tuple(row) == ("unlinked", "not linked", True)
    await store(database, leases, metrics, answer(day(1, 10)))
    row = await database.fetchrow("SELECT state, state_reason FROM profile WHERE name = 'one'")
    assert row is not None
    assert tuple(row) == ("active", None)


async def test_answers_of_429_are_counted_by_the_day(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    for _ in range(3):
        await metrics.write_polls([bad(await claim(database, leases), Failure.RATE_LIMITED, http_status=429)])
    assert await database.fetchval("SELECT rate_limited_today FROM profile_status WHERE name = 'one'") == 3
    await database.execute("UPDATE profile SET rate_limited_on = rate_limited_on - 1")
    assert await database.fetchval("SELECT rate_limited_today FROM profile_status WHERE name = 'one'") == 0
    await metrics.write_polls([bad(await claim(database, leases), Failure.RATE_LIMITED, http_status=429)])
    assert await database.fetchval("SELECT rate_limited_today FROM profile_status WHERE name = 'one'") == 1


async def test_the_same_cached_answer_is_one_snapshot_and_an_absurd_stamp_is_now(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    stamp = datetime.now(UTC) - timedelta(minutes=5)
    for _ in range(2):
        await store(database, leases, metrics, answer(day(1, 10), last_updated=stamp, followers=7))
    await store(
        database, leases, metrics, answer(day(1, 11), last_updated=datetime(9998, 1, 1, tzinfo=UTC), followers=8)
    )
    rows = await database.fetch("SELECT observed_at, followers FROM account_snapshot ORDER BY observed_at")
    assert [row["followers"] for row in rows] == [7, 8]
    assert rows[0]["observed_at"] == stamp
    assert rows[1]["observed_at"] < datetime.now(UTC) + timedelta(minutes=1)


async def test_an_answer_known_today_is_recognised_until_the_day_ends(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    assert (await claim(database, leases)).known_answer is None
    await database.execute("UPDATE profile SET lease_until = NULL")
    await store(database, leases, metrics, answer(day(1, 10), digest=42))
    again = await claim(database, leases)
    assert again.known_answer == 42
    await metrics.write_polls([good(again, SEEN)])
    row = await database.fetchrow("SELECT last_outcome, last_day FROM profile WHERE name = 'one'")
    assert row is not None
    assert tuple(row) == ("unchanged", TODAY - timedelta(days=1))
    assert await database.fetchval("SELECT count(*) FROM account_snapshot") == 1
    await database.execute("UPDATE profile SET answer_day = answer_day - 1")
    assert (await claim(database, leases)).known_answer is None


async def test_days_are_settled_by_their_age_at_the_last_good_read(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    days = [day(age, 10 * age) for age in range(1, 6)] + [day(6, 60, data_status="ESTIMATE")]
    await store(database, leases, metrics, answer(*days))
    settled = await database.fetch("SELECT day FROM settled_metric ORDER BY day")
    assert [row["day"] for row in settled] == [TODAY - timedelta(days=age) for age in (5, 4, 3)]
    status = await database.fetchrow("SELECT settled_day, impression FROM profile_status WHERE name = 'one'")
    assert status is not None
    assert tuple(status) == (TODAY - timedelta(days=3), 30)


async def test_missing_days_are_named_and_counted_down_to_their_loss(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    days = [day(age, 10) for age in range(1, 31) if age not in {10, 20}]
    await store(database, leases, metrics, answer(*days))
    missing = await database.fetch("SELECT day, lost FROM missing_day ORDER BY day")
    assert [tuple(row) for row in missing] == [(TODAY - timedelta(days=age), False) for age in (20, 10)]
    status = await database.fetchrow("SELECT missing_days, days_until_data_loss FROM profile_status WHERE name = 'one'")
    assert status is not None
    assert tuple(status) == (2, 10), "the day that is 20 days old can be read for 10 more of 30"
    await database.execute("UPDATE profile SET settled_through = settled_through - 5")
    assert await database.fetchval("SELECT missing_days FROM profile_status WHERE name = 'one'") == 2
    await database.execute("DELETE FROM daily_metric WHERE day > $1", TODAY - timedelta(days=5))
    assert await database.fetchval("SELECT missing_days FROM profile_status WHERE name = 'one'") == 4


async def test_weeks_add_up_and_their_rates_are_made_from_the_sums(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    monday = TODAY - timedelta(days=TODAY.weekday() + 14)
    days = [
        DayMetrics(day=monday + timedelta(days=i), metrics=Metrics(impression=100 * (i + 1), save=i)) for i in range(7)
    ]
    await store(database, leases, metrics, answer(*days))
    row = await database.fetchrow("SELECT week, impression, save, save_rate, days, settled FROM weekly_metric")
    assert row is not None
    assert tuple(row) == (monday, 2800, 21, 21 / 2800, 7, True)


# By table: what tells its age, and what else a row needs.
AGED = {
    "daily_metric": ("day", {"profile_id": "1"}),
    "daily_metric_revision": (
        "superseded_at",
        {"profile_id": "1", "day": "'2020-01-01'", "revision": "age", "observed_at": "now()", "last_seen_at": "now()"},
    ),
    "account_snapshot": ("observed_at", {"profile_id": "1"}),
    "pin_metric": ("observed_at", {"profile_id": "1", "pin_id": "1"}),
    "pin_result": ("asked_at", {"profile_id": "1", "pin_id": "age", "ended": "'complete'"}),
    "lost_day": (
        "day",
        {"profile_id": "1", "whose": "'us'", "reason": "'paused'", "cause_first": "aged", "cause_last": "aged"},
    ),
    "drop_episode": (
        "closed_on",
        {"profile_id": "1", "metric": "'save'", "detected_day": "aged", "first_day": "aged", "last_day": "aged"}
        | dict.fromkeys(("observed", "expected", "expected_low", "score", "lost_share"), "1")
        | {"sentence": "''"},
    ),
    "fleet_drop": (
        "last_day",
        {"first_day": "aged", "profiles": "9", "share": "1", "open": "false", "sentence": "''"},
    ),
    "profile_state_change": ("changed_at", {"profile_id": "1", "former": "'active'", "state": "'paused'"}),
}


async def test_rows_older_than_their_retention_are_deleted(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    await store(database, leases, metrics, answer(day(400, 1), day(1, 9)))
    for table, (when, others) in AGED.items():
        await database.execute(
            f"INSERT INTO {table} ({when}, {', '.join(others)}) SELECT aged, {', '.join(others.values())} "
            "FROM unnest(ARRAY[300, 50]) AS age, LATERAL (SELECT (now() AT TIME ZONE 'UTC')::date - age AS aged) AS d"
        )
    # Of a pin that is still followed.
    await database.execute(
        "INSERT INTO pin_result (profile_id, pin_id, next_at, asked_at) "
        "VALUES (1, 7, now(), now() - interval '200 days')"
    )

    async def ages() -> dict[str, tuple[int, ...]]:
        found = {}
        for table, (when, _) in AGED.items():
            age = f"(now() AT TIME ZONE 'UTC')::date - {when}::date"
            rows = await database.fetch(f"SELECT {age} FROM {table} WHERE {age} BETWEEN 10 AND 350 ORDER BY 1")
            found[table] = tuple(days for (days,) in rows)
        return found

    assert await expire(database, retention_days=None) == 0
    assert await ages() == dict.fromkeys(AGED, (50, 300)) | {"pin_result": (50, 200, 300)}
    assert await expire(database, retention_days=100) > 0
    assert await ages() == dict.fromkeys(AGED, (50,)) | {"pin_result": (50, 200)}
    assert await database.fetchval("SELECT count(*) FROM poll_log") == 1
    assert await database.fetchval("SELECT min(first_day) FROM profile") >= TODAY - timedelta(days=100)


async def test_a_profile_without_a_day_misses_none(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    await store(database, leases, metrics, answer())
    row = await database.fetchrow("SELECT missing_days, days_until_data_loss FROM profile_status WHERE name = 'one'")
    assert row is not None
    assert tuple(row) == (0, 30)


async def test_a_stray_day_of_long_ago_is_stored_and_stretches_nothing(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    await store(database, leases, metrics, answer(day(1900, 7), *(day(age, 10) for age in range(1, 31))))
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 31
    assert await database.fetchval("SELECT count(*) FROM missing_day") == 0
    row = await database.fetchrow("SELECT missing_days, days_until_data_loss FROM profile_status WHERE name = 'one'")
    assert row is not None
    assert tuple(row) == (0, 30)


async def test_the_note_on_left_out_values_stays_while_the_same_answer_comes(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    first = good(await claim(database, leases), answer(day(1, 10), digest=1), detail="left out: bad_day (x)")
    await metrics.write_polls([first])
    await metrics.write_polls([good(await claim(database, leases), SEEN)])
    [row] = await FleetStore(database).troubled()
    assert (row.name, row.reason) == ("one", "left out: bad_day (x)")
    await metrics.write_polls([bad(await claim(database, leases), Failure.TIMEOUT, detail="no answer")])
    await metrics.write_polls([good(await claim(database, leases), SEEN)])
    assert await FleetStore(database).troubled() == []


async def test_an_imported_day_gives_way_to_what_a_poll_reads(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    numbers = (30, 5, None, None, None)
    days = [FileDay("one", TODAY - timedelta(days=age), numbers) for age in range(1, 31)]
    await ImportStore(database).take(1, days, "tool", replace=False, dry_run=False)
    written = await store(
        database, leases, metrics, answer(DayMetrics(day=TODAY - timedelta(days=3)), day(2, 30), day(1, 99))
    )
    assert (written.rows_new, written.rows_changed, written.rows_kept) == (0, 2, 0)
    rows = await database.fetch(
        "SELECT impression, engagement, source, revision FROM daily_metric ORDER BY day DESC LIMIT 3"
    )
    assert [tuple(row) for row in rows] == [(99, None, None, 2), (30, None, None, 2), (30, 5, "tool", 1)]
    former = await database.fetch("SELECT DISTINCT impression, source FROM daily_metric_revision")
    assert [tuple(row) for row in former] == [(30, "tool")]
    assert await database.fetchval("SELECT count(*) FROM restatement") == 0


async def test_numbers_of_another_program_are_not_taken_for_another_account(
    database: Database, leases: LeaseStore, metrics: MetricStore
) -> None:
    days = [FileDay("one", TODAY - timedelta(days=age), (9, None, None, None, None)) for age in range(4, 60)]
    await ImportStore(database).take(1, days, "tool", replace=False, dry_run=False)
    await database.execute("UPDATE profile SET settled_through = $1", TODAY - timedelta(days=4))
    written = await store(database, leases, metrics, answer(*(day(age, 1000 + 37 * age) for age in range(4, 60))))
    assert (written.rows_changed, written.other_account) == (56, False)
