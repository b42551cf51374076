"""``collector profiles ...``: no key leaks, imports are all or nothing, and any name is accepted."""

import asyncio
import json
import re
from contextlib import suppress
from pathlib import Path
from signal import SIGINT

import pytest
from click.testing import CliRunner

from collector.cli import main
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import KEYS, registered
from tests.support.program import Program

KEY = "SECRET77-SECRET88-SECRET99-SECRET00"
UNTRIED = ". Its key was not tried: COLLECTOR_AYRSHARE_API_KEY is not set"
HEADER = "name,client,profile_key"
ODD_NAMES = (
    "x --all",
    'O\'Brien & "Söhne"',
    "Café 東京 🎈",
    "[red]loud[/red] [/x] :smile:",
    "drop table profile; --",
    "{percent} %s $HOME",
)


async def add(database: Database, *names: str) -> None:
    """Register profiles with the keys ``THE-KEY-0``, ``THE-KEY-1``, and so on."""
    await registered(database, {name: f"THE-KEY-{index}" for index, name in enumerate(names)})


async def names(database: Database) -> list[str]:
    return [row["name"] for row in await database.fetch("SELECT name FROM profile ORDER BY name")]


# Adding one.


async def test_an_added_key_is_stored_encrypted_and_shown_nowhere(collector: Program, database: Database) -> None:
    added = await collector("profiles", "add", "a", "--client", "acme", "--tags", "x, y,x", stdin=f"  {KEY}\n")

    assert (added.code, added.out, added.err) == (0, f"a added; it is polled next{UNTRIED}\n", "")
    [row] = await database.fetch("SELECT *, profile::text AS everything FROM profile")
    assert KEYS.decrypt(row["key_ciphertext"]).get_secret_value() == KEY
    for form in (KEY, KEY.encode().hex()):
        assert form not in row["everything"]
    assert KEY.encode() not in row["key_ciphertext"]
    assert (row["client"], row["tags"], row["state"]) == ("acme", ["x", "y"], "active")

    for printed in (
        await collector("profiles", "list", LOG_LEVEL="debug"),
        await collector("profiles", "show", "a", "--json"),
    ):
        assert printed.code == 0
        assert "acme" in printed.out
        assert KEY not in printed.out + printed.err
        assert row["key_ciphertext"].decode() not in printed.out


async def test_a_name_or_a_key_is_registered_once(collector: Program, database: Database) -> None:
    assert (await collector("profiles", "add", "a", "--client", "acme", stdin=KEY)).code == 0

    again = await collector("profiles", "add", "a", "--client", "other", stdin="ANOTHER-KEY")
    shared = await collector("profiles", "add", "b", "--client", "acme", stdin=KEY)

    assert again.code == 1
    assert again.err == "error: a is registered already; `profiles rotate-key` changes its key\n"
    assert shared.code == 1
    assert shared.err == "error: b: the profile key belongs to a already; nothing was changed\n"
    assert KEY not in shared.err
    assert [row["client"] for row in await database.fetch("SELECT client FROM profile")] == ["acme"]


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("a", "", "the profile key is empty"),
        ("a", " \n", "the profile key is empty"),
        ("a", "two words", "without spaces"),
        ("a", "two\nlines", "without spaces"),
        ("a", "nul\0byte", "printable ASCII"),
        ("a", "schlüssel", "printable ASCII"),
        ("a", "x" * 501, "500 or fewer"),
        ("a", "x" * 20_000, "500 or fewer"),
        ("a", b"\xff\xfe", "the profile key is not text"),
        ("", KEY, "the name is empty"),
        ("  ", KEY, "the name is empty"),
        ("bell\a", KEY, "the name holds control characters"),
        ("two\nlines", KEY, "the name holds control characters"),
        ("\x1b[31mred", KEY, "the name holds control characters"),
        ("forged\u2028line", KEY, "the name holds control characters"),
        ("not\udcffutf-8", KEY, "the name holds control characters"),
        ("acme\u202excod", KEY, "the name holds the invisible character U+202E"),
        ("acme\u2066", KEY, "the name holds the invisible character U+2066"),
        ("ac\u200bme", KEY, "the name holds the invisible character U+200B"),
        ("\ufeffacme", KEY, "the name holds the invisible character U+FEFF"),
        (" -x", KEY, "the name begins with -, so commands would take it for an option"),
        ("x" * 300, KEY, "the name is longer than 200 characters"),
    ],
)
def test_what_cannot_be_a_profile_is_refused_before_anything_is_touched(
    name: str, key: str | bytes, why: str, tmp_path: Path
) -> None:
    refused = CliRunner().invoke(main, ["profiles", "add", name, "--client", "acme"], input=key)

    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: the ")
    assert why in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""
    assert str(key).strip() not in refused.stderr or not str(key).strip()
    assert list(tmp_path.iterdir()) == [], "no database was made or asked"


@pytest.mark.parametrize("text", [f'"{KEY}"', f"'{KEY}'\n", f"\u201c{KEY}\u201d", f"` {KEY} `"])
async def test_quotation_marks_around_a_key_are_not_part_of_it(
    text: str, collector: Program, database: Database
) -> None:
    assert (await collector("profiles", "add", "a", "--client", "acme", stdin=text)).code == 0

    ciphertext = await database.fetchval("SELECT key_ciphertext FROM profile")
    assert KEYS.decrypt(ciphertext).get_secret_value() == KEY


async def test_a_key_file_that_others_can_read_is_refused_with_the_mend(collector: Program, tmp_path: Path) -> None:
    file = tmp_path / "a key"
    file.write_text(KEY)
    file.chmod(0o644)
    command = ("profiles", "add", "a", "--client", "acme", "--key-file", "a key")

    refused = await collector(*command)
    file.chmod(0o600)
    taken = await collector(*command)

    assert refused.code == 2
    assert refused.err == (
        "error: a key holds a key, and every user of this machine can read it; run: chmod 600 'a key'\n"
    )
    assert (taken.code, taken.out) == (0, f"a added; it is polled next{UNTRIED}\n")


async def test_adding_needs_an_encryption_key_and_listing_does_not(dsn: str, tmp_path: Path) -> None:
    collector = Program(tmp_path, DATABASE_URL=dsn)

    refused = await collector("profiles", "add", "a", "--client", "acme", stdin=KEY)

    assert refused.code == 2
    assert "COLLECTOR_ENCRYPTION_KEYS is required" in refused.err
    listed = await collector("profiles", "list", "--json")
    assert (listed.code, json.loads(listed.out)) == (0, [])


# Importing many.


async def test_an_import_can_be_repeated_changed_and_corrected(collector: Program, database: Database) -> None:
    def table(client: str, key: str) -> str:
        return f'\ufeff{HEADER},ref_id,tags\r\na,{client},{KEY},,x|y\r\n"b, c",acme,{key},ref-b,\r\n'

    first = await collector("profiles", "import", "-", stdin=table("acme", "OLDER-KEY"))
    assert (first.code, first.out) == (0, "2 added, 0 changed, 0 unchanged\n")
    before = await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'a'")
    await database.execute("UPDATE profile SET state = 'key_invalid', next_poll_at = NULL WHERE name = 'b, c'")

    again = await collector("profiles", "import", "-", stdin=table("acme", "OLDER-KEY"))
    assert (again.code, again.out) == (0, "0 added, 0 changed, 2 unchanged\n")
    assert await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'a'") == before

    changed = await collector("profiles", "import", "-", stdin=table("globex", "BRAND-NEW-KEY"))
    assert (changed.code, changed.out) == (0, "0 added, 2 changed, 0 unchanged\n")
    listed = await collector("profiles", "list", "--json")
    rows = {row["name"]: row for row in json.loads(listed.out)}
    assert (rows["a"]["client"], rows["a"]["tags"], rows["a"]["ref_id"]) == ("globex", ["x", "y"], None)
    assert (rows["b, c"]["state"], rows["b, c"]["ref_id"]) == ("active", "ref-b")
    assert rows["b, c"]["next_poll_at"] is not None
    ciphertext = await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'b, c'")
    assert KEYS.decrypt(ciphertext).get_secret_value() == "BRAND-NEW-KEY"


async def test_a_bad_line_does_not_hide_what_is_wrong_with_the_others(collector: Program, database: Database) -> None:
    await add(database, "a")
    table = "name,client,profile_key\nnew,,\n-x,acme,KEY-OF-NOBODY\n"

    refused = await collector("profiles", "import", "-", stdin=table)

    assert refused.code == 1
    assert refused.err.splitlines() == [
        "error: nothing was imported; 2 bad lines:",
        "line 2: there is no profile of this name, and a new one needs a client and a profile_key",
        "line 3: the name begins with -, so commands would take it for an option; choose another",
    ]


async def test_an_import_with_the_key_of_a_registered_profile_changes_nothing(
    collector: Program, database: Database
) -> None:
    await add(database, "a")

    refused = await collector("profiles", "import", "-", stdin=f"{HEADER}\nnew,acme,FRESH-KEY\nother,acme,THE-KEY-0\n")

    assert refused.code == 1
    assert refused.err == ("error: nothing was imported; 1 bad line:\nline 3: the profile key belongs to a already\n")
    assert "THE-KEY-0" not in refused.err
    assert await names(database) == ["a"]


TABLE = f"name,client,profile_key,ref_id,tags\na,acme,{KEY},ref-a,x|y\nb,acme,THE-KEY-B,,z\n"


async def stored(database: Database) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await database.fetch("SELECT name, client, ref_id, tags FROM profile ORDER BY name")]


async def test_a_table_without_a_column_erases_nothing(collector: Program, database: Database) -> None:
    await collector("profiles", "import", "-", stdin=TABLE)

    without = await collector(
        "profiles", "import", "-", stdin=f"name,client,profile_key\na,acme,{KEY}\nb,acme,THE-KEY-B\n"
    )
    moved = await collector("profiles", "import", "-", stdin="Name;Client;Tags;ref_id\na;globex;;\n")

    assert (without.code, without.out) == (0, "0 added, 0 changed, 2 unchanged\n")
    assert (moved.code, moved.out) == (0, "0 added, 1 changed, 0 unchanged\n")
    assert await stored(database) == [("a", "globex", "ref-a", ["x", "y"]), ("b", "acme", None, ["z"])]

    cleared = await collector("profiles", "import", "-", "--clear-empty", stdin="name,tags,ref_id\na,,\n")
    assert (cleared.code, cleared.out) == (0, "0 added, 1 changed, 0 unchanged\n")
    assert await stored(database) == [("a", "globex", None, []), ("b", "acme", None, ["z"])]
    ciphertext = await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'a'")
    assert KEYS.decrypt(ciphertext).get_secret_value() == KEY


async def test_a_new_profile_needs_a_client_and_a_key(collector: Program, database: Database) -> None:
    refused = await collector(
        "profiles", "import", "-", stdin="name,client,profile_key\na,acme,KEYKEYK1\nb,,\nc,acme,\n"
    )

    assert refused.code == 1
    assert refused.err.splitlines()[1:] == [
        "line 3: there is no profile of this name, and a new one needs a client and a profile_key",
        "line 4: there is no profile of this name, and a new one needs a profile_key",
    ]
    assert await names(database) == []


async def test_a_dry_run_shows_what_each_line_would_do_and_does_nothing(collector: Program, database: Database) -> None:
    await collector("profiles", "import", "-", stdin=TABLE)
    before = await stored(database)
    table = "name,client,profile_key,tags\na,globex,BRAND-NEW,x\nb,,,\n"
    table += "c,acme,THE-KEY-C,\nd,acme,THE-KEY-B,\nx\u202e,acme,THE-KEY-E,\n"

    shown = await collector("profiles", "import", "-", "--dry-run", stdin=table)
    good = await collector("profiles", "import", "-", "--dry-run", stdin="name,client\nb,acme\n")

    assert shown.code == 1
    assert [line.split(maxsplit=3) for line in shown.out.splitlines()[1:5]] == [
        ["2", "a", "changed", "client: acme → globex; tags: x, y → x; profile_key: the old one → a new one"],
        ["3", "b", "unchanged"],
        ["4", "c", "added"],
        ["5", "d", "refused", "the profile key belongs to b already"],
    ]
    assert "refused    the name holds the invisible character U+202E" in shown.out
    assert shown.out.endswith("1 added, 1 changed, 1 unchanged, 2 refused; this was a dry run: nothing was changed\n")
    assert good.code == 0
    assert "THE-KEY-" not in shown.out + shown.err
    assert await stored(database) == before


async def test_two_profiles_may_swap_their_keys(collector: Program, database: Database) -> None:
    await add(database, "a", "b")

    swapped = await collector("profiles", "import", "-", stdin=f"{HEADER}\na,acme,THE-KEY-1\nb,acme,THE-KEY-0\n")

    assert swapped.out == "0 added, 2 changed, 0 unchanged\n"
    rows = await database.fetch("SELECT key_ciphertext FROM profile ORDER BY name")
    assert [KEYS.decrypt(row["key_ciphertext"]).get_secret_value() for row in rows] == ["THE-KEY-1", "THE-KEY-0"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"name,client,profile_key\na,acme,K\xff\n", "line 2: the file is not UTF-8 but probably Windows' cp1252: "),
        (b"\x89PNG\r\n\x1a\n", "line 1: the file is no text"),
        (b"", "line 1: the file is empty; its header must be name[,client,profile_key,ref_id,tags]"),
        (b"a,b\n1,2\n", "line 1: none of the columns is named here; the header must be name[,client,"),
        (
            b"name,client,profile_key\n",
            "error: nothing was imported; 1 bad line:\nline 1: nothing follows the header\n",
        ),
    ],
)
def test_a_file_that_is_no_table_is_refused_before_anything_is_touched(
    content: bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    refused = CliRunner().invoke(main, ["profiles", "import", "table.csv"])

    assert refused.exit_code == 1
    assert why in refused.stderr
    assert refused.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_every_bad_line_is_listed_up_to_a_screenful(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("\n".join([HEADER, *(f"name-{i},acme,{KEY} {KEY}" for i in range(120))]))
    refused = CliRunner().invoke(main, ["profiles", "import", "table.csv"])

    printed = refused.stderr.splitlines()
    assert printed[0] == "error: nothing was imported; 120 bad lines:"
    assert printed[1].startswith("line 2: the profile key is not 500 or fewer printable ASCII characters")
    assert printed[-1] == "... and 70 more"
    assert len(printed) == 52
    assert "SECRET" not in refused.stderr


# Listing and showing.


async def test_any_printable_name_that_is_no_option_can_be_registered(collector: Program) -> None:
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in ODD_NAMES]
    long = "x" * 200
    rows = [f"{name},{long},THE-KEY-{index}" for index, name in enumerate(quoted)]
    imported = await collector("profiles", "import", "-", stdin="\n".join([HEADER, *rows]))
    assert imported.code == 0, imported.err

    shown = await collector("profiles", "list")
    assert shown.code == 0, shown.err
    assert shown.out.endswith(f"{len(ODD_NAMES)} profiles\n")
    assert "\x1b" not in shown.out
    for name in ODD_NAMES:
        [line] = [line for line in shown.out.splitlines() if line.startswith(f"{name} ")]
        assert f" {long} " in line
    for name in (ODD_NAMES[0], ODD_NAMES[3]):
        one = await collector("profiles", "show", "--json", "--", name)
        assert json.loads(one.out)["name"] == name
    paused = await collector("profiles", "pause", "--", *ODD_NAMES)
    assert (paused.code, paused.out) == (0, f"{len(ODD_NAMES)} paused\n")


async def test_unknown_profiles_are_named_and_nothing_changes(collector: Program, database: Database) -> None:
    await add(database, "a")
    commands = (
        ["show"],
        ["rotate-key"],
        ["pause", "a"],
        ["remove", "--yes", "a"],
    )

    refusals = [await collector("profiles", *command, b"nobod\xff", stdin=KEY) for command in commands]

    for refused in refusals:
        assert refused.code == 1
        assert refused.err == "error: no such profile: nobod\\udcff; `collector profiles list` shows them all\n"
        assert refused.out == ""
    assert await database.fetchval("SELECT state FROM profile") == "active"


async def test_show_prints_the_last_polls_and_the_newest_numbers(
    calling: Program, ayrshare: Ayrshare, database: Database
) -> None:
    identity = ayrshare.identity(0)
    await calling("profiles", "add", identity.title, "--client", "acme", stdin=identity.profile_key)
    assert (await calling("poll")).code == 0
    await ayrshare.fault(identity.title, "status", status=500, message="out of [coffee]")
    assert (await calling("poll", identity.title)).code == 1

    shown = await calling("profiles", "show", identity.title)
    told = json.loads((await calling("profiles", "show", identity.title, "--json")).out)

    assert [poll["outcome"] for poll in told["polls"]] == ["upstream_error", "ok"]
    assert told["polls"][1]["rows_new"] == 30
    assert told["missing_days"] == 0
    assert told["impression"] == await database.fetchval(
        "SELECT impression FROM daily_metric WHERE day = (SELECT settled_through FROM profile)"
    )
    sections = dict(part.split("\n", 1) for part in shown.out.strip().split("\n\n"))
    lines = {key: dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in text.split("\n")) for key, text in
             sections.items() if key != "recent polls"}  # fmt: skip
    who, data = lines[f"{identity.title}, client acme (times are UTC)"], lines["data"]
    assert re.fullmatch(r"active, since 20\d\d-\d\d-\d\d \d\d:\d\d \(\d+ s ago\)", who["state"])
    assert who["account"] == "Boards of 0"
    assert re.fullmatch(r"upstream_error, .* ago\); 1 failure in a row", data["last poll"])
    assert "out of [coffee]" in data["what was wrong"]
    assert re.fullmatch(r".* \((in )?\d+ (s|min)( ago)?\)", data["next poll"])
    assert data["days"] == f"{told['first_day']} to {told['last_day']}, settled through {told['settled_through']}"
    assert (data["window"], data["missing days"]) == ("30 days in an answer", "none")
    numbers = lines[f"numbers of {told['settled_day']}, the newest settled day"]
    assert numbers["impression"] == f"{told['impression']}, {told['window_impression']} in the window"
    assert lines["drops"] == {"not judged": "no detector has looked at it yet", "sensitivity": "normal"}
    assert "pins" not in lines
    failed, good = sections["recent polls"].split("\n")
    assert "  upstream_error  " in failed
    assert "out of [coffee]" in failed
    assert "  ok              " in good
    assert "30 new, 0 changed" in good


@pytest.fixture
async def troubled(database: Database) -> None:
    """A profile ``a`` that was suspended, with three missing days, a drop, and two pins that wait."""
    await add(database, "a")
    await database.execute("""
        UPDATE profile
        SET first_day = t.today - 60, last_day = t.today - 1, settled_through = t.today - 3, settle_days = 3,
            window_days = 30, state = 'suspended', state_reason = 'too many 429', next_poll_at = NULL,
            account_name = 'Acme Boards'
        FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) t
    """)
    await database.execute("""
        INSERT INTO daily_metric (profile_id, day, impression)
        SELECT p.id, p.first_day + n, 10
        FROM profile p, generate_series(0, 59) n
        WHERE n NOT IN (5, 50, 52)
    """)
    await database.execute("""
        INSERT INTO drop_verdict (profile_id, settled_through, sensitivity)
        SELECT id, settled_through, 'normal' FROM profile
    """)
    await database.execute("""
        INSERT INTO drop_episode (
            profile_id, metric, first_day, detected_day, last_day, observed, expected, expected_low, score, lost_share,
            sentence
        )
        SELECT id, 'engagement', settled_through - 3, settled_through, settled_through, 1, 10, 7, 9, 0.9, 'a fell to 1'
        FROM profile
    """)
    for ref, when in (("late", "now() - interval '1 hour'"), ("next", "now() + interval '50 hours'")):
        await database.execute(f"""
            INSERT INTO pin (profile_id, client_ref, media_urls, publish_at)
            SELECT id, '{ref}', ARRAY['https://x.example/a.jpg'], {when} FROM profile
        """)
    await database.execute("""
        INSERT INTO pin_lane (profile_id, paused_reason, paused_since) SELECT id, 'suspended', now() FROM profile
    """)


@pytest.mark.usefixtures("troubled")
async def test_the_page_of_a_profile_tells_its_gaps_its_drops_and_its_pins(
    collector: Program, database: Database
) -> None:
    shown = (await collector("profiles", "show", "a")).out

    lost, *kept = await database.fetch("SELECT day FROM missing_day ORDER BY day")
    days = ", ".join(str(row["day"]) for row in (lost, *kept))
    for line in (
        r"state    suspended: too many 429, since .*",
        r"account  Acme Boards",
        r"next poll         none, until somebody acts",
        rf"missing days      3: {days}; the next is lost in 20 days, 1 already is",
        r"open         a fell to 1",
        r"queued     2, 1 due, the next one .* \(in 2 d\)",
        r"they wait  suspended",
        r"recent polls: none",
    ):
        assert re.search(rf"^ *{line}$", shown, re.MULTILINE), (line, shown)


# Changing.


async def test_pausing_resuming_and_rotating_decide_when_a_profile_is_polled(
    collector: Program, database: Database
) -> None:
    await add(database, "a", "b")
    state = "SELECT state, state_reason, next_poll_at FROM profile WHERE name = 'a'"

    paused = await collector("profiles", "pause", "a", "--reason", "contract ended")
    assert (paused.code, paused.out) == (0, "1 paused\n")
    row = await database.fetchrow(state)
    assert row is not None
    assert (row["state"], row["state_reason"], row["next_poll_at"]) == ("paused", "contract ended", None)

    forged = await collector("profiles", "pause", "a", "--reason", "x\x1b[2Jy")
    assert (forged.code, forged.err) == (1, "error: the reason holds control characters\n")

    rotated = await collector("profiles", "rotate-key", "a", stdin="BRAND-NEW-KEY")
    assert (rotated.code, rotated.out) == (0, f"a has a new key; it is polled next{UNTRIED}\n")
    row = await database.fetchrow(state)
    assert row is not None
    assert row["state"] == "paused"
    ciphertext = await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'a'")
    assert KEYS.decrypt(ciphertext).get_secret_value() == "BRAND-NEW-KEY"

    resumed = await collector("profiles", "resume", "a")
    assert (resumed.code, resumed.out) == (0, "1 resumed; they are polled next\n")
    row = await database.fetchrow(state)
    assert row is not None
    assert (row["state"], row["state_reason"]) == ("active", None)
    assert await database.fetchval("SELECT next_poll_at <= now() FROM profile WHERE name = 'a'")

    shared = await collector("profiles", "rotate-key", "a", stdin="THE-KEY-1")
    assert shared.code == 1
    assert shared.err == "error: the profile key belongs to b already; nothing was changed\n"


async def test_a_profile_is_changed_without_its_key(collector: Program, database: Database) -> None:
    await collector("profiles", "import", "-", stdin=f"{TABLE}c,acme,THE-KEY-C,,\n")
    key = await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'a'")

    edited = await collector("profiles", "edit", "a", "--client", "globex", "--tags", "new,x", ENCRYPTION_KEYS="")
    assert (edited.code, edited.out) == (0, "a: client: acme → globex; tags: x, y → new, x\n"), edited.err
    again = await collector("profiles", "edit", "a", "--client", "globex")
    assert (again.code, again.out) == (0, "a: unchanged\n")
    cleared = await collector("profiles", "edit", "a", "--ref-id", "")
    assert cleared.out == "a: ref_id: ref-a → (none)\n"

    added = await collector("profiles", "edit", "c", "--ref-id", "ref-c")
    assert added.out == "c: ref_id: (none) → ref-c\n"
    assert (await stored(database))[0] == ("a", "globex", None, ["new", "x"])
    assert await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'a'") == key
    for options, code, why in (
        (("a",), 2, "say what to change"),
        (("nobody", "--client", "x"), 1, "no such profile: nobody"),
        (("a", "--client", ""), 1, "the client is empty"),
        (("b", "--ref-id", "ref-c"), 1, "b: the ref_id belongs to c already; nothing was changed"),
    ):
        refused = await collector("profiles", "edit", *options)
        assert (refused.code, why in refused.err) == (code, True), refused.err


async def test_a_renamed_profile_keeps_its_key_its_data_and_its_sensitivity(
    collector: Program, database: Database
) -> None:
    await collector("profiles", "import", "-", stdin=TABLE)
    await database.execute("INSERT INTO drop_sensitivity (scope, name, sensitivity) VALUES ('profile', 'a', 'low')")
    before = await database.fetchrow("SELECT id, key_ciphertext, tags FROM profile WHERE name = 'a'")

    renamed = await collector("profiles", "rename", "a", "Acme Europe")

    assert (renamed.code, renamed.out) == (0, "a is called Acme Europe now\n")
    assert await names(database) == ["Acme Europe", "b"]
    assert before == await database.fetchrow("SELECT id, key_ciphertext, tags FROM profile WHERE name = 'Acme Europe'")
    assert await database.fetchval("SELECT name FROM drop_sensitivity") == "Acme Europe"
    for old, new, why in (
        ("a", "c", "no such profile: a"),
        ("b", "Acme Europe", "Acme Europe is registered already; nothing was changed"),
        ("b", "-b", "the name begins with -, so commands would take it for an option"),
        ("b", "x\u202ey", "the name holds the invisible character U+202E"),
    ):
        refused = await collector("profiles", "rename", "--", old, new)
        assert (refused.code, why in refused.err) == (1, True), refused.err
    assert await names(database) == ["Acme Europe", "b"]


async def test_removing_asks_first_and_then_deletes_the_data(collector: Program, database: Database) -> None:
    await add(database, "a", "b")
    await database.execute(
        "INSERT INTO daily_metric (profile_id, day, impression, revision) "
        "SELECT id, current_date - n, 1, 1 FROM profile, generate_series(1, 7) AS n"
    )

    asked = await collector("profiles", "remove", "a", stdin="n\n")
    assert asked.code == 1
    assert asked.out.startswith("Delete 1 profile with 7 days of metrics, for ever? [y/N]: ")
    assert await names(database) == ["a", "b"]

    unanswered = await collector("profiles", "remove", "a")
    assert unanswered.code == 1
    assert await names(database) == ["a", "b"]

    removed = await collector("profiles", "remove", "a", "a", stdin="y\n")
    assert removed.code == 0
    assert removed.out.endswith("1 removed\n")
    assert await names(database) == ["b"]
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 7

    removed = await collector("profiles", "remove", "b", "--yes")
    assert (removed.code, removed.out) == (0, "1 removed\n")
    assert await database.fetchval("SELECT count(*) FROM daily_metric") == 0
    assert await database.fetchval("SELECT count(*) FROM profile") == 0


async def test_answering_no_removes_nothing(collector: Program, database: Database) -> None:
    await add(database, "a")
    async with collector.started("profiles", "remove", "a") as asking:
        assert asking.stdout is not None
        async with asyncio.timeout(60.0):
            await asking.stdout.readuntil(b"[y/N]: ")
            # Again: the first may come before the program waits for an answer, and be lost. Not soon: a second one
            # while it ends would kill it.
            while asking.returncode is None:
                asking.send_signal(SIGINT)
                with suppress(TimeoutError):
                    await asyncio.wait_for(asking.wait(), 5.0)
        assert asking.returncode == 1
    assert await database.fetchval("SELECT count(*) FROM profile") == 1


# Trying keys.


async def test_an_added_key_is_tried_and_what_was_found_is_told(
    calling: Program, ayrshare: Ayrshare, database: Database
) -> None:
    keys = [ayrshare.identity(index).profile_key for index in range(4)]
    await ayrshare.fault(ayrshare.identity(1).title, "unlinked")

    linked = await calling("profiles", "add", "a", "--client", "acme", stdin=keys[0])
    unlinked = await calling("profiles", "add", "b", "--client", "acme", stdin=keys[1])
    invalid = await calling("profiles", "add", "c", "--client", "acme", stdin="NO-SUCH-KEY")
    away = await calling(
        "profiles", "add", "d", "--client", "acme", stdin=keys[2], AYRSHARE_URL="http://127.0.0.1:1/api"
    )
    rotated = await calling("profiles", "rotate-key", "a", stdin="NO-SUCH-KEY")
    forced = await calling("profiles", "rotate-key", "b", "--no-check", stdin="NO-SUCH-KEY")

    assert (linked.code, linked.out) == (0, "a added; it is polled next. Its key works: linked to Pinterest\n")
    assert unlinked.code == 0
    assert unlinked.out.startswith("b added; it is polled next. Its key works: not linked to Pinterest: ")
    assert (invalid.code, invalid.out) == (1, "")
    assert invalid.err.startswith("error: the profile key is not a key of this Ayrshare account: ")
    assert away.code == 0
    assert away.out.startswith("d added; it is polled next. Its key was not tried: ")
    assert "COLLECTOR_AYRSHARE_URL" in away.out
    assert (rotated.code, "nothing was changed" in rotated.err) == (1, True)
    assert (forced.code, forced.out) == (0, "b has a new key; it is polled next\n")
    assert await names(database) == ["a", "b", "d"]
    ciphertext = await database.fetchval("SELECT key_ciphertext FROM profile WHERE name = 'a'")
    assert KEYS.decrypt(ciphertext).get_secret_value() == keys[0]


async def test_keys_of_a_table_are_tried_where_that_was_asked(
    calling: Program, ayrshare: Ayrshare, database: Database
) -> None:
    first, second = (ayrshare.identity(index) for index in range(2))
    await ayrshare.fault(second.title, "unlinked")
    good = f"{HEADER}\na,acme,{first.profile_key}\nb,acme,{second.profile_key}\n"

    refused = await calling("profiles", "import", "-", "--check", stdin=f"{good}c,acme,NO-SUCH-KEY\n")
    shown = await calling("profiles", "import", "-", "--check", "--dry-run", stdin=f"{good}c,acme,NO-SUCH-KEY\n")
    assert await names(database) == []
    taken = await calling("profiles", "import", "-", "--check", stdin=good)

    assert refused.code == 1
    assert "line 4: the profile key is not a key of this Ayrshare account: " in refused.err
    assert "NO-SUCH-KEY" not in refused.err + shown.out + shown.err
    assert (shown.code, "2 added, 0 changed, 0 unchanged, 1 refused;" in shown.out) == (1, True)
    assert (taken.code, taken.out) == (0, "2 added, 0 changed, 0 unchanged\n")
    assert taken.err.startswith(
        "keys: 1 linked to Pinterest, 1 not linked to Pinterest\nline 3: not linked to Pinterest: "
    )


# Comparing with Ayrshare.


async def test_discover_prints_linked_missing_suspended_and_deleted_profiles(
    calling: Program, ayrshare: Ayrshare
) -> None:
    first, second = ayrshare.identity(0), ayrshare.identity(1)
    rows = [f"{first.title},acme,THE-KEY-0,", f"renamed,acme,THE-KEY-1,{second.ref_id}"]
    rows += ["left long ago,acme,THE-KEY-2,no-such-ref", "whose,acme,THE-KEY-3,"]
    await calling("profiles", "import", "-", stdin="\n".join([f"{HEADER},ref_id", *rows]))
    for index, change in ((2, {"suspended": True}), (3, {"linked": False})):
        body = {"profile": ayrshare.identity(index).title} | change
        async with ayrshare.session.post(f"{ayrshare.url}/_emulator/profiles", json=body) as response:
            assert response.status == 200

    shown = await calling("profiles", "discover")
    told = json.loads((await calling("profiles", "discover", "--json")).out)

    found = {row["title"]: row for row in told["profiles"]}
    assert len(found) == 50
    assert found[first.title]["name"] == first.title
    assert found[second.title]["name"] == "renamed"
    assert found[ayrshare.identity(2).title]["suspended"]
    assert not found[ayrshare.identity(3).title]["linked"]
    assert told["gone"] == ["left long ago"]
    assert shown.code == 0
    lines = {line.split()[0]: line for line in shown.out.splitlines()}
    assert " renamed " in lines[second.title]
    assert " suspended " in lines[ayrshare.identity(2).title]
    assert " not linked " in lines[ayrshare.identity(3).title]
    missing = sum(1 for row in told["profiles"] if row["name"] is None and row["linked"])
    assert f"50 profiles at Ayrshare; {missing} linked to Pinterest and not registered here\n" in shown.out
    assert "registered here and unknown to Ayrshare: left long ago\n" in shown.out
    assert "registered without a refId, so they may be any of the above: whose;" in shown.out
    assert ayrshare.config.api_key not in shown.out + shown.err
