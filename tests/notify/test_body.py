"""What people and programs are sent: words, shapes, signatures, and nothing that a name could smuggle in."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from collector.models.notice import Notice, NoticeKind
from collector.notify.body import Message, hook, mail, signature, slack, teams
from collector.notify.sentence import clean, lines, subject

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
EVIL = "a\r\nBcc: all@example.com\u202egnp.exe\u200f <!channel> *b* <script>alert(1)</script> [x](javascript:1) {who}"


def notice(kind: NoticeKind = NoticeKind.DROP_OPENED, **changes: Any) -> Notice:
    usual: dict[str, Any] = {
        "id": 1, "kind": kind, "profile_id": 7, "profile": "alder-oak-us", "client": "Alder & Oak",
        "happened_at": AT, "detail": "Engagements of alder-oak-us fell to 20 a day since 1 March; 60 were expected.",
    }  # fmt: skip
    return Notice(**(usual | changes))


def message(*notices: Notice, console: str | None = "https://pins.example.com/") -> Message:
    return Message("notice-1-2", AT, lines(notices, console))


def parsed(made: EmailMessage) -> EmailMessage:
    found = message_from_bytes(made.as_bytes(), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def text_of(made: EmailMessage, kind: str) -> str:
    part = made.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_event_has_a_sentence_that_names_the_profile(kind: NoticeKind) -> None:
    [line] = lines([notice(kind, detail="5" if kind is NoticeKind.DAYS_AT_RISK else "alder-oak-us: why")], None)
    assert "alder-oak-us" in line.sentence
    assert "{" not in line.sentence
    assert line.link is None


def test_a_subject_names_what_it_is_about() -> None:
    assert subject([notice()]) == "Engagement dropped: alder-oak-us (Alder & Oak)"
    assert subject([notice(NoticeKind.FLEET_DROP, profile=None, client=None)]) == "Most profiles dropped together"
    sixty = [notice(NoticeKind.PROFILE_UNLINKED, id=place) for place in range(60)]
    assert subject([*sixty, notice()]) == "Engagement dropped (1), Pinterest is not linked any more (60)"


def test_a_mail_has_two_forms_and_a_name_of_its_own() -> None:
    made = parsed(mail(message(notice()), sender="Collector <c@example.com>", to=["a@example.com", "b@example.com"]))

    assert made["Subject"] == "Engagement dropped: alder-oak-us (Alder & Oak)"
    assert made["To"] == "a@example.com, b@example.com"
    assert made["Message-ID"] == "<notice-1-2@collector.invalid>"
    assert "fell to 20 a day" in text_of(made, "plain")
    assert "<https://pins.example.com/profiles/7>" in text_of(made, "plain")
    assert '<a href="https://pins.example.com/profiles/7">Open</a>' in text_of(made, "html")


def test_names_cannot_add_headers_mentions_markup_or_turn_the_text_round() -> None:
    evil = message(notice(NoticeKind.PIN_FAILED, profile=EVIL, client=EVIL, detail=EVIL))
    made = parsed(mail(evil, sender="c@example.com", to=["a@example.com"]))

    assert made["Bcc"] is None
    assert "\u202e" not in made.as_string() + text_of(made, "plain")
    assert "<script>" not in text_of(made, "html")
    in_slack = slack(evil).decode()
    assert "<!channel>" not in in_slack
    assert "&lt;!channel&gt;" in in_slack
    card = msgspec.json.decode(teams(evil))["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    # The name itself is data for a program; what is to be read is not.
    [event] = msgspec.json.decode(hook(evil))["events"]
    for body in (in_slack, teams(evil).decode(), event["sentence"]):
        assert "\u202e" not in body
        assert "\u200f" not in body


def test_what_a_reader_does_not_see_is_left_out() -> None:
    assert clean("a\x00b\n c\u2066d\ud800e\u2028") == "a b cd e"
    assert clean("x" * 400) == "x" * 299 + "…"


def test_the_shape_for_slack() -> None:
    made = msgspec.json.decode(slack(message(notice(), notice(NoticeKind.PIN_FAILED, id=2, detail="a_b: no"))))

    assert made["text"] == "Engagement dropped (1), Pin not published (1)"
    assert [block["type"] for block in made["blocks"]] == ["section", "section"]
    first, second = (block["text"]["text"] for block in made["blocks"])
    assert first.startswith("*Engagement dropped*\n• Engagements of alder-oak-us fell")
    assert first.endswith("<https://pins.example.com/profiles/7|Open>")
    assert "a_\u200bb" in second


def test_the_shape_for_teams() -> None:
    made = msgspec.json.decode(teams(message(notice())))

    [attachment] = made["attachments"]
    assert (made["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "Open the console", "url": "https://pins.example.com/profiles/7"}
    ]
    assert card["body"][0]["inlines"][0]["text"] == "Engagement dropped: alder-oak-us (Alder & Oak)"


def test_many_events_fit_what_the_receivers_take() -> None:
    many = message(*(notice(NoticeKind.PIN_FAILED, id=place, detail="y" * 290) for place in range(5000)))

    assert len(teams(many)) < 28_000
    in_slack = msgspec.json.decode(slack(many))
    assert all(len(block["text"]["text"]) <= 3000 for block in in_slack["blocks"])
    assert in_slack["blocks"][-1]["text"]["text"] == "… and 4980 more."
    assert msgspec.json.decode(hook(many))["events_left_out"] == 4000
    assert "… and 4800 more." in text_of(parsed(mail(many, sender="c@example.com", to=["a@example.com"])), "plain")


def test_a_signature_as_standard_webhooks_has_it() -> None:
    # The example of the specification.
    secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_secret_in_plain_words_signs_too() -> None:
    headers = signature(SecretStr("sesame"), "id", 1, b"{}")
    expected = base64.b64encode(hmac.new(b"sesame", b"id.1.{}", hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
