"""What people do on the pages while processes are killed, connections end and the database stops."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from signal import SIGINT

import aiohttp

from tests.chaos.scenario import Scenario
from tests.chaos.server import until_it_answers
from tests.chaos.stage import Stage

# Without the detector, which would find the drops that are made here unfounded.
_ROLES = "poller,publisher,exporter"
_FORM = {"time_zone": "Europe/Berlin", "date_format": "iso"}
_LINE = "{},{},,words,https://images.example.com/a.jpg\n"
_LINES = 24
_DIGEST = re.compile(r'name="digest" value="([0-9a-f]+)"')
_PATIENCE = aiohttp.ClientTimeout(total=10.0)
_AWAY = (aiohttp.ClientError, OSError, TimeoutError)
# A kind of interruption at a moment of the request, which takes some 20 to 100 ms.
Interruption = Callable[[Stage], Awaitable[None]]

_OPEN_DROPS = """
INSERT INTO drop_episode (
    profile_id, metric, detected_day, first_day, last_day, observed, expected, expected_low, score, lost_share, sentence
)
SELECT id, 'save', current_date - 4, current_date - 4, current_date - 4, 1, 2, 1, 4, 0.5, 'It fell.'
FROM profile
RETURNING id
"""
_SAID = "SELECT count(*), count(DISTINCT dismissed_note) FROM drop_dismissal"
_MISSED_SINCE = """
WITH forgotten AS (DELETE FROM lost_day)
UPDATE profile SET first_day = current_date - 400, lost_through = NULL
"""
# The lease of one that was killed is over; the next to start leads at once.
_NOBODY_LEADS = "DELETE FROM leader"
# No day that Ayrshare no longer serves is neither stored nor written down.
_ALL_WRITTEN_DOWN = """
SELECT (SELECT count(*) FROM lost_day) > 0 AND count(*) = 0
FROM profile p
CROSS JOIN generate_series(p.first_day, current_date - fetchable_days(p.window_days) - 2, interval '1 day') AS c (day)
WHERE NOT EXISTS (SELECT FROM daily_metric m WHERE m.profile_id = p.id AND m.day = c.day::date)
  AND NOT EXISTS (SELECT FROM lost_day l WHERE l.profile_id = p.id AND l.day = c.day::date)
"""


async def _kill(stage: Stage) -> None:
    await stage.kill(stage.daemons[0])
    await stage.start(_ROLES)


async def _reset(stage: Stage) -> None:
    stage.database.reset()


async def _terminate(stage: Stage) -> None:
    await stage.server.terminate()


async def _stop_database(stage: Stage) -> None:
    stage.server.send(SIGINT)
    await asyncio.sleep(0.5)
    await until_it_answers(stage.server)


_INTERRUPTIONS: tuple[Interruption, ...] = (_kill, _reset, _terminate, _kill, _stop_database, _reset, _terminate, _kill)


async def _import(stage: Stage) -> None:
    """Confirm tables while something happens, and confirm them again until the page has nothing to do."""
    async with stage.trouble():
        for number, interruption in enumerate(_INTERRUPTIONS):
            names = [stage.name(place % 8) for place in range(_LINES)]
            lines = [_LINE.format(name, f"table-{number}-{place}") for place, name in enumerate(names)]
            where = await _upload(stage, "profile,client_ref,publish_at,description,media_urls\n" + "".join(lines))
            await _interrupted(stage, interruption, _confirm(stage, where))
            await _until(stage, f"table {number} is confirmed", partial(_nothing_to_do, stage, where))
            queued = await stage.server.owner.fetchval(
                "SELECT count(*) FROM pin WHERE client_ref LIKE $1", f"table-{number}-%"
            )
            if queued != _LINES:
                stage.complaints.append(f"{queued} pins of {_LINES} are queued after {interruption.__name__}")


async def _dismiss(stage: Stage) -> None:
    """Say that drops are no problem while something happens; what the page says then is what is stored."""
    async with stage.trouble():
        drops = [row["id"] for row in await stage.server.owner.fetch(_OPEN_DROPS)]
        for drop, interruption in zip(drops, _INTERRUPTIONS, strict=False):
            said = _post(stage, f"/drops/{drop}/dismiss", {"note": f"note of {drop}"})
            await _interrupted(stage, interruption, said)
            await _until(stage, f"drop {drop} is dismissed", partial(_dismissed, stage, drop))
        count, notes = (await stage.server.owner.fetch(_SAID))[0]
        if count != notes or count != min(len(drops), len(_INTERRUPTIONS)):
            stage.complaints.append(f"{count} dismissals with {notes} notes are stored")


async def _lose_days(stage: Stage) -> None:
    """Let a year of days be lost, and interrupt whoever writes them down; the next to start does the rest."""
    async with stage.trouble():
        for interruption in _INTERRUPTIONS:
            await stage.server.owner.execute(_MISSED_SINCE)
            await stage.kill(stage.daemons[0])
            await stage.server.owner.execute(_NOBODY_LEADS)
            # So that each statement of the writing may be the one that is interrupted.
            stage.database.latency_seconds = 0.05
            writing = await stage.start(_ROLES)
            await writing.until_running()
            await asyncio.sleep(stage.dice.uniform(0.0, 1.0))
            await interruption(stage)
            stage.database.latency_seconds = 0.0
            await stage.kill(stage.daemons[0])
            await stage.server.owner.execute(_NOBODY_LEADS)
            await (await stage.start(_ROLES)).until_running()
            await stage.until(_ALL_WRITTEN_DOWN)


async def _interrupted(stage: Stage, interruption: Interruption, work: Awaitable[None]) -> None:
    """Begin some work on a page, and interrupt it in the middle; its answer does not matter."""

    async def attempted() -> None:
        with suppress(*_AWAY):
            await work

    async with asyncio.TaskGroup() as group:
        group.create_task(attempted())
        await asyncio.sleep(stage.dice.uniform(0.0, 0.08))
        await interruption(stage)


async def _until(stage: Stage, what: str, done: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Try again as people do, until it is done; complain if it never is."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with suppress(*_AWAY):
            if await done():
                return
        await asyncio.sleep(0.2)
    stage.complaints.append(f"it did not come true within {seconds:.0f} s that {what}")


async def _upload(stage: Stage, table: str) -> str:
    """Upload a table, trying until the page takes it; return where its plan is."""
    where: list[str] = []

    async def taken() -> bool:
        form = aiohttp.FormData(_FORM)
        form.add_field("file", table.encode(), filename="pins.csv")
        url = await stage.daemons[0].until_running()
        post = stage.ayrshare.session.post(f"{url}/pins/import", data=form, allow_redirects=False, timeout=_PATIENCE)
        async with post as response:
            where.extend(response.headers.getall("Location", []))
        return bool(where)

    await _until(stage, "a table is taken", taken)
    return where[0]


async def _confirm(stage: Stage, where: str) -> None:
    if found := _DIGEST.search(await _page(stage, where)):
        await _post(stage, where, {"digest": found[1]})


async def _nothing_to_do(stage: Stage, where: str) -> bool:
    """Press the button if there is one; return whether the plan has none any more."""
    await _confirm(stage, where)
    text = await _page(stage, where)
    return "pins queued" in text or "There is nothing to do" in text


async def _dismissed(stage: Stage, drop: int) -> bool:
    if f"note of {drop}<" in await _page(stage, "/drops?state=all"):
        return True
    await _post(stage, f"/drops/{drop}/dismiss", {"note": f"note of {drop}"})
    return False


async def _page(stage: Stage, path: str) -> str:
    url = await stage.daemons[0].until_running()
    async with stage.ayrshare.session.get(f"{url}{path}", headers={"Accept": "text/html"}, timeout=_PATIENCE) as answer:
        return await answer.text()


async def _post(stage: Stage, path: str, fields: dict[str, str]) -> None:
    url = await stage.daemons[0].until_running()
    post = stage.ayrshare.session.post(f"{url}{path}", data=fields, allow_redirects=False, timeout=_PATIENCE)
    async with post as response:
        await response.read()


_EIGHT = "three SIGKILLs, two resets, two terminations, one stop of the database"
SCENARIOS = (
    Scenario(
        name="import-interrupted",
        injected=f"eight tables of pins confirmed on the page, in the middle {_EIGHT}",
        play=_import,
        daemons=(_ROLES,),
        patience=120,
    ),
    Scenario(
        name="dismissal-interrupted",
        injected=f"eight drops called no problem, in the middle {_EIGHT}",
        play=_dismiss,
        daemons=(_ROLES,),
    ),
    Scenario(
        name="losses-interrupted",
        injected=f"the lost days of a year of 14 profiles are written down eight times, in the middle {_EIGHT}",
        play=_lose_days,
        daemons=(_ROLES,),
        patience=120,
    ),
)
