"""What a profile has used of what Ayrshare allows: counted by windows, and the nearest to a limit first."""

from collector.store.budget import budget_of, nearest_budgets
from collector.store.pool import Database
from tests.support.profiles import registered

_POLLS = """
INSERT INTO poll_log (profile_id, polled_at, outcome, duration_seconds, rows_new, rows_changed, problems)
SELECT id, now() - $2::integer * interval '1 minute', 'unchanged', 0.1, 0, 0, 0
FROM profile, generate_series(1, $3::integer)
WHERE name = $1
"""


async def test_calls_are_those_of_five_minutes_as_ayrshare_counts_them_or_the_log(database: Database) -> None:
    await registered(database, {"logged": "key-of-logged", "counted": "key-of-counted", "past": "key-of-past"})
    for name, minutes, polls in (("logged", 1, 4), ("logged", 60, 7), ("logged", 25 * 60, 9), ("counted", 1, 2)):
        await database.execute(_POLLS, name, minutes, polls)
    told = "UPDATE profile SET rate_limit_max = 200, rate_limit_count = 100, last_poll_at = {} WHERE name = '{}'"
    await database.execute(told.format("now()", "counted"))
    await database.execute(told.format("now() - interval '6 minutes'", "past"))
    found = {each.profile: each for each in await nearest_budgets(database, 10)}
    assert (found["logged"].calls, found["logged"].calls_allowed, found["logged"].polls_24h) == (4, 300, 11)
    assert (found["counted"].calls, found["counted"].calls_allowed, found["counted"].polls_24h) == (100, 200, 2)
    assert found["past"].calls == 0
    assert list(found) == ["counted", "logged", "past"]
    assert await budget_of(database, found["logged"].profile_id) == found["logged"]
    assert await budget_of(database, 0) is None


async def test_refusals_are_of_today_and_posts_of_this_month(database: Database) -> None:
    await registered(database, {"today": "key-of-today", "yesterday": "key-of-yesterday"})
    refused = """
        UPDATE profile
        SET rate_limited_count = 400, rate_limited_on = (now() AT TIME ZONE 'UTC')::date - $2::integer
        WHERE name = $1
    """
    await database.execute(refused, "today", 0)
    await database.execute(refused, "yesterday", 1)
    for ref, outcome, started in (
        ("sent", "published", "now()"),
        ("refused for good", "failed", "now()"),
        ("comes again", "requeued", "now()"),
        ("of last month", "published", "date_trunc('month', now()) - interval '1 hour'"),
    ):
        await database.execute(
            f"""
            INSERT INTO pin_attempt (pin_id, attempt, owner, started_at, outcome)
            SELECT (enqueue_pin('today', $1, ARRAY['https://example.com/a.jpg'])).id, 1, 'x', {started}, $2
            """,
            ref,
            outcome,
        )
    today, yesterday = await nearest_budgets(database, 10)
    assert (today.profile, today.refusals, today.used_share, today.posts) == ("today", 400, 0.4, 2)
    assert (yesterday.refusals, yesterday.used_share, yesterday.posts) == (0, 0.0, 0)
