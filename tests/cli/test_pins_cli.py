"""``collector pins``: what it refuses, what it shows, and what a retry does."""

import secrets
from pathlib import Path

import msgspec
import pytest

from collector.errors import DataRefusedError
from collector.models.pin import PinState
from collector.store.pin import PinStore
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import registered
from tests.support.program import Program

URL = "https://x.example/a.jpg"
HEADER = "profile,client_ref,publish_at,description,media_urls,title,link,board_id,alt_texts,thumbnail_url,note\n"


@pytest.fixture
async def collector(calling: Program, ayrshare: Ayrshare, database: Database) -> Program:
    await registered(database, {"acme": ayrshare.identity(0).profile_key, "other": ayrshare.identity(1).profile_key})
    return calling


async def stored(database: Database) -> int:
    return int(await database.fetchval("SELECT count(*) FROM pin"))


OVER = [
    ({"description": "x" * 501}, "501 characters"),
    ({"title": "x" * 101}, "101 characters"),
    ({"link": "https://x.example/" + "x" * 2031}, "2049 characters"),
    ({"link": "http://x.example/"}, "https://"),
    ({"note": "x" * 1001}, "1001 characters"),
    ({"alt_texts": ["x" * 501]}, "501 characters"),
    ({"alt_texts": ["a", "b"]}, "2 alt texts for 1 images"),
    ({"media_urls": []}, "no media URL"),
    ({"media_urls": [""]}, "is empty"),
    ({"media_urls": None}, "no media URL"),
    ({"media_urls": [URL] * 6}, "6 media URLs"),
    ({"media_urls": ["http://x.example/a.jpg"]}, "https://"),
    ({"media_urls": ["https://"]}, "not an address"),
    ({"media_urls": ["https://x.example/a b.jpg"]}, "not an address"),
    ({"media_urls": ["https://x.example/a.pdf"]}, "ends in .pdf"),
    ({"media_urls": ["https://x.example/" + "x" * 2031]}, "2049 characters"),
    ({"media_urls": ["https://x.example/a.mp4"]}, "needs a thumbnail_url"),
    ({"media_urls": ["https://x.example/a.mp4", URL], "thumbnail_url": URL}, "goes alone"),
    ({"thumbnail_url": URL}, "is an image"),
    ({"media_urls": ["https://x.example/a.mp4"], "thumbnail_url": "http://x.example/t.jpg"}, "https://"),
    ({"carousel": "{}"}, "not a list"),
    ({"carousel": '[{"title": "a"}]'}, "fewer than 2"),
    ({"carousel": '[{"title": "a"}, {"title": "b"}]'}, "2 entries for 1 images"),
    ({"media_urls": [URL] * 2, "carousel": '[{"title": "a"}, {"colour": "b"}]'}, "unknown colour"),
    ({"media_urls": [URL] * 2, "carousel": '[{"title": "a"}, {"link": "http://x"}]'}, "https://"),
    ({"media_urls": [[URL], [URL]]}, "not a plain list"),
    ({"alt_texts": [None]}, "not a plain list"),
    ({"media_urls": ["https://[x/v.mp4"], "thumbnail_url": URL}, "not an address"),
    ({"media_urls": [f"{URL},{URL}"]}, "holds several addresses"),
    ({"media_urls": [f"{URL}, {URL}"]}, "holds several addresses"),
    ({"media_urls": ["https://drive.google.com/file/d/1AbC/view?usp=sharing"]}, "a page that shows a file"),
    ({"media_urls": ["https://drive.google.com/open?id=1AbC"]}, "a page that shows a file"),
    ({"media_urls": ["https://www.dropbox.com/s/abc/a.jpg?dl=0"]}, "a page that shows a file"),
    ({"board_id": "Spring ideas"}, "not a number in digits: Spring ideas"),
    ({"board_id": "https://www.pinterest.com/acme/spring/"}, "not a number in digits"),
    ({"board_id": "8.14941E+17"}, "not a number in digits"),
    ({"board_id": ""}, "not a number in digits"),
    ({"client_ref": ""}, "client_ref is empty"),
    ({"client_ref": "x" * 201}, "201 characters"),
    ({"description": "bell \x07"}, "control characters"),
    ({"profile": "nobody"}, "no such profile: nobody"),
    ({"description": "x" * 10_000_000}, "10000000 characters"),
]


@pytest.mark.parametrize(("changes", "message"), OVER, ids=lambda value: str(value)[:50])
async def test_sql_refuses_what_pinterest_would(
    collector: Program, database: Database, changes: dict[str, object], message: str
) -> None:
    del collector
    pin = {
        "profile": "acme", "client_ref": "a", "media_urls": [URL], "description": "", "title": None, "link": None,
        "board_id": None, "alt_texts": [], "carousel": None, "thumbnail_url": None, "note": None,
    } | changes  # fmt: skip
    numbered = ", ".join(f"{name} => ${place}" for place, name in enumerate(pin, 1))
    with pytest.raises(DataRefusedError, match=message.replace("(", "\\(")):
        await database.fetch(f"SELECT enqueue_pin({numbered})", *pin.values())
    assert await stored(database) == 0


LIMITS = [
    {"description": "x" * 500, "title": "x" * 100, "note": "x" * 1000, "link": "https://x.example/" + "x" * 2030},
    {"media_urls": [URL] * 5, "alt_texts": ["x" * 500] * 5},
    {"media_urls": ["https://x.example/a.mp4"], "thumbnail_url": URL},
    {"media_urls": ["https://x.example/a"], "thumbnail_url": URL},
    {"media_urls": ["https://x.example/a,b.jpg", "https://www.dropbox.com/s/abc/a.jpg?raw=1"]},
    {"board_id": "814941069999999999"},
    {"media_urls": [URL] * 2, "carousel": '[{"title": "a", "link": "https://x", "description": "d"}, {}]'},
]


@pytest.mark.parametrize("pin", LIMITS, ids=",".join)
async def test_a_pin_just_within_the_limits_is_accepted(
    collector: Program, database: Database, pin: dict[str, object]
) -> None:
    del collector
    everything = {"profile": "acme", "client_ref": "a", "media_urls": [URL]} | pin
    numbered = ", ".join(f"{name} => ${place}" for place, name in enumerate(everything, 1))
    await database.fetch(f"SELECT enqueue_pin({numbered})", *everything.values())
    assert await stored(database) == 1


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--media-url", "http://x.example/a.jpg"), 1, "does not begin with https://"),
        ((), 1, "no media URL"),
        (("--media-url", ""), 1, "is empty"),
        (("--media-url", URL, "--publish-at", "2026-12-24T18:00:00"), 1, "has no zone"),
        (("--media-url", URL, "--publish-at", "soon"), 1, "is not a time"),
        (("--media-url", URL, "--publish-at", "0001-01-01T00:00:00+14:00"), 1, "out of range"),
        (("--media-url", URL, "--carousel", "[{"), 1, "not JSON"),
        (("--media-url", URL, "--title", "x" * 101), 1, "101 characters"),
        (("--media-url", URL, "--colour", "red"), 2, "No such option"),
    ],
)
async def test_a_bad_pin_is_refused_in_one_line(
    collector: Program, database: Database, options: tuple[str, ...], code: int, message: str
) -> None:
    ended = await collector("pins", "add", "acme", "--client-ref", "a", *options)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert await stored(database) == 0


@pytest.mark.parametrize("date", ["0044-03-15 BC", "20000-01-01", "infinity"])
async def test_a_date_that_no_client_could_read_is_refused(collector: Program, database: Database, date: str) -> None:
    del collector
    with pytest.raises(DataRefusedError, match="between 2000 and 2100"):
        await database.fetch(f"SELECT enqueue_pin('acme', 'a', ARRAY['{URL}'], publish_at => '{date}')")
    assert await stored(database) == 0


async def test_a_date_long_past_is_only_taken_if_it_is_meant(collector: Program, database: Database) -> None:
    add = ("pins", "add", "acme", "--client-ref", "a", "--media-url", URL, "--publish-at", "2020-01-01T00:00:00Z")
    refused = await collector(*add)
    assert refused.code == 1
    assert "publish_at is past, so the pin would go out at once: 2020-01-01 00:00 UTC; nothing" in refused.err
    assert ("--past allows it" in refused.err, "past => true" in refused.err) == (True, False)
    with pytest.raises(DataRefusedError, match="past => true"):
        await database.fetch(f"SELECT enqueue_pin('acme', 'a', ARRAY['{URL}'], publish_at => '2020-01-01')")
    table = f"profile,client_ref,publish_at,description,media_urls\nacme,a,2020-01-01T00:00:00Z,,{URL}\n"
    imported = await collector("pins", "import", "-", stdin=table)
    assert "line 2: publish_at is past, so the pin would go out at once: 2020-01-01 00:00 UTC; --past" in imported.err
    assert await stored(database) == 0
    assert (await collector(*add, "--past")).code == 0
    assert await database.fetchval("SELECT due_at < now() FROM pin_arrival")
    assert (await PinStore(database).summary()).oldest_due_seconds < 60, "it has waited since it was queued"
    again = await collector("pins", "import", "-", stdin=table)
    assert again.out == "0 queued, 1 known already\n", "an old import can be repeated"


@pytest.mark.parametrize("values", ["'{}'", f"ARRAY['{URL},{URL}']"])
async def test_the_rules_hold_for_whoever_writes_the_table(collector: Program, database: Database, values: str) -> None:
    del collector
    insert = "INSERT INTO pin (profile_id, client_ref, media_urls) VALUES (1, 'a', {})"
    role = f"inserter_{secrets.token_hex(4)}"
    async with database.transaction() as connection:
        await connection.execute(f"CREATE ROLE {role}; GRANT INSERT ON pin TO {role}; SET LOCAL ROLE {role}")
        with pytest.raises(Exception, match=r"no media URL|several addresses"):
            async with connection.transaction():
                await connection.execute(insert.format(values))
        await connection.execute(insert.format(f"ARRAY['{URL}']"))
        await connection.execute(f"RESET ROLE; REVOKE INSERT ON pin FROM {role}; DROP ROLE {role}")
    with pytest.raises(DataRefusedError, match="no media URL"):
        await database.execute("UPDATE pin SET media_urls = '{}'")
    assert await database.fetchval("SELECT profile_id FROM pin_arrival") == 1, "its lane is woken too"


async def test_the_same_client_ref_with_other_content_says_what_differs(collector: Program, database: Database) -> None:
    add = ("pins", "add", "acme", "--client-ref", "a", "--media-url", URL)
    await collector(*add, "--title", "One")
    same = await collector(*add, "--title", "One")
    assert (same.code, same.out) == (0, "acme has this client_ref already: pin 1, queued; nothing was changed\n")
    other = await collector(*add, "--title", "Two", "--link", "https://x.example/", "--publish-at", "2099-01-01T00:00Z")
    assert other.code == 1
    assert "pin 1, queued, with another publish_at, title, link; nothing was changed" in other.err
    assert "`collector pins edit 1` changes it" in other.err
    assert await database.fetchval("SELECT title FROM pin") == "One"


async def test_a_queued_pin_can_be_edited(collector: Program, database: Database) -> None:
    await collector("pins", "add", "acme", "--client-ref", "a", "--media-url", URL, "--title", "One", "--note", "n")
    await database.execute("DELETE FROM pin_arrival")
    edited = await collector(
        "pins", "edit", "1", "--title", "Two", "--note", "", "--board-id", "814941", "--media-url", f"{URL}?2",
        "--publish-at", "2099-01-01T00:00:00Z",
    )  # fmt: skip
    assert edited.out == "pin 1 changed: media_urls, title, board_id, note, publish_at\n", edited.err
    row = await database.fetchrow("SELECT *, publish_at::text AS due FROM pin")
    assert row is not None
    assert (row["title"], row["note"], row["board_id"], row["media_urls"]) == ("Two", None, "814941", [f"{URL}?2"])
    assert await database.fetchval("SELECT count(*) FROM pin_arrival") == 1, "its lane has another time"
    for options, words in (
        (("--board-id", "Spring"), "not a number in digits"),
        (("--title", "x" * 101), "101 characters"),
        (("--publish-at", "2020-01-01T00:00:00Z"), "--past allows it"),
    ):
        refused = await collector("pins", "edit", "1", *options)
        assert (refused.code, words in refused.err) == (1, True), refused.err
    assert (await collector("pins", "edit", "1")).code == 2
    await database.execute("UPDATE pin SET state = 'published'")
    assert "pin 1 is published; only a queued one" in (await collector("pins", "edit", "1", "--title", "x")).err
    assert await database.fetchval("SELECT title FROM pin") == "Two"


async def test_an_import_that_differs_is_refused_or_replaces(collector: Program, database: Database) -> None:
    header = "profile,client_ref,publish_at,description,media_urls,title\n"
    first = "".join(f"acme,{ref},,,{URL},One\n" for ref in "abc")
    await collector("pins", "import", "-", stdin=header + first)
    await database.execute("UPDATE pin SET note = 'kept', carousel = NULL")
    changed = f"acme,a,,,{URL},Two\nacme,b,,,{URL},One\nacme,d,,,{URL},New\n"
    refused = await collector("pins", "import", "-", stdin=header + changed)
    assert refused.code == 1
    assert "line 2: this client_ref is pin 1 already, which is queued and has another title; --replace changes it" in (
        refused.err
    )
    assert await stored(database) == 3
    replaced = await collector("pins", "import", "-", "--replace", stdin=header + changed)
    assert replaced.out == "1 queued, 1 changed, 1 known already\n", replaced.err
    rows = await database.fetch("SELECT client_ref, title, note FROM pin ORDER BY client_ref")
    assert [(row["client_ref"], row["title"], row["note"]) for row in rows] == [
        ("a", "Two", "kept"),
        ("b", "One", "kept"),
        ("c", "One", "kept"),
        ("d", "New", None),
    ]
    await database.execute("UPDATE pin SET state = 'published' WHERE client_ref = 'c'")
    late = await collector("pins", "import", "-", "--replace", stdin=f"{header}acme,c,,,{URL},Late\n")
    assert (late.code, "only a queued one can be changed" in late.err) == (1, True)
    bad = await collector("pins", "import", "-", "--replace", stdin=f"{header}acme,a,,,{URL},{'x' * 101}\n")
    assert (bad.code, "line 2: " in bad.err, "101 characters" in bad.err) == (1, True, True)


async def test_boards_are_listed_where_ayrshare_tells_them(collector: Program, ayrshare: Ayrshare) -> None:
    listed = await collector("pins", "boards", "acme")
    assert "81494100000000000" in listed.out, listed.err
    assert [line.split()[-1] for line in listed.out.splitlines()[1:-1]] == ["Ideas", "Sale", "Spring"]
    [first, *_] = msgspec.json.decode((await collector("pins", "boards", "acme", "--json")).out)
    assert (
        await collector("pins", "add", "acme", "--client-ref", "a", "--media-url", URL, "--board-id", first["board_id"])
    ).code == 0
    await ayrshare.fault("*", "status", endpoint="/user/details", status=404, message="No such endpoint.")
    refused = await collector("pins", "boards", "acme")
    assert (refused.code, refused.err) == (1, "error: No such endpoint.\n")
    assert (await collector("pins", "boards", "nobody")).code == 1


async def test_a_table_is_imported_whole_or_not_at_all(collector: Program, database: Database) -> None:
    good = f'acme,a,2026-12-24T18:00:00+01:00,"two lines\nof text",{URL}|{URL},t,,,one|two,,\n'
    bad = [
        f"nobody,b,,,{URL},,,,,,\n",
        f"acme,c,2026-12-24,,{URL},,,,,,\n",
        "acme,d,,,,,,,,,\n",
        f"acme,a,,,{URL},,,,,,\n",
        f"acme,e,,{'x' * 501},{URL},,,,,,\n",
        "acme,f\n",
        f"acme,g,,nul \0,{URL},,,,,,\n",
        f"acme,h,,{'x' * 30_000},{URL},,,,,,\n",
    ]
    ended = await collector("pins", "import", "-", stdin=HEADER + good + "".join(bad))
    assert ended.code == 1
    assert await stored(database) == 0
    for line, words in (
        (4, "no such profile"),
        (5, "publish_at has no time of day"),
        (6, "no media URL"),
        (7, "client_ref: this profile has it on line 2 already"),
        (8, "501 characters"),
        (9, "2 cells, where the header has 11; publish_at is missing"),
        (10, "NUL"),
        (11, "longer than 20000 characters"),
    ):
        [found] = [text for text in ended.err.splitlines() if text.startswith(f"line {line}:")]
        assert words in found
    ended = await collector("pins", "import", "-", stdin=HEADER + good)
    assert ended.out == "1 queued, 0 known already\n", ended.err
    ended = await collector("pins", "import", "-", stdin=HEADER + good)
    assert ended.out == "0 queued, 1 known already\n"
    row = await database.fetchrow("SELECT * FROM pin")
    assert row is not None
    assert (row["description"], row["alt_texts"], row["media_urls"]) == (
        "two lines\nof text",
        ["one", "two"],
        [URL] * 2,
    )
    assert row["publish_at"].isoformat() == "2026-12-24T17:00:00+00:00"


@pytest.mark.parametrize("table", ["", "profile,client_ref\n", HEADER, '"', "\0"])
async def test_a_file_that_is_no_table_is_refused(collector: Program, database: Database, table: str) -> None:
    ended = await collector("pins", "import", "-", stdin=table)
    assert ended.code == 1
    assert "line 1" in ended.err
    assert "Traceback" not in ended.err
    assert await stored(database) == 0


async def test_times_of_a_table_are_local_only_when_their_zone_was_said(collector: Program, database: Database) -> None:
    table = f"profile;client_ref;publish_at;description;media_urls\r\nacme;a;24.12.2026 18:00;;{URL}\r\n;;;;\r\n"
    said = ("--timezone", "Europe/Berlin", "--date-format", "german")

    unsaid = await collector("pins", "import", "-", stdin=table)
    misspelt = await collector("pins", "import", "-", "--timezone", "Europe/Berlim", stdin=table)
    taken = await collector("pins", "import", "-", *said, stdin=table)

    assert "line 2: publish_at is not a time: 24.12.2026 18:00; " in unsaid.err
    assert misspelt.code == 2
    assert "there is no time zone Europe/Berlim; write one like Europe/Berlin" in misspelt.err
    assert taken.out == "1 queued, 0 known already\n", taken.err
    assert (await database.fetchval("SELECT publish_at FROM pin")).isoformat() == "2026-12-24T17:00:00+00:00"


async def test_a_dry_run_shows_what_each_line_would_do_and_queues_nothing(
    collector: Program, database: Database
) -> None:
    columns = "profile,client_ref,publish_at,description,media_urls,title\n"
    before = f"acme,a,2099-12-24T18:00Z,Hi,{URL},\nacme,b,2099-12-24T18:00Z,Hi,{URL},\n"
    after = f"acme,a,2099-12-25T18:00Z,Hi,{URL},New\nacme,b,2099-12-24T18:00Z,Hi,{URL},\n"
    after += f"acme,c,,,{URL},\nnobody,d,soon,,{URL},\n"
    await collector("pins", "import", "-", stdin=columns + before)

    shown = await collector("pins", "import", "-", "--dry-run", "--replace", stdin=columns + after)
    careful = await collector("pins", "import", "-", "--dry-run", stdin=columns + after)

    lines = [line.split(maxsplit=4) for line in shown.out.splitlines()[1:]]
    assert shown.code == 1
    assert lines[0][:4] == ["2", "acme", "a", "changed"]
    assert "publish_at: 2099-12-24T18:00:00+00:00 → 2099-12-25T18:00:00+00:00" in lines[0][4]
    assert "title: (none) → New" in lines[0][4]
    assert [line[:4] for line in lines[1:3]] == [["3", "acme", "b", "unchanged"], ["4", "acme", "c", "added"]]
    for reason in ("publish_at is not a time: soon", "no such profile: nobody"):
        assert reason in shown.out
    assert shown.out.endswith("1 added, 1 changed, 1 unchanged, 1 refused; this was a dry run: nothing was changed\n")
    assert "--replace changes it" in careful.out
    assert await stored(database) == 2
    assert await database.fetchval("SELECT count(*) FROM pin WHERE title IS NOT NULL") == 0


async def test_a_bad_time_does_not_hide_what_else_is_wrong(collector: Program, database: Database) -> None:
    ended = await collector("pins", "import", "-", stdin=f"{HEADER}nobody,a,soon,{'x' * 501},{URL},,,,,,\n")

    assert ended.code == 1
    for words in ("publish_at is not a time: soon", "no such profile: nobody", "501 characters"):
        assert words in ended.err
    assert await stored(database) == 0


async def test_show_prints_a_pin_with_its_attempts(collector: Program, database: Database) -> None:
    await collector("pins", "add", "acme", "--client-ref", "a", "--media-url", URL, "--description", "hello")
    await database.execute("UPDATE pin SET state = 'failed', attempts = 1, last_error = 'too small'")
    await database.execute(
        "INSERT INTO pin_attempt (pin_id, attempt, owner, ended_at, outcome, reason, http_status, code, detail) "
        "VALUES (1, 1, 'host-1', now(), 'failed', 'refused', 400, 138, 'too small')"
    )
    told = (await collector("pins", "show", "1")).out
    for words in ("acme", "hello", URL, "failed", "attempt 1", "host-1", "refused: HTTP 400: code 138: too small"):
        assert words in told
    as_json = msgspec.json.decode((await collector("pins", "show", "1", "--json")).out)
    assert (as_json["state"], as_json["attempts"][0]["code"]) == ("failed", 138)
    listed = msgspec.json.decode((await collector("pins", "list", "--state", "failed", "--json")).out)
    assert [(row["profile"], row["client_ref"]) for row in listed] == [("acme", "a")]
    status = msgspec.json.decode((await collector("status", "--json")).out)
    assert status["pins"]["by_state"]["failed"] == 1


async def test_cancel_and_retry_change_what_can_be_changed(collector: Program, database: Database) -> None:
    await collector("pins", "add", "acme", "--client-ref", "a", "--media-url", URL)
    assert (await collector("pins", "retry", "1")).err == (
        "error: pin 1 is queued; only a failed, cancelled or unknown one can be sent again\n"
    )
    assert (await collector("pins", "cancel", "1")).out == "pin 1 cancelled\n"
    assert (await collector("pins", "cancel", "1")).code == 1
    assert (await collector("pins", "retry", "1")).out == "pin 1 queued again\n"
    await database.execute("UPDATE pin SET state = 'published'")
    for command in ("cancel", "retry"):
        ended = await collector("pins", command, "1", "--yes")
        assert (ended.code, ended.out) == (1, "")
    for number in ("99", "0", "99999999999999999999"):
        assert f"there is no pin {number}" in (await collector("pins", "show", number)).err


async def test_a_retry_of_an_unknown_pin_asks_history_and_then_the_user(
    collector: Program, database: Database, ayrshare: Ayrshare
) -> None:
    await collector("pins", "add", "acme", "--client-ref", "a", "--media-url", URL)
    await database.execute("UPDATE pin SET state = 'unknown', attempts = 1, owner = 'x'")
    await database.execute("INSERT INTO pin_attempt (pin_id, attempt, owner, outcome) VALUES (1, 1, 'x', 'unknown')")
    refused = await collector("pins", "retry", "1", stdin="n\n")
    assert refused.code == 1
    assert "not in Ayrshare's history" in refused.out
    assert await database.fetchval("SELECT state FROM pin") == "unknown"
    await ayrshare.fault("*", "status", endpoint="/history", status=500, times=1)
    unreadable = await collector("pins", "retry", "1", "--yes")
    assert (unreadable.code, "could not be read" in unreadable.err) == (1, True)
    assert await database.fetchval("SELECT state FROM pin") == "unknown"
    await ayrshare.publish(notes=await database.fetchval("SELECT token::text || '#1' FROM pin"))
    found = await collector("pins", "retry", "1", "--yes")
    assert found.out == "pin 1 is in Ayrshare's history: published; nothing was sent\n", found.err
    row, _ = await PinStore(database).story(1)
    assert row.state == PinState.PUBLISHED
    assert row.pin_url


async def test_a_pin_that_was_given_up_is_looked_for_before_it_is_sent_again(
    collector: Program, database: Database, ayrshare: Ayrshare
) -> None:
    await collector("pins", "add", "acme", "--client-ref", "a", "--media-url", URL)
    await database.execute("UPDATE pin SET state = 'unknown', attempts = 1, owner = 'x'")
    await database.execute("INSERT INTO pin_attempt (pin_id, attempt, owner, outcome) VALUES (1, 1, 'x', 'unknown')")
    assert (await collector("pins", "cancel", "1", "--yes")).out == "pin 1 cancelled; it may be live\n"
    await ayrshare.publish(notes=await database.fetchval("SELECT token::text || '#1' FROM pin"))
    found = await collector("pins", "retry", "1", "--yes")
    assert "nothing was sent" in found.out
    assert await database.fetchval("SELECT state FROM pin") == "published"


async def test_resume_says_what_it_did(collector: Program, database: Database) -> None:
    assert (await collector("pins", "resume", "acme")).out == "acme: it never had a pin\n"
    await database.execute("INSERT INTO pin_lane (profile_id, paused_reason) SELECT id, 'spam_block' FROM profile")
    assert (await collector("pins", "resume", "acme")).out == "acme: its pins go out now\n"
    await collector("profiles", "pause", "other")
    assert "but the profile is paused" in (await collector("pins", "resume", "other")).out
    assert (await collector("pins", "resume", "nobody")).code == 1


async def test_a_profile_with_open_pins_is_not_removed(collector: Program, database: Database) -> None:
    await collector("pins", "add", "acme", "--client-ref", "a", "--media-url", URL)
    ended = await collector("profiles", "remove", "acme", "--yes")
    assert (ended.code, "acme has 1" in ended.err) == (1, True)
    await collector("pins", "cancel", "1")
    assert (await collector("profiles", "remove", "acme", "--yes")).code == 0
    assert await stored(database) == 0


async def test_images_that_cannot_be_looked_at_are_named_and_the_pin_is_queued(
    collector: Program, database: Database, tmp_path: Path
) -> None:
    urls = ("https://127.0.0.1:1/a.jpg", "https://127.0.0.1:1/b.jpg")
    carousel = [part for url in urls for part in ("--media-url", url)]
    added = await collector("pins", "add", "acme", "--client-ref", "a", *carousel)
    assert (added.code, added.out) == (0, "pin 1 queued\n")
    assert added.err.splitlines() == [
        f"not checked: {url}: 127.0.0.1 is no public address, so it is not asked" for url in urls
    ]
    silent = await collector("pins", "add", "acme", "--client-ref", "b", *carousel, "--check-media", "none")
    assert (silent.code, silent.err) == (0, "")
    single = await collector("pins", "add", "acme", "--client-ref", "c", "--media-url", urls[0])
    assert (single.code, single.err) == (0, "")
    table = tmp_path / "pins.csv"
    table.write_text(f"profile,client_ref,publish_at,description,media_urls\nacme,d,,,{'|'.join(urls)}\n")
    imported = await collector("pins", "import", str(table))
    assert (imported.code, imported.err.count("not checked: ")) == (0, 2)
    assert await stored(database) == 4
