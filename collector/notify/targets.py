"""Reads the targets of notifications from a TOML file. Secrets are named there and read from where they are."""

import os
import tomllib
from datetime import datetime, time, timedelta
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from collector.errors import ConfigurationError
from collector.models.notice import NoticeKind
from collector.setting_kind import Duration
from collector.wrong_place import Place, wrong_places

_LONGEST_NAME = 64
_DAY_SECONDS = 86400.0


def _secret(value: object) -> SecretStr:
    """Read a secret from the environment or a file; it is not written into the file of the targets itself."""
    match value:
        case {"env": str(name), **rest} if not rest:
            text = os.environ.get(name, "")
            if not text.strip():
                raise ValueError(f"the environment has no {name}")
        case {"file": str(path), **rest} if not rest:
            try:
                text = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                raise ValueError(f"the file {path} cannot be read") from None
        case _:
            # The message must not show what may be the secret itself.
            raise ValueError('is a secret: write { env = "NAME" } or { file = "/run/secrets/name" }')
    return SecretStr(text.strip())


def _web_address(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
    if host is None or not url.netloc.isascii():
        raise ValueError("the secret is not an address of the web")
    if url.scheme != "https" and not (url.scheme == "http" and _is_local(host)):
        raise ValueError("the address must begin with https://; http:// is for this machine only")
    return value


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _mail_address(value: str) -> str:
    try:
        name, address = parseaddr(value)
        parsed = Address(name, addr_spec=address)
    except (ValueError, IndexError, HeaderParseError):
        parsed = None
    if parsed is None or not parsed.username or "." not in parsed.domain.strip(".") or "\n" in value or "\r" in value:
        raise ValueError("is not an e-mail address")
    return value


def _zone(value: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone; write one like Europe/Berlin") from None


Secret = Annotated[SecretStr, BeforeValidator(_secret)]
SecretAddress = Annotated[SecretStr, BeforeValidator(_secret), AfterValidator(_web_address)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


class MailServer(_Strict):
    """The SMTP server that e-mail is given to. ``tls`` is ``starttls``, ``tls`` from the first byte, or ``none``."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: Secret | None = None
    sender: MailAddress = Field(alias="from")


class _Target(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
    clients: Annotated[frozenset[str], Field(min_length=1)] | None = None
    events: Annotated[frozenset[NoticeKind], Field(min_length=1)] = frozenset(NoticeKind)
    send: Literal["at once", "daily"] = "at once"
    at: time = time(8)
    timezone: Annotated[ZoneInfo, BeforeValidator(_zone)] = ZoneInfo("UTC")

    def wants(self, kind: NoticeKind, client: str | None) -> bool:
        """Tell whether it is told of this; one that has chosen clients is not told of the fleet."""
        return kind in self.events and (self.clients is None or client in self.clients)

    def due(self, found_at: datetime, group_seconds: float) -> datetime:
        """Return when something that was found then is told."""
        if self.send == "at once":
            return found_at + timedelta(seconds=group_seconds)
        local = found_at.astimezone(self.timezone)
        today = datetime.combine(local.date(), self.at, self.timezone)
        return today if today > local else datetime.combine(local.date() + timedelta(days=1), self.at, self.timezone)


class MailTarget(_Target):
    kind: Literal["email"]
    to: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=50)]


class ChatTarget(_Target):
    kind: Literal["slack", "teams"]
    url: SecretAddress


class WebhookTarget(_Target):
    kind: Literal["webhook"]
    url: SecretAddress
    secret: Secret | None = None


Target = MailTarget | ChatTarget | WebhookTarget


class Targets(_Strict):
    """Everything in the file: durations are in seconds."""

    group: Annotated[float, BeforeValidator(Duration(0, 3600))] = 300.0
    stale_after: Annotated[float, BeforeValidator(Duration(3600, 30 * _DAY_SECONDS))] = 26 * 3600.0
    loss_within_days: Annotated[int, Field(ge=1, le=60)] = 7
    smtp: MailServer | None = None
    target: tuple[Annotated[Target, Field(discriminator="kind")], ...]

    @property
    def by_name(self) -> dict[str, Target]:
        return {target.name: target for target in self.target}

    @property
    def clients(self) -> set[str]:
        """The clients that targets name."""
        return {client for target in self.target for client in target.clients or ()}


def load_targets(path: Path) -> Targets:
    """Read the file.

    Raises:
        ConfigurationError: with everything that is wrong; it shows no secret.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"COLLECTOR_NOTIFY_FILE: {path} cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: {error}"]) from None
    try:
        targets = Targets.model_validate(content)
    except ValidationError as error:
        wrong = [f"{path}: {_problem(place, why, content)}" for place, why in wrong_places(error)]
        raise ConfigurationError(wrong) from None
    if problems := _contradictions(targets):
        raise ConfigurationError([f"{path}: {each}" for each in problems])
    return targets


def _contradictions(targets: Targets) -> list[str]:
    names = [target.name for target in targets.target]
    problems = [
        f"target {name}: there are several of this name" for name in sorted(set(names)) if names.count(name) > 1
    ]
    if not targets.target:
        problems.append("target: there is none")
    if targets.smtp is None and any(isinstance(target, MailTarget) for target in targets.target):
        problems.append("smtp: is missing, and there are targets of e-mail")
    if targets.smtp is not None and (targets.smtp.username is None) != (targets.smtp.password is None):
        problems.append("smtp: username and password go together")
    if targets.smtp is not None and targets.smtp.password and targets.smtp.tls == "none":
        problems.append('smtp: a password is sent only with tls = "starttls" or "tls"')
    return problems


def _problem(location: Place, why: str, content: dict[str, Any]) -> str:
    """Return a problem as ``target ops: to.0: is not an e-mail address``."""
    place = list(location)
    where = ""
    if place[:1] == ["target"] and len(place) > 1 and isinstance(place[1], int):
        named = content["target"][place[1]]
        name = named.get("name") if isinstance(named, dict) else None
        where = f"target {name if isinstance(name, str) else place[1] + 1}: "
        # The kind that was chosen is no key of the file.
        place = [part for part in place[2:] if part not in {"email", "slack", "teams", "webhook"}]
    key = ".".join(map(str, place))
    return f"{where}{key}{': ' if key else ''}{why}"
