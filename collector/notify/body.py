"""Makes the bodies of messages: e-mail, Slack, Teams, and plain JSON with a signature. Pure but for the time given."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from itertools import groupby
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from collector.models.notice import Notice
from collector.notify.attachment import Attachment
from collector.notify.sentence import Line, clean, subject, title

_LONGEST_SUBJECT: Final = 150
_MOST_IN_MAIL: Final = 200
# Slack takes 50 blocks of 3,000 characters and about 13,000 in all, Teams 28 KB.
_MOST_IN_CHAT: Final = 20
_MOST_IN_HOOK: Final = 1000
_SIGNED: Final = "whsec_"
_CARD: Final = "application/vnd.microsoft.card.adaptive"
_STYLE: Final = "font:15px/1.5 system-ui,sans-serif;color:#1c1c1e;max-width:40rem"


class Message(msgspec.Struct, frozen=True):
    """What is told to a target at once; ``reference`` is the same each time that it is sent.

    ``attachments`` are carried by e-mail alone.
    """

    reference: str
    created_at: datetime
    lines: Sequence[Line]
    attachments: Sequence[Attachment] = ()

    @property
    def subject(self) -> str:
        return clean(subject([line.notice for line in self.lines]), _LONGEST_SUBJECT)


def mail(message: Message, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """Return an e-mail in plain text and in HTML."""
    made = EmailMessage()
    made["Subject"] = message.subject
    made["From"] = sender
    made["To"] = ", ".join(to)
    made["Date"] = format_datetime(message.created_at)
    # The same each time, so that a mailbox that gets it twice can see that.
    made["Message-ID"] = f"<{message.reference}@collector.invalid>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(_plain(message))
    made.add_alternative(_html(message), subtype="html")
    for each in message.attachments:
        kind, subtype = each.media_type
        made.add_attachment(each.content, maintype=kind, subtype=subtype, filename=each.name)
    return made


def slack(message: Message) -> bytes:
    """Return the body of an incoming webhook of Slack."""
    parts = [
        f"*{_slack_text(heading)}*\n" + "\n".join(f"• {_slack_line(line)}" for line in some)
        for heading, some in _sections(message.lines, _MOST_IN_CHAT)
    ]
    if more := _more(message.lines, _MOST_IN_CHAT):
        parts.append(more)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": _cut(part)}} for part in parts]
    return msgspec.json.encode({"text": _slack_text(message.subject), "blocks": blocks})


def teams(message: Message) -> bytes:
    """Return the body of the workflow "Post to a channel when a webhook request is received" of Teams."""
    body: list[dict[str, Any]] = [_card_text(message.subject, weight="Bolder", size="Medium")]
    for heading, some in _sections(message.lines, _MOST_IN_CHAT):
        body.append(_card_text(heading, weight="Bolder"))
        body += [_card_text(line.sentence) for line in some]
    if more := _more(message.lines, _MOST_IN_CHAT):
        body.append(_card_text(more))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if link := next((line.link for line in message.lines if line.link), None):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the console", "url": link}]
    attachment = {"contentType": _CARD, "contentUrl": None, "content": card}
    return msgspec.json.encode({"type": "message", "attachments": [attachment]})


def hook(message: Message) -> bytes:
    """Return the body of a plain webhook."""
    return msgspec.json.encode(
        {
            "id": message.reference,
            "subject": message.subject,
            "created_at": message.created_at,
            "events": [_event(line.notice, line) for line in message.lines[:_MOST_IN_HOOK]],
            "events_left_out": max(0, len(message.lines) - _MOST_IN_HOOK),
        }
    )


def signature(secret: SecretStr, reference: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows who sent a body: those of Standard Webhooks."""
    signed = f"{reference}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret.get_secret_value()), signed, hashlib.sha256).digest()
    return {
        "webhook-id": reference,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    if secret.startswith(_SIGNED):
        try:
            return base64.b64decode(secret.removeprefix(_SIGNED), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def _event(notice: Notice, line: Line) -> dict[str, Any]:
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "client": notice.client,
        "profile": notice.profile,
        "happened_at": notice.happened_at,
        "sentence": line.sentence,
        "link": line.link,
    }


def _sections(lines: Sequence[Line], most: int) -> list[tuple[str, list[Line]]]:
    """Return the first lines under their headings."""
    grouped = groupby(lines[:most], key=lambda line: line.notice.kind)
    return [(title(kind), list(some)) for kind, some in grouped]


def _more(lines: Sequence[Line], most: int) -> str | None:
    return f"… and {len(lines) - most} more." if len(lines) > most else None


def _plain(message: Message) -> str:
    parts = []
    for heading, some in _sections(message.lines, _MOST_IN_MAIL):
        told = [f"- {line.sentence}{f' <{line.link}>' if line.link else ''}" for line in some]
        parts.append("\n".join([heading, *told]))
    if more := _more(message.lines, _MOST_IN_MAIL):
        parts.append(more)
    return "\n\n".join(parts) + "\n"


def _html(message: Message) -> str:
    parts = []
    for heading, some in _sections(message.lines, _MOST_IN_MAIL):
        items = "".join(f"<li>{_html_line(line)}</li>" for line in some)
        parts.append(f'<h2 style="font-size:17px">{escape(heading)}</h2><ul>{items}</ul>')
    if more := _more(message.lines, _MOST_IN_MAIL):
        parts.append(f"<p>{escape(more)}</p>")
    return f'<!doctype html><html lang="en"><body style="{_STYLE}">{"".join(parts)}</body></html>'


def _html_line(line: Line) -> str:
    link = f' <a href="{escape(line.link)}">Open</a>' if line.link else ""
    return f"<bdi>{escape(line.sentence)}</bdi>{link}"


def _slack_line(line: Line) -> str:
    text = _slack_text(line.sentence)
    return f"{text} <{line.link}|Open>" if line.link else text


def _slack_text(text: str) -> str:
    # These three make mentions and links; a zero-width space after the others keeps them from formatting.
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"{each}\u200b" if each in "*_~`" else each for each in plain)


def _cut(text: str) -> str:
    longest = 2900
    return text if len(text) <= longest else f"{text[:longest].rpartition(chr(10))[0]}\n…"


def _card_text(text: str, **style: str) -> dict[str, Any]:
    # A TextBlock would take the text for Markdown.
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}
