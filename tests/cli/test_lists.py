"""``profiles list`` and ``pins list``: filters, orders, formats, and what a terminal shows."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.store.pool import Database
from collector.store.profile import ProfileStore
from tests.support.paths import ROOT
from tests.support.profiles import new_profile
from tests.support.program import Program

URL = "https://cdn.example.com/a.jpg"


@pytest.fixture
async def fleet(database: Database) -> None:
    """Three profiles of two clients, and a pin of each, due on the 1st, 2nd and 3rd of a December."""
    await ProfileStore(database).put(
        [new_profile("b", "K1"), new_profile("a", "K2", client="globex"), new_profile("c", "K3", client="globex")]
    )
    await database.execute(
        "UPDATE profile SET tags = '{vip,eu}', last_success_at = '2026-11-01', state = 'paused', "
        "state_reason = 'x', next_poll_at = NULL WHERE name = 'c'"
    )
    for day, name in enumerate("bac", start=1):
        await database.execute(
            "SELECT enqueue_pin($1, $2, $3, $4, publish_at => $5)",
            *(name, f"ref-{name}", [URL], f"Hello {name}", datetime(2099, 12, day, 18, tzinfo=UTC)),
        )
    await database.execute("UPDATE pin SET state = 'failed', last_error = 'too [small]' WHERE client_ref = 'ref-a'")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), ["a", "b", "c"]),
        (("--client", "globex"), ["a", "c"]),
        (("--client", "globex", "--state", "active"), ["a"]),
        (("--tag", "vip"), ["c"]),
        (("--text", "GLOB"), ["a", "c"]),
        (("--since", "2026-11-01"), ["c"]),
        (("--until", "2026-11-01"), ["a", "b"]),
        (("--sort", "client"), ["b", "a", "c"]),
        (("--sort", "last-read"), ["a", "b", "c"]),
        (("--sort", "state", "--limit", "2"), ["a", "b"]),
    ],
)
@pytest.mark.usefixtures("fleet")
async def test_profiles_are_chosen_and_ordered(collector: Program, options: tuple[str, ...], names: list[str]) -> None:
    listed = await collector("profiles", "list", "--format", "json", *options)

    assert [row["name"] for row in json.loads(listed.out)] == names, listed.err


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), ["c", "a", "b"]),
        (("--sort", "due"), ["b", "a", "c"]),
        (("--sort", "profile"), ["a", "b", "c"]),
        (("--client", "globex"), ["c", "a"]),
        (("--profile", "b"), ["b"]),
        (("--tag", "eu"), ["c"]),
        (("--state", "failed"), ["a"]),
        (("--text", "hello B"), ["b"]),
        (("--since", "2099-12-02"), ["c", "a"]),
        (("--until", "2099-12-02"), ["b"]),
        (("--limit", "1"), ["c"]),
    ],
)
@pytest.mark.usefixtures("fleet")
async def test_pins_are_chosen_and_ordered(collector: Program, options: tuple[str, ...], names: list[str]) -> None:
    listed = await collector("pins", "list", "--json", *options)

    assert [row["profile"] for row in json.loads(listed.out)] == names, listed.err


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        (("profiles", "list", "--client", "nobody"), 1, "no such client: nobody"),
        (("profiles", "list", "--client", "GLOBEX"), 1, "no such client: GLOBEX; did you mean globex?"),
        (("alerts", "backtest", "--client", "Globex"), 1, "no such client: Globex; did you mean globex?"),
        (("pins", "list", "--profile", "A", "--tag", "VIP"), 1, "no such tag: VIP; did you mean a, vip?"),
        (("profiles", "list", "--tag", "none"), 1, "no such tag: none"),
        (("profiles", "list", "--client", "glbex"), 1, "no such client: glbex; did you mean globex?"),
        (("profiles", "show", "A"), 1, "no such profile: A; did you mean a?"),
        (("pins", "list", "--client", "nobody", "--profile", "x"), 1, "no such profile: x, no such client: nobody"),
        (("pins", "list", "--profile", b"x\xff"), 1, "no such profile: x"),
        (("pins", "list", "--since", "soon"), 2, "soon is not a day; write one like 2026-12-24"),
        (("alerts", "backtest", "--since", "24.12.2026"), 2, "24.12.2026 is not a day; write one like 2026-12-24"),
        (("pins", "list", "--limit", "few"), 2, "few is not a whole number from 1 to 1000000"),
    ],
)
@pytest.mark.usefixtures("fleet")
async def test_an_unknown_name_or_a_bad_value_in_a_filter_is_an_error(
    collector: Program, command: tuple[str | bytes, ...], code: int, why: str
) -> None:
    refused = await collector(*command)

    assert (refused.code, refused.out) == (code, "")
    assert why in refused.err


@pytest.mark.usefixtures("fleet")
async def test_lists_are_csv_for_spreadsheets_and_have_dates_beside_how_far_they_are(collector: Program) -> None:
    rows = list(csv.DictReader(io.StringIO((await collector("profiles", "list", "--format", "csv")).out)))
    pins = list(csv.DictReader(io.StringIO((await collector("pins", "list", "--format", "csv")).out)))
    shown = (await collector("pins", "list", "--sort", "due")).out

    assert [(row["name"], row["tags"], row["state"]) for row in rows][2] == ("c", "vip|eu", "paused")
    assert (pins[1]["last_error"], pins[1]["publish_at"]) == ("too [small]", "2099-12-02T18:00:00+00:00")
    assert "2099-12-01 18:00 (in " in shown


@pytest.mark.usefixtures("fleet")
async def test_a_spreadsheet_calculates_no_cell_of_a_list(collector: Program, database: Database) -> None:
    await database.execute("UPDATE profile SET client = '=1+1', tags = '{@x,-y}', ref_id = '-' WHERE name = 'a'")
    await database.execute("UPDATE pin SET last_error = E'\t+1' WHERE client_ref = 'ref-a'")

    [row, *_] = csv.DictReader(io.StringIO((await collector("profiles", "list", "--format", "csv")).out))
    pins = list(csv.DictReader(io.StringIO((await collector("pins", "list", "--format", "csv")).out)))

    assert (row["name"], row["client"], row["tags"], row["ref_id"]) == ("a", "'=1+1", "'@x|-y", "'-")
    assert [pin["last_error"] for pin in pins] == ["", "'\t+1", ""]
    assert "so that a spreadsheet takes it for text" in " ".join(
        (await collector("pins", "list", "--help")).out.split()
    )


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("pins list --limit 2", "the newest 2 of 3 pins; --limit shows more"),
        ("pins list --limit 2 --sort due", "the first 2 of 3 pins; --limit shows more"),
        ("pins list --limit 3", "3 pins"),
        ("pins list --limit 1 --client globex", "the newest 1 of 2 pins; --limit shows more"),
        ("profiles list --limit 1 --tag vip", "1 profile"),
        ("profiles list --limit 2", "the first 2 of 3 profiles; --limit shows more"),
    ],
)
@pytest.mark.usefixtures("fleet")
async def test_a_list_says_of_how_many_it_shows_a_part(collector: Program, command: str, told: str) -> None:
    assert (await collector(*command.split())).out.splitlines()[-1] == told


def on_a_terminal(dsn: str, folder: Path, *arguments: str) -> str:
    """Run a command on a terminal of 200 by 5, and return what it shows."""
    ours, theirs = os.openpty()
    environment = {
        "PYTHONPATH": str(ROOT),
        "COLLECTOR_DATABASE_URL": dsn,
        "TERM": "xterm-256color",
        "PATH": os.environ["PATH"],
    }
    size = {"COLUMNS": "200", "LINES": "3", "PAGER": "sed s/^/paged:/"}
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "collector", *arguments],
            stdin=theirs,
            stdout=theirs,
            cwd=folder,
            env=environment | size,
        )
        os.close(theirs)
        shown = b""
        try:
            while chunk := screen.read(4096):
                shown += chunk
        except OSError:
            pass  # its end is an error on Linux
        assert process.wait(30) == 0
    return shown.decode()


@pytest.mark.usefixtures("fleet")
def test_a_terminal_shows_states_in_colour_and_long_lists_in_a_pager(dsn: str, tmp_path: Path) -> None:
    short = on_a_terminal(dsn, tmp_path, "pins", "list", "--limit", "2")
    long = on_a_terminal(dsn, tmp_path, "pins", "list")

    assert "\x1b[31mfailed" in short
    assert "\x1b[36mqueued" in short
    assert "too [small]" in short
    assert "paged:" not in short
    assert "paged:" in long
    assert "\x1b[31mfailed" in long


@pytest.mark.parametrize(
    ("words", "offered"),
    [("collector pro", "profiles"), ("collector profiles ren", "rename"), ("collector pins list --st", "--state")],
)
def test_a_shell_completes_commands_and_options(words: str, offered: str, tmp_path: Path) -> None:
    asked = {"_COLLECTOR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    script = "from collector.cli import main; main(prog_name='collector')"

    answer = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)} | asked,
    )

    assert f"plain,{offered}" in answer.stdout.splitlines()
