"""The file of targets: what it may say, and that everything wrong with it is named at once, without a secret."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.errors import ConfigurationError
from collector.models.notice import NoticeKind
from collector.notify.targets import ChatTarget, MailTarget, Targets, load_targets

GOOD = """
group = "2m"
stale_after = "30h"

[smtp]
host = "smtp.example.com"
username = "collector"
password = { env = "MAIL_PASSWORD" }
from = "Collector <collector@example.com>"

[[target]]
name = "anna"
kind = "email"
to = ["Anna <anna@example.com>"]
clients = ["Alder & Oak"]
events = ["drop_opened", "drop_recovered"]
send = "daily"
at = 07:30:00
timezone = "Europe/Berlin"

[[target]]
name = "ops"
kind = "slack"
url = { file = "slack" }
"""


def load(text: str) -> Targets:
    path = Path("notify.toml")
    path.write_text(text, encoding="utf-8")
    return load_targets(path)


def test_a_file_with_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    Path("slack").write_text("https://hooks.example.com/services/T/B/x\n")
    targets = load(GOOD)

    anna, ops = targets.target
    assert isinstance(anna, MailTarget)
    assert isinstance(ops, ChatTarget)
    assert (targets.group, targets.stale_after) == (120.0, 108_000.0)
    assert anna.wants(NoticeKind.DROP_OPENED, "Alder & Oak")
    assert not anna.wants(NoticeKind.DROP_OPENED, "Bergamot Tea")
    assert not anna.wants(NoticeKind.PIN_FAILED, "Alder & Oak")
    assert not anna.wants(NoticeKind.FLEET_DROP, None)
    assert ops.wants(NoticeKind.FLEET_DROP, None)
    assert ops.url.get_secret_value() == "https://hooks.example.com/services/T/B/x"
    assert "hunter2" not in repr(targets)
    assert "hooks.example.com" not in repr(targets)


def test_when_a_target_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    Path("slack").write_text("https://hooks.example.com/x")
    anna, ops = load(GOOD).target
    early = datetime(2026, 3, 28, 5, 0, tzinfo=UTC)
    late = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)

    assert anna.due(early, 120.0) == datetime(2026, 3, 28, 6, 30, tzinfo=UTC)
    # The clocks go forward that night.
    assert anna.due(late, 120.0) == datetime(2026, 3, 29, 5, 30, tzinfo=UTC)
    assert ops.due(early, 120.0) == datetime(2026, 3, 28, 5, 2, tzinfo=UTC)


def test_every_problem_is_named_at_once_and_no_secret_is_shown() -> None:
    with pytest.raises(ConfigurationError) as error:
        load(
            """
            group = "often"
            [smtp]
            host = "smtp.example.com"
            password = "hunter2"
            from = "nobody"
            [[target]]
            name = "ops"
            kind = "slack"
            url = "https://hooks.example.com/services/sesame"
            [[target]]
            kind = "email"
            to = []
            color = "red"
            [[target]]
            name = "far"
            kind = "webhook"
            url = { env = "NO_SUCH_NAME" }
            events = ["drop_opend"]
            timezone = "Mars"
            """
        )
    text = "\n".join(error.value.problems)
    for told in (
        "group: ", "smtp.password: is a secret", "smtp.from: is not an e-mail address",
        "target ops: url: is a secret", "target 2: name: is missing", "target 2: to: ",
        "target 2: color: there is no such key",
        "target far: url: the environment has no NO_SUCH_NAME", "target far: events.", "target far: timezone: ",
    ):  # fmt: skip
        assert told in text, told
    assert "hunter2" not in text
    assert "sesame" not in text


def test_a_wrong_item_is_told_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        load('[[target]]\nname="a"\nkind="email"\nto=["nobody"]')
    assert error.value.problems == ["notify.toml: target a: to.0: is not an e-mail address"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "target: is missing"),
        ("target = 3", "target: "),
        ("target = []", "target: there is none"),
        ("[[target]", "notify.toml: "),
        ('[[target]]\nname="a"\nkind="pigeon"', "target a: "),
        ('[[target]]\nname="a"\nkind="email"\nto=["a@example.com"]', "smtp: is missing"),
        ('[[target]]\nname="a"\nkind="email"\nto=["a@example.com\\nBcc: b@example.com"]', "not an e-mail address"),
        ('[[target]]\nname="a"\nkind="slack"\nurl={env="PLAIN"}', "must begin with https://"),
        (('[smtp]\nhost="h"\ntls="none"\nusername="u"\npassword={env="PLAIN"}\nfrom="a@example.com"\n'
         '[[target]]\nname="a"\nkind="email"\nto=["a@example.com"]'), "a password is sent only with"),
        ('[[target]]\nname="a"\nkind="slack"\nurl={env="SAFE"}\n[[target]]\nname="a"\nkind="teams"\nurl={env="SAFE"}',
         "target a: there are several"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIN", "http://hooks.example.com/x")
    monkeypatch.setenv("SAFE", "https://hooks.example.com/x")
    with pytest.raises(ConfigurationError) as error:
        load(text)
    assert told in "\n".join(error.value.problems)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"COLLECTOR_NOTIFY_FILE: none\.toml cannot be read"):
        load_targets(Path("none.toml"))
