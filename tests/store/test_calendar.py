"""The calendar's statement, with many old pins."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from collector.store.calendar import DUE, CalendarStore, DueFilter
from collector.store.pool import Database
from tests.support.plans import scans_of
from tests.support.profiles import registered

OLD = """
INSERT INTO pin (profile_id, client_ref, media_urls, state, publish_at)
SELECT 1 + i % 50, 'old-' || i, '{https://images.example.com/a.jpg}', 'published', now() - i * interval '30 minutes'
FROM generate_series(1, 60000) i
"""


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_the_days_of_a_month_are_found_however_many_pins_there_are(database: Database, mode: str) -> None:
    await registered(database, {f"profile-{number}": f"key-of-{number}" for number in range(50)})
    await database.execute(OLD)
    await database.execute("ANALYZE pin")
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=40)
    bounds = [first + timedelta(days=place) for place in range(43)]
    async with database.connection() as connection:
        await connection.execute(f"SET plan_cache_mode = {mode}")
        try:
            arguments = (bounds, first.date(), bounds[-1].date(), None, None, None, 4)
            [(text,)] = await connection.fetch(f"EXPLAIN (FORMAT JSON) {DUE}", *arguments)
        finally:
            await connection.execute("RESET plan_cache_mode")
    scans = scans_of(json.loads(text)[0]["Plan"])
    assert ("Seq Scan", "pin") not in scans
    assert any(index == "pin_due_day_idx" for _, index in scans)
    found = await CalendarStore(database).due(bounds, DueFilter(), 4)
    assert {pin.pins for pin in found if 1 < pin.place < 40} == {48}
    assert len([pin for pin in found if pin.place == 7]) == 4
