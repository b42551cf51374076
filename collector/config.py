"""Reads the settings from the environment, ``.env`` or a folder of secrets, all at once. Shows no secret."""

import os
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from dotenv.parser import Original, parse_stream
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from collector.errors import ConfigurationError

PREFIX = "COLLECTOR_"
_ENV_FILE = ".env"

_SHORTEST_TOKEN = 16
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)")
_QUOTES = {('"', '"'), ("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u2018", "\u2019")}
# One or more of host, host:port, [IPv6]:port, :port; none is the default.
_HOSTS = re.compile(r"((\[[^\]]*\]|[^:,\[\]]*)(:[0-9]{1,5})?(,(?!$)|$))*")


class Role(StrEnum):
    """A part of the daemon's work; replicas may divide the roles among them."""

    POLLER = "poller"
    PUBLISHER = "publisher"
    EXPORTER = "exporter"
    DETECTOR = "detector"


class OpenPages(StrEnum):
    """Pages that may be opened to everybody who can reach them."""

    HEALTH = "health"
    METRICS = "metrics"


def parse_duration(text: object) -> object:
    """Return the seconds of ``30s``, ``15m``, ``6h`` or a number of seconds; other types are returned as they are."""
    if not isinstance(text, str):
        return text
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("is not a duration; write 30s, 15m, 6h, 1d or a number of seconds")
    return float(match[1]) * _UNITS[match[2]]


def unquoted(text: str) -> str:
    """Return a secret without white space and quotation marks around it, which env files and copying leave there."""
    text = text.strip()
    while len(text) > 1 and (text[0], text[-1]) in _QUOTES:
        text = text[1:-1].strip()
    return text


def _unquoted(value: object) -> object:
    return unquoted(value) if isinstance(value, str) else value


def _comma_separated(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in unquoted(value).split(",") if part.strip()]


def _ascending(value: tuple[float, ...]) -> tuple[float, ...]:
    if list(value) != sorted(set(value)):
        raise ValueError("must grow from one to the next, like 1m,5m,20m,60m")
    return value


def _http_url(value: str) -> str:
    try:
        url = urlsplit(value)
        host = url.hostname if url.scheme in {"http", "https"} and url.port != 0 else None
    except ValueError:
        host = None
    if not host or url.query or url.fragment:
        raise ValueError("is not an http(s) address")
    if "@" in url.netloc:
        raise ValueError("must hold neither a user nor a password: addresses are logged")
    if url.scheme == "http" and not _is_private(host):
        raise ValueError(
            "would send the keys unencrypted; use https (http is for addresses on this machine or network)"
        )
    if host.endswith("ayrshare.com") and not url.path.strip("/"):
        raise ValueError(f"lacks /api at its end; write {value.rstrip('/')}/api")
    return value.rstrip("/")


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))


def _postgresql_url(value: SecretStr) -> SecretStr:
    # The parser's own error would show the password, and so would any error about a part of what follows.
    text = value.get_secret_value()
    try:
        url = urlsplit(text)
        readable = url.scheme in {"postgres", "postgresql"} and _HOSTS.fullmatch(url.netloc.rpartition("@")[2])
    except ValueError:
        readable = None
    encoded = readable and "@" not in url.path + url.query and "#" not in text
    if text.startswith(("postgres://", "postgresql://")) and not encoded:
        raise ValueError(
            "cannot be read; percent-encode the password: @ is %40, / is %2F, # is %23, ? is %3F, : is %3A, [ is %5B"
        )
    if not readable:
        raise ValueError("is not a PostgreSQL address; write postgresql://user:password@host:5432/database")
    return value


def _fernet_key(value: SecretStr) -> SecretStr:
    try:
        Fernet(value.get_secret_value())
    except ValueError:
        raise ValueError(
            "holds something that is not an encryption key: 32 bytes in URL-safe base64; make one with "
            "`openssl rand -base64 32 | tr '+/' '-_'`"
        ) from None
    return value


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) < _SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"is no token: take {_SHORTEST_TOKEN} letters and digits or more; make one with `openssl rand -hex 24`"
        )
    return value


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine and nothing else; a name other than localhost may be anything."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Duration = Annotated[float, BeforeValidator(parse_duration)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgresql_url)]
ApiKey = Annotated[SecretStr, BeforeValidator(_unquoted)]
ApiToken = Annotated[SecretStr, BeforeValidator(_unquoted), AfterValidator(_token)]
EncryptionKey = Annotated[SecretStr, BeforeValidator(_unquoted), AfterValidator(_fernet_key)]


class Settings(BaseSettings):
    """Every setting of the program; ``docs/configuration.md`` shows the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=_ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseUrl | None = Field(
        None,
        description="PostgreSQL or TimescaleDB to keep everything in: `postgresql://user:password@host:5432/database`, "
        "the password percent-encoded. A server on another machine must prove by TLS who it is; `?sslmode=` chooses "
        "less. Unset: a private PostgreSQL under `DATA_DIR`.",
    )
    data_dir: Path = Field(
        Path("collector-data"),
        description="Folder of the embedded database and of the keys generated for it.",
    )
    pg_bindir: Path | None = Field(
        None,
        description="Folder with `postgres` and `initdb` for the embedded database. Unset: the binaries that came with "
        "the installation. With TimescaleDB in that server, it is used.",
    )
    ayrshare_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "https://api.ayrshare.com/api", description="Base address of Ayrshare's API."
    )
    ayrshare_api_key: ApiKey | None = Field(
        None,
        description="The API key of the agency's Ayrshare account. Needed by everything that calls Ayrshare.",
    )
    encryption_keys: Annotated[tuple[EncryptionKey, ...], NoDecode, BeforeValidator(_comma_separated)] = Field(
        (),
        description="Keys that encrypt the profile keys at rest, separated by commas: the first encrypts, all decrypt. "
        "Required with `DATABASE_URL`; else one is generated into `DATA_DIR` (mode 0600).",
    )
    roles: Annotated[frozenset[Role], NoDecode, BeforeValidator(_comma_separated), Field(min_length=1)] = Field(
        frozenset(Role),
        description="What this process does, separated by commas.",
    )
    poll_interval: Annotated[Duration, Field(ge=1, le=86400)] = Field(
        21600.0,
        description="How often each profile is read. Each has its own moment of the interval, so the first gap is "
        "between half and one and a half of it. At the start, profiles that wait for longer than that are moved to "
        "their moment.",
    )
    poll_concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        32, description="How many profiles are read at the same time by this process."
    )
    request_timeout: Annotated[Duration, Field(gt=0, le=600)] = Field(
        30.0, description="How long one request to Ayrshare may take in all."
    )
    max_requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        20.0, description="Upper limit of requests to Ayrshare by this process, over all profiles."
    )
    settle_days: Annotated[int, Field(ge=0, le=30)] = Field(
        3,
        description="Pinterest restates recent days; a day this many days old when it was last read is settled.",
    )
    lease_time: Annotated[Duration, Field(ge=1, le=86400)] = Field(
        180.0,
        description="How long a claim on a profile, or on a pin, holds when its owner has died. No request may take "
        "longer than a fifth of it.",
    )
    pin_lane_gap: Annotated[Duration, Field(ge=0, le=86400)] = Field(
        10.0,
        description="Time between two pins of a profile. Ayrshare takes 300 requests of a profile in five minutes.",
    )
    pin_concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        64, description="How many pins are sent at the same time by this process, each of another profile."
    )
    pin_reconcile_after: Annotated[
        tuple[Annotated[Duration, Field(ge=1, le=604800)], ...],
        NoDecode,
        BeforeValidator(_comma_separated),
        Field(min_length=1, max_length=20),
        AfterValidator(_ascending),
    ] = Field(
        (60.0, 300.0, 1200.0, 3600.0),
        description="When Ayrshare's history is checked for an unknown pin, counted from when it became unknown; "
        "separated by commas.",
    )
    pins_requeue_absent: bool = Field(
        False,  # noqa: FBT003 -- a default
        description="Send a pin again that the last of these checks did not find. Unset: it stays `unknown` until "
        "`collector pins retry`.",
    )
    pin_spam_cooldown: Annotated[Duration, Field(ge=60, le=604800)] = Field(
        21600.0, description="How long a profile publishes nothing after Pinterest blocked it as spam."
    )
    retention_days: Annotated[int, Field(ge=91)] | None = Field(
        None,
        description="Delete days, their former versions and snapshots older than this many days. Unset: kept for ever.",
    )
    grafana_password: SecretStr | None = Field(
        None,
        description="Password that `collector migrate` gives to the role `grafana_reader`, with which Grafana reads. "
        "Unset: the role keeps the one it has.",
    )
    http_host: str = Field(
        "127.0.0.1",
        description="Address on which the pages are served. One that other machines reach needs `API_TOKEN` or "
        "`API_TOKEN_READ`.",
    )
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        9470, description="Port on which the pages are served; 0 finds a free one."
    )
    api_token: ApiToken | None = Field(
        None,
        description="Whoever sends it as `Authorization: Bearer`, or signs in with it, may see and change everything. "
        "With neither token set, everybody on this machine may. `collector tokens` makes more.",
    )
    api_token_read: ApiToken | None = Field(None, description="The same for those who may only look.")
    http_open: Annotated[frozenset[OpenPages], NoDecode, BeforeValidator(_comma_separated)] = Field(
        frozenset(),
        description="Pages that need no token, separated by commas: `health`, `metrics`.",
    )
    http_behind_proxy: bool = Field(
        False,  # noqa: FBT003 -- a default
        description="Whether all requests come through a reverse proxy that sets `X-Forwarded-For`, "
        "`X-Forwarded-Proto` and `X-Forwarded-Host`. They are believed then: for the limit of wrong tokens, and so "
        "that cookies go over https only.",
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="How log lines are written, on standard error."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lambda v: str(v).lower())] = (
        Field("info", description="The least important log lines that are written.")
    )

    @property
    def calls_ayrshare(self) -> bool:
        """Whether the roles of this process need the API key and the profile keys."""
        return bool(self.roles & {Role.POLLER, Role.PUBLISHER})

    @property
    def request_seconds(self) -> float:
        """How long a request may take, so that a claim outlasts a request that had to wait for three others."""
        return min(self.request_timeout, self.lease_time / 5)


def load_settings(
    *,
    missing: Callable[[Settings], list[str]] = lambda _settings: [],
    **overrides: Any,  # noqa: ANN401 -- whatever the fields take
) -> Settings:
    """Read the settings; ``overrides`` (field names) win over the environment, ``missing`` returns what else is needed.

    Raises:
        ConfigurationError: something is wrong or missing; it lists every problem, and shows no secret.
    """
    try:
        in_file = _names_in_env_file()
        settings, problems = _read(overrides | {"_secrets_dir": _secrets_dir()})
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError([f"the settings cannot be read: {error}"]) from None
    # A wrong setting was replaced by its default, and would be reported as missing as well.
    lacking = missing(settings) if settings is not None else []
    problems = [_with_file(text, in_file) for text in problems]
    problems += [
        text for text in lacking if not any(text.split()[0] == known.split()[0].rstrip(":") for known in problems)
    ]
    if settings is None or problems:
        raise ConfigurationError(problems)
    return settings


def _read(arguments: dict[str, Any]) -> tuple[Settings | None, list[str]]:
    """Return the settings, wrong ones replaced by their defaults (None if that is not possible), and the problems."""
    try:
        return Settings(**arguments), []
    except ValidationError as error:
        found = error.errors()
    problems = [_problem(item["loc"], item["msg"]) for item in found]
    wrong = {str(item["loc"][0]) for item in found}
    try:
        return Settings(**(arguments | {name: Settings.model_fields[name].default for name in wrong})), problems
    except ValidationError:
        return None, problems


def _names_in_env_file() -> set[str]:
    """Return the names that ``.env`` sets.

    Raises:
        ConfigurationError: it has lines that cannot be read, which would be passed over otherwise.

    """
    path = Path(_ENV_FILE)
    if not path.is_file():
        return set()
    data = path.read_bytes()
    try:
        found = list(parse_stream(StringIO(data.decode("utf-8-sig"))))
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise ConfigurationError([f"{_ENV_FILE}, line {line}: is not UTF-8; save the file as UTF-8"]) from None
    problems = [_bad_line(each.original) for each in found if each.error]
    if problems:
        raise ConfigurationError(problems)
    return {each.key.upper() for each in found if each.key}


def _bad_line(original: Original) -> str:
    # Never the value: it may be a secret.
    name = re.match(r"\s*(?:export\s+)?(\w+)", original.string)
    what = f"{name[1]} cannot be read" if name else "is no setting"
    return f"{_ENV_FILE}, line {original.line}: {what}; write NAME=value, between one pair of quotation marks or none"


def _with_file(problem: str, in_file: set[str]) -> str:
    name, colon, rest = problem.partition(":")
    return f"{name} (in {_ENV_FILE}){colon}{rest}" if name in in_file and name not in os.environ else problem


def _secrets_dir() -> str | None:
    class Where(BaseSettings):
        model_config = SettingsConfigDict(
            env_prefix=PREFIX,
            env_file=_ENV_FILE,
            env_file_encoding="utf-8-sig",
            env_ignore_empty=True,
            extra="ignore",
        )
        secrets_dir: str | None = None

    folder = Where().secrets_dir
    if folder is not None and not Path(folder).is_dir():
        raise ConfigurationError([f"{PREFIX}SECRETS_DIR: there is no folder {folder}"])
    return folder


def _problem(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    return f"{PREFIX}{str(location[0]).upper()}: {message[:1].lower()}{message[1:]}"


def unknown_settings(environment: Iterable[str]) -> list[str]:
    """Return the names in the environment that look like settings but are not, so that a misspelt one is noticed."""
    known = {f"{PREFIX}{name.upper()}" for name in (*Settings.model_fields, "secrets_dir")}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def require_secrets(settings: Settings, *, api_key: bool = True) -> None:
    """Check that the encryption keys are set and, with ``api_key``, the API key of Ayrshare.

    Raises:
        ConfigurationError: something is missing; it lists everything.
    """
    problems = missing_secrets(settings, api_key=api_key)
    if problems:
        raise ConfigurationError(problems)


def missing_secrets(settings: Settings, *, api_key: bool = True) -> list[str]:
    """Return the problems that :func:`require_secrets` would raise."""
    problems = _api_key_problems(settings.ayrshare_api_key) if api_key else []
    if settings.database_url is not None and not settings.encryption_keys:
        problems.append(
            f"{PREFIX}ENCRYPTION_KEYS is required with {PREFIX}DATABASE_URL: it encrypts the profile keys; "
            "make one with `openssl rand -base64 32 | tr '+/' '-_'` and keep it safe"
        )
    return problems


def missing_token(settings: Settings) -> list[str]:
    """Return the problem of pages that other machines reach and nothing protects, if it is one."""
    if is_loopback(settings.http_host) or settings.api_token or settings.api_token_read:
        return []
    why = f"because other machines reach {PREFIX}HTTP_HOST {settings.http_host}"
    return [f"{PREFIX}API_TOKEN or {PREFIX}API_TOKEN_READ is required, {why}; make one with `openssl rand -hex 24`"]


def _api_key_problems(key: SecretStr | None) -> list[str]:
    name = f"{PREFIX}AYRSHARE_API_KEY"
    if key is None:
        return [f"{name} is not set: put the API key of your Ayrshare account into it"]
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        return [f"{name} holds characters that no API key has"]
    return []
