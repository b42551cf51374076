"""Any text at all in any setting is a value or a clear problem; any address of a database can be spoken of."""

import os
from unittest.mock import patch
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from collector.config import Settings, doubts, load_settings
from collector.errors import ConfigurationError
from collector.setting_file import PREFIX
from collector.setting_kind import Duration, as_duration
from collector.store.address import place, tls

# What an environment can hold.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200)
LIKELY = st.sampled_from(
    [
        *("1", "0", "-1", "1e3", "inf", "nan", "30s", "15 m", "1.5h", "٣", "1_000", "0x10", "9" * 400, "1" * 18),
        *("true", "YES", "on,off", ",", ",,", "poller,,publisher", "60s,30s", "[1]", '"', "''", "\u201e", "\n"),
        *(
            "http://",
            "https://x",
            "http://[",
            "http://[::1",
            "https://u:p@x/",
            "http://x:99999",
            "//x",
            "http://\u2100",
        ),
        *(
            "postgresql://",
            "postgresql://u:p@[::1",
            "postgresql://u:p@h:0/d",
            "postgresql://h:1,h:2/d",
            "postgres://%zz@h",
        ),
        *("localhost", "::1", "0.0.0.0", "a" * 300, ".", "..", "/", "~", "C:\\x", "x\ty"),
    ]
)
SECRETS = ("ayrshare_api_key", "database_url", "encryption_keys", "api_token", "api_token_read")


def problems(name: str, text: str) -> list[str]:
    """Return what is wrong with a setting."""
    with patch.dict(os.environ, {f"{PREFIX}{name.upper()}": text}):
        doubts()
        try:
            load_settings()
        except ConfigurationError as error:
            return error.problems
    return []


@given(name=st.sampled_from(list(Settings.model_fields)), text=TEXTS | LIKELY)
def test_any_text_is_a_value_of_a_setting_or_a_problem_that_names_it(name: str, text: str) -> None:
    found = problems(name, text)
    assert [each for each in found if not each.startswith(f"{PREFIX}{name.upper()}") or not each.isprintable()] == []


@given(name=st.sampled_from(SECRETS), secret=st.from_regex("[A-Za-z0-9]{12,40}", fullmatch=True), after=TEXTS | LIKELY)
def test_no_problem_shows_a_secret(name: str, secret: str, after: str) -> None:
    assert [each for each in problems(name, secret + after) if secret in each] == []


@given(seconds=st.integers(0, 86_400))
def test_a_duration_as_it_is_told_is_read_as_it_was(seconds: int) -> None:
    assert Duration(0, 86_400).read(as_duration(seconds)) == seconds


@given(
    password=st.text(max_size=30).map("Geheim".__add__),
    host=st.sampled_from(
        ["db.example", "127.0.0.1", "[::1]", "[fe80::1%25eth0]", "a,b:5433", "a:1,[::1]:2", ":5432", "", "%2Ftmp"]
    ),
    rest=st.sampled_from(
        ["", "/", "/d", "/d?sslmode=disable", "/d?host=/tmp", "/?host=a&host=b", "/d?sslmode", "?", "/d%zz"]
    ),
)
def test_any_address_that_is_taken_can_be_named_without_its_password(password: str, host: str, rest: str) -> None:
    dsn = f"postgresql://user:{quote(password, safe='')}@{host}{rest}"
    assert problems("database_url", dsn) == []
    assert "Geheim" not in place(dsn)
    with patch("ssl.create_default_context"):  # it reads every certificate of the system
        assert tls(dsn).keys() <= {"ssl"}
