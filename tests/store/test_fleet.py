from collector.store.fleet import FleetStore
from collector.store.pool import Database


async def test_the_last_polls_are_told_newest_first_and_unchanged_ones_of_two_days(database: Database) -> None:
    await database.execute(
        "INSERT INTO poll_log (profile_id, polled_at, outcome, duration_seconds, rows_new, rows_changed, problems) "
        "SELECT p.profile_id, now() - p.hours * interval '1 hour', p.outcome, 0.1, 0, 0, 0 "
        "FROM (VALUES (1, 240, 'ok'), (1, 120, 'unchanged'), (1, 3, 'timeout'), (1, 1, 'unchanged'), (2, 0, 'ok')) "
        "    AS p (profile_id, hours, outcome)"
    )
    fleet = FleetStore(database)
    assert [poll.outcome for poll in await fleet.recent_polls(1, 10)] == ["unchanged", "timeout", "ok"]
    assert [poll.outcome for poll in await fleet.recent_polls(1, 2)] == ["unchanged", "timeout"]
