"""The settings: their sources, which ones are refused, and that no secret is shown."""

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli import main
from collector.config import OpenPages, Role, Settings, doubts, load_settings, missing_secrets, require_secrets
from collector.errors import ConfigurationError
from collector.setting_file import PREFIX
from collector.setting_kind import Duration

ONE, TWO = (urlsafe_b64encode(digit * 32).decode() for digit in (b"1", b"2"))

# Field, text as an operator writes it, value.
WRITTEN: list[tuple[str, str, object]] = [
    ("database_url", "postgresql://u:p@db:5432/x", "postgresql://u:p@db:5432/x"),
    ("database_read_url", "postgresql://u:p@standby:5432/x", "postgresql://u:p@standby:5432/x"),
    ("data_dir", "/var/lib/collector", Path("/var/lib/collector")),
    ("pg_bindir", "/usr/lib/postgresql/17/bin", Path("/usr/lib/postgresql/17/bin")),
    ("ayrshare_url", "https://example.com/api/", "https://example.com/api"),
    ("ayrshare_api_key", "AAAA-BBBB", "AAAA-BBBB"),
    ("encryption_keys", f"{ONE}, {TWO}", (ONE, TWO)),
    ("roles", "poller, exporter", frozenset({Role.POLLER, Role.EXPORTER})),
    ("poll_interval", "15m", 900.0),
    ("poll_concurrency", "8", 8),
    ("request_timeout", "10s", 10.0),
    ("max_requests_per_second", "0.5", 0.5),
    ("settle_days", "5", 5),
    ("lease_time", "3m", 180.0),
    ("pin_lane_gap", "1m", 60.0),
    ("pin_concurrency", "16", 16),
    ("pin_reconcile_after", "30s, 2m", (30.0, 120.0)),
    ("pins_requeue_absent", "true", True),
    ("pin_spam_cooldown", "1d", 86400.0),
    ("native_pins", "true", True),
    ("retention_days", "365", 365),
    ("daemon_password", "let-me-work", "let-me-work"),
    ("grafana_password", "let-me-read", "let-me-read"),
    ("http_host", "::1", "::1"),
    ("http_port", "0", 0),
    ("api_token", "'0123456789abcdef'", "0123456789abcdef"),
    ("api_token_read", "fedcba9876543210", "fedcba9876543210"),
    ("http_open", "metrics, health", frozenset({OpenPages.METRICS, OpenPages.HEALTH})),
    ("http_behind_proxy", "true", True),
    ("notify_file", "notify.toml", Path("notify.toml")),
    ("report_file", "report.toml", Path("report.toml")),
    ("report_dir", "reports", Path("reports")),
    ("console_url", "http://pins.example.com/", "http://pins.example.com"),
    ("log_format", "json", "json"),
    ("log_level", "WARNING", "warning"),
]


def plain(value: object) -> object:
    """Return a setting with its secrets as text."""
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


@pytest.mark.parametrize("written", ['"AAAA-BBBB"', "'AAAA-BBBB'", " \u201cAAAA-BBBB\u201d "])
def test_quotation_marks_around_an_api_key_are_not_part_of_it(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_AYRSHARE_API_KEY", written)

    key = load_settings().ayrshare_api_key

    assert key is not None
    assert key.get_secret_value() == "AAAA-BBBB"


def test_the_table_holds_every_setting() -> None:
    assert [name for name, *_ in WRITTEN] == list(Settings.model_fields)


@pytest.mark.parametrize("source", ["environment", "dotenv", "folder"])
def test_every_setting_can_come_from_every_source(source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(f"{PREFIX}PG_BINDIR", raising=False)  # it may name the server that the tests use
    match source:
        case "environment":
            for name, text, _ in WRITTEN:
                monkeypatch.setenv(f"{PREFIX}{name.upper()}", text)
        case "dotenv":
            (tmp_path / ".env").write_text("".join(f'{PREFIX}{name.upper()}="{text}"\n' for name, text, _ in WRITTEN))
        case _:
            folder = tmp_path / "secrets"
            folder.mkdir()
            for name, text, _ in WRITTEN:
                (folder / f"{PREFIX.lower()}{name}").write_text(f"{text}\n")
            monkeypatch.setenv(f"{PREFIX}SECRETS_DIR", str(folder))

    settings = load_settings()

    assert {name: plain(getattr(settings, name)) for name, *_ in WRITTEN} == {name: value for name, _, value in WRITTEN}


def test_the_environment_wins_over_dotenv_and_dotenv_over_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("http_host", "http_port", "settle_days"):
        (folder / f"collector_{name}").write_text("3")
    (tmp_path / ".env").write_text(
        f"COLLECTOR_HTTP_HOST=2\nCOLLECTOR_HTTP_PORT=2\nCOLLECTOR_SECRETS_DIR={folder}\nOTHER=1\nCOLLECTOR_ROLES=\n"
    )
    monkeypatch.setenv("COLLECTOR_HTTP_HOST", "1")

    settings = load_settings()

    assert (settings.http_host, settings.http_port, settings.settle_days) == ("1", 2, 3)
    assert settings.roles == frozenset(Role), "an empty value is none"


def test_the_defaults_are_enough_to_start_from() -> None:
    settings = load_settings()

    assert settings.database_url is None
    assert settings.ayrshare_url == "https://api.ayrshare.com/api"
    assert settings.http_host == "127.0.0.1"
    assert missing_secrets(settings, api_key=False) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("15m", 900),
        ("6h", 21_600),
        ("1d", 86_400),
        ("90", 90),
        ("1.5h", 5_400),
        ("250ms", 0.25),
        (" 6 H ", 21_600),
        (7.5, 7.5),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert Duration(0, 86_400)(text) == seconds


@pytest.mark.parametrize("text", ["soon", "", "-5s", "1e3", "5 parsecs", "1h30m", "5,5s", "s", ".5s", "inf", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration from 0s to 1d; write 30s, 15m, 6h, 1d or a number of sec"):
        Duration(0, 86_400)(text)


# Field, a wrong value, and all that is said of it.
WRONG: list[tuple[str, str, str]] = [
    (
        "database_url",
        "mysql://u:hunter2@db/x",
        "is not a PostgreSQL address; write postgresql://user:password@host:5432/database",
    ),
    (
        "database_read_url",
        "postgresql://u:hunter2@db/x?pooler=session",
        "has another `pooler` than `transaction`; leave it out where there is none",
    ),
    ("ayrshare_url", "ftp://example.com", "ftp://example.com is not an http(s) address, like {url}"),
    ("ayrshare_url", "https://", "https:// is not an http(s) address, like {url}"),
    ("ayrshare_url", "https://example.com:port", "https://example.com:port is not an http(s) address, like {url}"),
    ("ayrshare_url", "https://[::1", "https://[::1 is not an http(s) address, like {url}"),
    ("ayrshare_url", "https://u:hunter2@[::1", "is not an http(s) address, like {url}"),
    ("ayrshare_url", "https://example.com/?a=b", "https://example.com/?a=b is not an http(s) address, like {url}"),
    (
        "ayrshare_url",
        "https://u:hunter2@example.com",
        "must hold neither a user nor a password: addresses are logged",
    ),
    *(
        (
            "ayrshare_url",
            url,
            f"{url} would send the keys unencrypted; use https (http is for addresses on this machine or network)",
        )
        for url in ("http://api.ayrshare.com/api", "http://8.8.8.8/api", "http://localhost.example.com")
    ),
    (
        "ayrshare_url",
        "https://api.ayrshare.com/",
        "https://api.ayrshare.com/ lacks /api at its end; write https://api.ayrshare.com/api",
    ),
    (
        "encryption_keys",
        "hunter2",
        (
            "holds something that is not an encryption key: 32 bytes in URL-safe base64; make one with "
            "`openssl rand -base64 32 | tr '+/' '-_'`"
        ),
    ),
    (
        "roles",
        "poller,dancer",
        "dancer is not one of poller, publisher, tracker, exporter, detector, notifier, reporter",
    ),
    (
        "roles",
        ",",
        (
            ", holds 0 values; 1 to 100 are taken, each one of poller, publisher, tracker, exporter, detector, "
            "notifier, reporter"
        ),
    ),
    ("poll_interval", "0s", "0s is not a duration from 1s to 1d"),
    ("poll_interval", "2d", "2d is not a duration from 1s to 1d"),
    ("poll_interval", "9" * 400, f"{'9' * 60}... is not a duration from 1s to 1d"),
    ("poll_interval", "soon", "soon is not a duration from 1s to 1d; write 30s, 15m, 6h, 1d or a number of seconds"),
    ("poll_concurrency", "0", "0 is not a whole number from 1 to 1000"),
    ("poll_concurrency", "1.5", "1.5 is not a whole number from 1 to 1000"),
    ("request_timeout", "0", "0 is not a duration from 1ms to 10m"),
    ("max_requests_per_second", "0", "0 is not a number above 0, and at most 10000, like 20 or 0.5"),
    ("max_requests_per_second", "inf", "inf is not a number above 0, and at most 10000, like 20 or 0.5"),
    ("max_requests_per_second", "nan", "nan is not a number above 0, and at most 10000, like 20 or 0.5"),
    ("settle_days", "-1", "-1 is not a whole number from 0 to 30"),
    ("settle_days", "three", "three is not a whole number from 0 to 30"),
    ("lease_time", "0.5s", "0.5s is not a duration from 1s to 1d"),
    ("pin_lane_gap", "2d", "2d is not a duration from 0s to 1d"),
    ("pin_concurrency", "1001", "1001 is not a whole number from 1 to 1000"),
    (
        "pin_reconcile_after",
        "5m,1m",
        (
            "5m,1m is not a list, separated by commas, of which each is a duration from 1s to 7d, "
            "each longer than the one before it"
        ),
    ),
    ("pin_reconcile_after", "1m,8d", "8d is not a duration from 1s to 7d"),
    ("pins_requeue_absent", "maybe", "maybe is not true or false"),
    ("native_pins", "maybe", "maybe is not true or false"),
    ("pin_spam_cooldown", "59", "59 is not a duration from 1m to 7d"),
    ("retention_days", "90", "90 is not a whole number from 91 to 36500"),
    (
        "daemon_password",
        "täglich",
        "is not made of printable ASCII characters; make one with `openssl rand -hex 24`",
    ),
    (
        "grafana_password",
        "a\tb",
        "is not made of printable ASCII characters; make one with `openssl rand -hex 24`",
    ),
    (
        "http_host",
        "0.0.0.0:9470",
        "0.0.0.0:9470 is not an IP address or a host name; the port is COLLECTOR_HTTP_PORT",
    ),
    ("http_port", "65536", "65536 is not a whole number from 0 to 65535"),
    ("http_port", "\x1b[31m", "?[31m is not a whole number from 0 to 65535"),
    ("api_token", "short", "is no token: take 16 letters and digits or more; make one with `openssl rand -hex 24`"),
    (
        "api_token_read",
        "with a space in the middle",
        "is no token: take 16 letters and digits or more; make one with `openssl rand -hex 24`",
    ),
    ("http_open", "metrics,console", "console is not one of health, metrics"),
    ("http_behind_proxy", "nginx", "nginx is not true or false"),
    ("console_url", "example", "example is not an http(s) address, like https://pins.example.com"),
    (
        "console_url",
        "https://u:hunter2@example.com",
        "must hold neither a user nor a password: addresses are logged",
    ),
    ("log_format", "xml", "xml is not one of console, json"),
    ("log_level", "loud", "loud is not one of debug, info, warning, error"),
    ("secrets_dir", "/no/such/folder", "there is no folder /no/such/folder"),
]
# Any text is one of these; whether it is the right one is found out when it is used.
FREE = {
    "data_dir",
    "pg_bindir",
    "notify_file",
    "report_file",
    "report_dir",
    "ayrshare_api_key",
}


def test_the_table_of_wrong_values_holds_every_setting() -> None:
    assert {name for name, *_ in WRONG} | FREE == {*Settings.model_fields, "secrets_dir"}


@pytest.mark.parametrize(("name", "text", "told"), WRONG)
def test_a_wrong_setting_is_refused_with_its_name_its_value_and_what_is_allowed(
    name: str, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", text)

    with pytest.raises(ConfigurationError) as raised:
        load_settings()

    assert raised.value.problems == [f"{PREFIX}{name.upper()}: {told.replace('{url}', 'https://api.ayrshare.com/api')}"]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.ayrshare.com/api",
        "http://127.0.0.1:9471/api",
        "http://[::1]:9471/api",
        "http://localhost:9471/api",
        "http://emulator:9471/api",
        "http://10.0.0.7",
        "http://ayrshare.internal",
    ],
)
def test_addresses_that_keep_the_keys_safe_are_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_AYRSHARE_URL", url)

    assert load_settings().ayrshare_url == url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@db/x",
        "postgres://u@db:5432/x?sslmode=require",
        "postgresql://u@db:6432/x?pooler=transaction&sslmode=require",
        "postgresql:///x?host=/run/postgresql",
        "postgresql://u:p@%2Frun%2Fpostgresql:5433/x",
        "postgresql://u:p@one:5432,two:5433/x",
        "postgresql://u:p@[::1]:5432,[::2]/x",
        "postgresql://u:p%40ss%2Fw%23rd@db/x",
    ],
)
def test_database_addresses_in_all_their_forms_are_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_DATABASE_URL", url)

    assert plain(load_settings().database_url) == url


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@db/x"),
        ("DATABASE_URL", "postgresql://u:hunter2@db/x?pooler=session"),
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "postgres:/u:hunter2@db/x"),
        ("DATABASE_URL", "postgresql://u:hunter2@db:port/x"),
        ("DATABASE_URL", "postgresql://u:hunter2@[db/x"),
        ("DATABASE_URL", "postgresql://u:hunter2\u2100@db/x"),  # urllib's own error quotes it
        ("ENCRYPTION_KEYS", "hunter2"),
        ("ENCRYPTION_KEYS", f"{ONE},hunter2"),
        ("ENCRYPTION_KEYS", "hunter2ключ"),
    ],
)
def test_a_wrong_secret_is_named_and_not_shown(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", text)

    with pytest.raises(ConfigurationError) as raised:
        load_settings()

    [problem] = raised.value.problems
    assert problem.startswith(f"{PREFIX}{name}: ")
    assert "hunter2" not in problem
    assert ONE not in problem
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "password", ["hunter2@ss/w#rd", "12/hunter2", "1?hunter2", "#hunter2", "1/x?y=hunter2", "[hunter2"]
)
def test_a_password_that_is_not_encoded_is_never_shown_in_part(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_DATABASE_URL", f"postgresql://user:{password}@db.example.com:5432/collector")

    with pytest.raises(ConfigurationError, match="percent-encode the password") as raised:
        load_settings()

    [problem] = raised.value.problems
    assert "hunter2" not in problem
    assert "db.example.com" not in problem


def test_a_dotenv_that_is_no_text_is_one_clear_problem(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"COLLECTOR_AYRSHARE_API_KEY=hunter2\xff\n")

    with pytest.raises(ConfigurationError, match=r"[.]env, line 1: is not UTF-8") as raised:
        load_settings()

    assert "hunter2" not in str(raised.value)


def test_settings_do_not_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_DATABASE_URL", "postgresql://u:hunter2@db/x")
    monkeypatch.setenv("COLLECTOR_AYRSHARE_API_KEY", "hunter2")
    monkeypatch.setenv("COLLECTOR_ENCRYPTION_KEYS", ONE)

    settings = load_settings()

    for shown in (repr(settings), str(settings), f"{settings.model_dump()}", settings.model_dump_json()):
        assert "hunter2" not in shown
        assert ONE not in shown


def test_missing_and_wrong_settings_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_DATABASE_URL", "postgresql://db/x")
    monkeypatch.setenv("COLLECTOR_LEASE_TIME", "soon")

    with pytest.raises(ConfigurationError) as raised:
        load_settings(missing=missing_secrets)

    wrong, no_api_key, no_keys = raised.value.problems
    assert wrong.startswith("COLLECTOR_LEASE_TIME: soon is not a duration")
    assert no_api_key.startswith("COLLECTOR_AYRSHARE_API_KEY is not set")
    assert no_keys.startswith("COLLECTOR_ENCRYPTION_KEYS is required")


def test_a_wrong_secret_is_not_also_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLECTOR_DATABASE_URL", "postgresql://db/x")
    monkeypatch.setenv("COLLECTOR_ENCRYPTION_KEYS", "hunter2")
    monkeypatch.setenv("COLLECTOR_AYRSHARE_API_KEY", "AAAA")

    with pytest.raises(ConfigurationError) as raised:
        load_settings(missing=missing_secrets)

    assert len(raised.value.problems) == 1


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "tab\there"])
def test_an_api_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="holds characters that no API key has") as raised:
        require_secrets(load_settings(ayrshare_api_key=key))

    assert key not in str(raised.value)


def test_the_documentation_of_the_settings_names_each_with_its_default() -> None:
    shown = CliRunner().invoke(main, ["run", "--help-markdown"]).stdout

    rows = [line for line in shown.splitlines() if line.startswith(f"| `{PREFIX}")]
    assert len(rows) == len(Settings.model_fields) + 1, "and the folder of secrets"
    assert any(row.startswith("| `COLLECTOR_POLL_INTERVAL` | `6h` |") for row in rows)
    assert any(row.startswith("| `COLLECTOR_DATABASE_URL` |  |") for row in rows)


def test_no_request_outlives_a_claim_that_had_to_wait_for_others() -> None:
    assert load_settings().request_seconds == 30.0
    assert load_settings(lease_time=10.0).request_seconds == 2.0


def test_a_misspelt_setting_in_the_environment_is_a_doubt_since_others_write_there_too() -> None:
    names = ["COLLECTOR_POLL_INTERVALL", "COLLECTOR_POLL_INTERVAL", "COLLECTOR_SECRETS_DIR", "PATH", "COLLECTOR_QQ"]

    assert doubts(names) == [
        "COLLECTOR_POLL_INTERVALL: there is no such setting; is COLLECTOR_POLL_INTERVAL meant?",
        "COLLECTOR_QQ: there is no such setting; `collector run --help` lists them all",
    ]


def test_a_misspelt_setting_in_our_own_files_is_refused_with_the_nearest(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "collector_ayrshare_apikey").write_text("hunter2")
    (folder / "another-program").write_text("hunter2")
    (tmp_path / ".env").write_text(
        f"COLLECTOR_SECRETS_DIR={folder}\nCOLLECTOR_POLL_INTERVALL=1h\nCOLLECTOR_HTTP_PORT=x\nGRAFANA_PASSWORD=hunter2\n"
    )

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert refused.value.problems == [
        ".env, COLLECTOR_POLL_INTERVALL: there is no such setting; is COLLECTOR_POLL_INTERVAL meant?",
        f"{folder}, collector_ayrshare_apikey: there is no such setting; is COLLECTOR_AYRSHARE_API_KEY meant?",
        "COLLECTOR_HTTP_PORT (in .env): x is not a whole number from 0 to 65535",
    ]


def test_files_with_secrets_that_everybody_may_read_are_doubted_with_the_mend(tmp_path: Path) -> None:
    folder = tmp_path / "the secrets"
    folder.mkdir()
    key, token = folder / "collector_ayrshare_api_key", folder / "collector_api_token"
    for file in (key, token):
        file.write_text("0123456789abcdef")
    env = tmp_path / ".env"
    env.write_text(f"COLLECTOR_SECRETS_DIR={folder}\nCOLLECTOR_GRAFANA_PASSWORD=hunter2\n")
    for file, mode in ((env, 0o644), (key, 0o604), (token, 0o640)):
        file.chmod(mode)

    assert doubts([]) == [
        f".env, {key} hold secrets, and every user of this machine can read them; run: chmod 600 .env '{key}'"
    ]

    key.chmod(0o600)
    assert doubts([]) == [".env holds secrets, and every user of this machine can read it; run: chmod 600 .env"]

    env.chmod(0o640)
    assert doubts([]) == []


def test_an_env_file_without_secrets_may_be_read_by_everybody(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COLLECTOR_HTTP_PORT=9\nCOLLECTOR_AYRSHARE_API_KEY=\n")
    (tmp_path / ".env").chmod(0o644)

    assert doubts([]) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b'COLLECTOR_LOG_LEVEL=info\nCOLLECTOR_AYRSHARE_API_KEY="hunter2\n',
            (
                ".env, line 2: COLLECTOR_AYRSHARE_API_KEY cannot be read; "
                "write NAME=value, between one pair of quotation marks or none"
            ),
        ),
        (b"=hunter2\n", ".env, line 1: is no setting; write NAME=value, between one pair of quotation marks or none"),
        (b"A=b\nB=hunter2\xff\n", ".env, line 2: is not UTF-8; save the file as UTF-8"),
        (
            b"COLLECTOR_POLL_INTERVAL=soon\n",
            (
                "COLLECTOR_POLL_INTERVAL (in .env): soon is not a duration from 1s to 1d; "
                "write 30s, 15m, 6h, 1d or a number of seconds"
            ),
        ),
    ],
)
def test_what_is_wrong_in_the_env_file_names_the_file_and_the_setting(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(content)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert refused.value.problems == [problem]


def test_an_env_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfCOLLECTOR_HTTP_PORT=9\r\n")

    assert load_settings().http_port == 9
