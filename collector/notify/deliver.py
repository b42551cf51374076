"""Delivers messages: to an SMTP server, and to addresses of the web."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, assert_never

import aiohttp
import aiosmtplib
from pydantic import SecretStr

from collector import __version__
from collector.errors import CollectorError
from collector.notify.body import Message, hook, mail, signature, slack, teams
from collector.notify.sentence import clean
from collector.notify.targets import ChatTarget, MailServer, MailTarget, Target, Targets, WebhookTarget

PATIENCE_SECONDS: Final = 20.0
# Worth another try although they are errors of the sender: too slow, too early, too many.
_PASSING = frozenset({408, 425, 429})
_LEAST_ERROR, _LEAST_SERVER_ERROR, _LEAST_REDIRECT = 400, 500, 300
_PERMANENT_SMTP = 500
_EXCERPT_BYTES = 500


class DeliveryError(CollectorError):
    """A message was not delivered; ``permanent`` is certain: the same would be refused again."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Deliverer:
    """Sends a message to a target once."""

    def __init__(self, targets: Targets, session: aiohttp.ClientSession) -> None:
        self._targets = targets
        self._session = session

    async def deliver(self, target: Target, message: Message) -> None:
        """Send it.

        Raises:
            DeliveryError: it was refused, or nobody answered in time; then it may have arrived all the same.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._deliver(target, message)
        except TimeoutError:
            raise DeliveryError(f"no answer within {PATIENCE_SECONDS:g} s", permanent=False) from None

    async def _deliver(self, target: Target, message: Message) -> None:
        match target:
            case MailTarget():
                await _send_mail(self._targets.smtp, target, message)
            case ChatTarget():
                body = slack(message) if target.kind == "slack" else teams(message)
                await self._post(target.url, body, {})
            case WebhookTarget():
                body = hook(message)
                signed = signature(target.secret, message.reference, int(time.time()), body) if target.secret else {}
                await self._post(target.url, body, {"webhook-id": message.reference} | signed)
            case never:
                assert_never(never)

    async def _post(self, url: SecretStr, body: bytes, headers: dict[str, str]) -> None:
        try:
            async with self._session.post(
                url.get_secret_value(),
                data=body,
                headers={"Content-Type": "application/json"} | headers,
                allow_redirects=False,
            ) as response:
                excerpt = await response.content.read(_EXCERPT_BYTES)
        except aiohttp.ClientError as error:
            # Its text may hold the address, which is a secret.
            raise DeliveryError(f"cannot be reached: {_kind(error)}", permanent=False) from None
        if response.status >= _LEAST_REDIRECT:
            raise _refused(response.status, excerpt)


def _kind(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return type(error).__name__


def _refused(status: int, excerpt: bytes) -> DeliveryError:
    said = clean(excerpt.decode("utf-8", "replace"), 200)
    permanent = status < _LEAST_SERVER_ERROR and status not in _PASSING
    return DeliveryError(f"HTTP {status}{f': {said}' if said else ''}", permanent=permanent)


async def _send_mail(server: MailServer | None, target: MailTarget, message: Message) -> None:
    if server is None:
        raise DeliveryError("there is no SMTP server", permanent=True)
    try:
        await aiosmtplib.send(
            mail(message, sender=server.sender, to=target.to),
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password.get_secret_value() if server.password else None,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            timeout=PATIENCE_SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [each.code for each in error.recipients]
        said = clean(str(error.recipients[0].message), 200) if error.recipients else ""
        permanent = all(code >= _PERMANENT_SMTP for code in codes)
        raise DeliveryError(f"SMTP {codes[0]}: {said}", permanent=permanent) from None
    except aiosmtplib.SMTPResponseException as error:
        reason = f"SMTP {error.code}: {clean(str(error.message), 200)}"
        raise DeliveryError(reason, permanent=error.code >= _PERMANENT_SMTP) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise DeliveryError(f"the SMTP server: {clean(str(error), 200)}", permanent=False) from None


@asynccontextmanager
async def open_deliverer(targets: Targets) -> AsyncIterator[Deliverer]:
    """Yield what delivers to these targets; its connections are closed at the end."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        headers={"User-Agent": f"pinterest-collector/{__version__}"},
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Deliverer(targets, session)
