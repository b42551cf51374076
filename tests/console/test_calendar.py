"""The calendar of pins over real sockets: days as their viewer has them, and moving a pin to another one."""

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import aiohttp
import pytest

from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.console import READ, console_session, page, token_of
from tests.support.profiles import new_profile

CALENDAR = "/pins/calendar"
# The clocks of Berlin skip from 02:00 to 03:00 on 30 March 2031, and of New York on 9 March.
BEFORE = datetime(2031, 3, 29, 8, 30, tzinfo=UTC)


async def planned(database: Database, at: datetime, name: str = "alpha", client: str = "acme", **values: object) -> int:
    """Queue a pin of a profile, which is registered if it is not yet; return its id."""
    await ProfileStore(database).put([new_profile(name, f"key of {name}", client=client)])
    columns = {"title": "Spring", "state": "queued", **values}
    found = await database.fetchval(
        f"INSERT INTO pin (profile_id, client_ref, media_urls, publish_at, {', '.join(columns)}) "
        "SELECT id, gen_random_uuid(), ARRAY['https://example.com/a.jpg'], $2, "
        f"{', '.join(f'${place}' for place in range(3, 3 + len(columns)))} FROM profile WHERE name = $1 RETURNING id",
        name, at, *columns.values(),
    )  # fmt: skip
    return int(found)


def days_of(text: str) -> dict[str, list[str]]:
    """Return the pins of each day that has some, by their links."""
    days = re.findall(
        r'<li class="day[^>]*data-day="([^"]+)">(.*?)(?=<li class="day|</ol>\s*</div>|$)', text, re.DOTALL
    )
    found = {day: re.findall(r'href="(/pins/[0-9]+)"', cards) for day, cards in days}
    return {day: cards for day, cards in found.items() if cards}


async def version_of(database: Database, pin: int) -> str:
    return str(await database.fetchval("SELECT xmin::text FROM pin WHERE id = $1", pin))


async def move(session: aiohttp.ClientSession, pin: int, day: str, version: str, **other: str) -> tuple[int, str]:
    """Move a pin as the form of the calendar does; return the status and the reason, or where it leads."""
    fields = {"day": day, "zone": "Europe/Berlin", "version": version, "back": CALENDAR, **other}
    headers = {"Accept": "text/plain"}
    async with session.post(f"/pins/{pin}/move", data=fields, headers=headers, allow_redirects=False) as response:
        return response.status, response.headers.get("Location") or await response.text()


async def time_of(database: Database, pin: int) -> datetime:
    found: datetime = await database.fetchval("SELECT publish_at FROM pin WHERE id = $1", pin)
    return found


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "2031-03-29"), ("Europe/Berlin", "2031-03-30"), ("America/New_York", "2031-03-29")]
)
async def test_a_pin_is_on_the_day_that_its_viewer_has(database: Database, zone: str, day: str) -> None:
    pin = await planned(database, datetime(2031, 3, 29, 23, 30, tzinfo=UTC))
    async with console_session(database) as session:
        chosen = await page(session, f"{CALENDAR}?from=2031-03-29&zone={zone}")
        async with session.get(f"{CALENDAR}?from=2031-03-29", headers={"Cookie": f"tz={quote(zone, '')}"}) as response:
            kept = await response.text()
    assert days_of(chosen) == days_of(kept) == {day: [f"/pins/{pin}"]}
    assert f"times are in {zone}." in chosen


async def test_the_last_hour_of_a_day_on_which_clocks_change_is_of_that_day(database: Database) -> None:
    # In summer time, while the day began in winter time.
    pin = await planned(database, datetime(2031, 3, 30, 21, 30, tzinfo=UTC))
    async with console_session(database) as session:
        text = await page(session, f"{CALENDAR}?view=month&from=2031-03-30&zone=Europe/Berlin")
    assert days_of(text) == {"2031-03-30": [f"/pins/{pin}"]}
    assert ">23:30</time>" in text


async def test_a_full_day_of_a_month_leads_to_all_of_its_pins(database: Database) -> None:
    for place in range(7):
        await planned(database, BEFORE + timedelta(minutes=place))
    async with console_session(database) as session:
        month = await page(session, f"{CALENDAR}?view=month&from=2031-03-05&zone=UTC")
        onward = html.unescape(re.findall(r'<a class="more small" href="([^"]+)">\+3 more', month)[0])
        day = await page(session, onward)
        week = await page(session, f"{CALENDAR}?from=2031-03-26&zone=UTC")
    assert len(days_of(month)["2031-03-29"]) == 4
    assert len(days_of(day)["2031-03-29"]) == len(days_of(week)["2031-03-29"]) == 7
    assert "March 2031" in month
    assert "7 pins" in month
    assert "Saturday 29 March 2031" in day
    assert "24 to 30 Mar 2031" in week


async def test_pins_are_chosen_by_name_and_state(database: Database) -> None:
    ours = await planned(database, BEFORE, "Casa Lumen", "Lumen & Co")
    theirs = await planned(database, BEFORE, "Fernweh", "Travel", state="failed")
    async with console_session(database) as session:

        async def shown(query: str) -> list[str]:
            return days_of(await page(session, f"{CALENDAR}?from=2031-03-29&part=calendar&{query}")).get(
                "2031-03-29", []
            )

        assert await shown("q=LUMEN+%26") == [f"/pins/{ours}"]
        assert await shown("q=fern") == [f"/pins/{theirs}"]
        assert await shown("state=failed") == [f"/pins/{theirs}"]
        assert await shown("client=Travel") == [f"/pins/{theirs}"]
        assert await shown("view=x&state=x&zone=x&q=%00") == [f"/pins/{ours}", f"/pins/{theirs}"]
        assert "Nothing matches" in await page(session, f"{CALENDAR}?from=2031-03-29&q=nobody")
        assert "No pins on these days" in await page(session, f"{CALENDAR}?from=2041-03-29")
        # Nonsense is today.
        assert f'data-day="{datetime.now(UTC).date()}"' in await page(session, f"{CALENDAR}?from=9999-99-99&view=day")


async def test_a_moved_pin_keeps_the_time_that_the_clocks_show(database: Database) -> None:
    pin = await planned(database, BEFORE)
    async with console_session(database) as session:
        version = await version_of(database, pin)
        status, where = await move(session, pin, "2031-03-31", version, back=f"{CALENDAR}?from=2031-03-29")
        assert (status, where) == (303, f"{CALENDAR}?from=2031-03-29")
        # Half past nine, in summer time now.
        assert await time_of(database, pin) == datetime(2031, 3, 31, 7, 30, tzinfo=UTC)
        assert (await move(session, pin, "2031-03-28", version))[
            1
        ] == f"pin {pin} was changed meanwhile; nothing was changed"
        version = await version_of(database, pin)
        assert (await move(session, pin, "2031-03-28", version, back="//evil.example"))[1] == CALENDAR
    assert await time_of(database, pin) == BEFORE - timedelta(days=1)


async def test_a_move_that_cannot_be_is_refused_with_its_reason(database: Database) -> None:
    early = datetime(2031, 3, 29, 1, 30, tzinfo=UTC)
    pin = await planned(database, early)
    version = await version_of(database, pin)
    refused: tuple[tuple[str, dict[str, str], int, str], ...] = (
        ("2031-03-30", {}, 409, "does not exist in Europe/Berlin, where clocks change: 2031-03-30 02:30"),
        ("2031-10-26", {}, 409, "comes twice in Europe/Berlin"),
        (f"{datetime.now(UTC).date() - timedelta(days=2)}", {}, 409, "is past, so the pin would go out at once"),
        ("tomorrow", {}, 400, "this is no day: tomorrow"),
        ("9999-12-31", {}, 400, "this is no day"),
        ("2031-03-31", {"zone": "../etc"}, 400, ""),
    )
    for day, other, status, reason in refused:
        async with console_session(database) as session:
            found = await move(session, pin, day, version, **other)
        assert found[0] == status, (day, found)
        assert reason in found[1]
    await database.execute("UPDATE pin SET state = 'sending', attempts = 1")
    async with console_session(database) as session:
        assert "is sending; only a queued one" in (await move(session, pin, "2031-03-31", version))[1]
    assert await time_of(database, pin) == early


async def test_only_those_who_may_see_a_pin_and_change_it_move_it(database: Database) -> None:
    ours = await planned(database, BEFORE, "ours", "acme")
    theirs = await planned(database, BEFORE, "theirs", "bolt")
    shown = f"{CALENDAR}?from=2031-03-29&client=bolt"
    async with console_session(database, await token_of(database, "acme")) as session:
        assert days_of(await page(session, shown)) == {"2031-03-29": [f"/pins/{ours}"]}
        assert (await move(session, theirs, "2031-03-31", ""))[0] == 404
    async with console_session(database, READ) as session:
        assert 'method="post"' not in await page(session, shown)
        assert (await move(session, theirs, "2031-03-31", ""))[0] == 403
    async with console_session(database) as session:
        assert f'action="/pins/{theirs}/move"' in await page(session, shown)
        async with session.post(f"/pins/{theirs}/move", headers={"Sec-Fetch-Site": "cross-site"}) as response:
            assert response.status == 403
    assert await time_of(database, theirs) == BEFORE
