"""Reads the settings from the environment, ``.env`` or a folder of secrets, all at once. Shows no secret."""

import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from collector.errors import ConfigurationError
from collector.setting_file import (
    ENV_FILE,
    ENV_FILE_ENCODING,
    PREFIX,
    exposed,
    files_in_folder,
    misspelt,
    names_in_env_file,
)
from collector.setting_kind import (
    Choice,
    Duration,
    ListOf,
    Rate,
    Switch,
    Whole,
    fernet_key,
    host,
    http_url,
    if_text,
    is_loopback,
    page_url,
    postgresql_url,
    role_password,
    token,
    unquoted,
)


class Role(StrEnum):
    """A part of the daemon's work; replicas may divide the roles among them."""

    POLLER = "poller"
    PUBLISHER = "publisher"
    TRACKER = "tracker"
    EXPORTER = "exporter"
    DETECTOR = "detector"
    NOTIFIER = "notifier"
    REPORTER = "reporter"


class OpenPages(StrEnum):
    """Pages that may be opened to everybody who can reach them."""

    HEALTH = "health"
    METRICS = "metrics"


ApiKey = Annotated[SecretStr, BeforeValidator(if_text(unquoted))]
DatabaseUrl = Annotated[SecretStr, AfterValidator(postgresql_url)]
RolePassword = Annotated[SecretStr, AfterValidator(role_password)]
ApiToken = Annotated[SecretStr, BeforeValidator(if_text(unquoted)), AfterValidator(token)]
EncryptionKey = Annotated[SecretStr, BeforeValidator(if_text(unquoted)), AfterValidator(fernet_key)]


def _comma_separated(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in unquoted(value).split(",") if part.strip()]


class Settings(BaseSettings):
    """Every setting of the program; ``docs/configuration.md`` shows the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding=ENV_FILE_ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseUrl | None = Field(
        None,
        description="PostgreSQL or TimescaleDB to keep everything in: `postgresql://user:password@host:5432/database`, "
        "the password percent-encoded. A server on another machine must prove by TLS who it is; `?sslmode=` chooses "
        "less, and `?pooler=transaction` tells that it is PgBouncer in transaction mode. "
        "Unset: a private PostgreSQL under `DATA_DIR`.",
    )
    database_read_url: DatabaseUrl | None = Field(
        None,
        description="A standby of that database, from which the pages, the API and the fleet page are read while it is "
        "well; else they are read from `DATABASE_URL`.",
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
    ayrshare_url: Annotated[str, AfterValidator(http_url)] = Field(
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
    roles: Annotated[frozenset[Role], NoDecode, BeforeValidator(ListOf(Choice(tuple(Role)), least=1))] = Field(
        frozenset(Role),
        description="What this process does.",
    )
    poll_interval: Annotated[float, BeforeValidator(Duration(1, 86400))] = Field(
        21600.0,
        description="How often each profile is read. Each has its own moment of the interval, so the first gap is "
        "between half and one and a half of it. At the start, profiles that wait for longer than that are moved to "
        "their moment.",
    )
    poll_concurrency: Annotated[int, BeforeValidator(Whole(1, 1000))] = Field(
        32, description="How many profiles are read at the same time by this process."
    )
    request_timeout: Annotated[float, BeforeValidator(Duration(0.001, 600))] = Field(
        30.0, description="How long one request to Ayrshare may take in all."
    )
    max_requests_per_second: Annotated[float, BeforeValidator(Rate(10_000))] = Field(
        20.0, description="Upper limit of requests to Ayrshare by this process, over all profiles."
    )
    settle_days: Annotated[int, BeforeValidator(Whole(0, 30))] = Field(
        3,
        description="Pinterest restates recent days; a day this many days old when it was last read is settled.",
    )
    lease_time: Annotated[float, BeforeValidator(Duration(1, 86400))] = Field(
        180.0,
        description="How long a claim on a profile, or on a pin, holds when its owner has died. No request may take "
        "longer than a fifth of it.",
    )
    pin_lane_gap: Annotated[float, BeforeValidator(Duration(0, 86400))] = Field(
        10.0,
        description="Time between two pins of a profile. Ayrshare takes 300 requests of a profile in five minutes.",
    )
    pin_concurrency: Annotated[int, BeforeValidator(Whole(1, 1000))] = Field(
        64, description="How many pins are sent at the same time by this process, each of another profile."
    )
    pin_reconcile_after: Annotated[
        tuple[float, ...],
        NoDecode,
        BeforeValidator(ListOf(Duration(1, 604800), least=1, most=20, growing=True)),
    ] = Field(
        (60.0, 300.0, 1200.0, 3600.0),
        description="When Ayrshare's history is checked for an unknown pin, counted from when it became unknown.",
    )
    pins_requeue_absent: Annotated[bool, BeforeValidator(Switch())] = Field(
        default=False,
        description="Send a pin again that the last of these checks did not find. Unset: it stays `unknown` until "
        "`collector pins retry`.",
    )
    pin_spam_cooldown: Annotated[float, BeforeValidator(Duration(60, 604800))] = Field(
        21600.0, description="How long a profile publishes nothing after Pinterest blocked it as spam."
    )
    native_pins: Annotated[bool, BeforeValidator(Switch())] = Field(
        default=False,
        description="Ask Ayrshare once a day for the pins of each account that were not made here, and show them among "
        "the best pins. Off, because it is not confirmed what Ayrshare answers.",
    )
    retention_days: Annotated[int | None, BeforeValidator(Whole(91, 36_500))] = Field(
        None,
        description="Delete days, their former versions, snapshots, results of pins, and what was found of the days, "
        "when older than this many days. Unset: kept for ever.",
    )
    daemon_password: RolePassword | None = Field(
        None,
        description="Password that `collector migrate` gives to the role `collector_daemon`, with which the daemon can "
        "work instead of as the owner of the tables. Unset: the role keeps the one it has.",
    )
    grafana_password: RolePassword | None = Field(
        None,
        description="Password that `collector migrate` gives to the role `grafana_reader`, with which Grafana reads. "
        "Unset: the role keeps the one it has.",
    )
    http_host: Annotated[str, AfterValidator(host)] = Field(
        "127.0.0.1",
        description="Address on which the pages are served. One that other machines reach needs `API_TOKEN` or "
        "`API_TOKEN_READ`.",
    )
    http_port: Annotated[int, BeforeValidator(Whole(0, 65535))] = Field(
        9470, description="Port on which the pages are served; 0 finds a free one."
    )
    api_token: ApiToken | None = Field(
        None,
        description="Whoever sends it as `Authorization: Bearer`, or signs in with it, may see and change everything. "
        "With neither token set, everybody on this machine may. `collector tokens` makes more.",
    )
    api_token_read: ApiToken | None = Field(None, description="The same for those who may only look.")
    http_open: Annotated[frozenset[OpenPages], NoDecode, BeforeValidator(ListOf(Choice(tuple(OpenPages))))] = Field(
        frozenset(),
        description="Pages that need no token.",
    )
    http_behind_proxy: Annotated[bool, BeforeValidator(Switch())] = Field(
        default=False,
        description="Whether all requests come through a reverse proxy that sets `X-Forwarded-For`, "
        "`X-Forwarded-Proto` and `X-Forwarded-Host`. They are believed then: for the limit of wrong tokens, and so "
        "that cookies go over https only.",
    )
    notify_file: Path | None = Field(
        None,
        description="TOML file with the people and programs that the role `notifier` tells what happened, by e-mail, "
        "Slack, Teams or webhook. Unset: nobody.",
    )
    report_file: Path | None = Field(
        None,
        description="TOML file with logo, colour and words of the reports, of the agency and of its clients. Unset: "
        "plain ones in English.",
    )
    report_dir: Path | None = Field(
        None,
        description="Folder into which the role `reporter` writes the reports of each month that is over, on the 2nd "
        "or as soon as it can after that. The notifier tells that they are there. Unset: none are written.",
    )
    console_url: Annotated[str, BeforeValidator(if_text(page_url))] | None = Field(
        None, description="Address at which people reach these pages, for the links in notifications."
    )
    log_format: Annotated[Literal["console", "json"], BeforeValidator(Choice(("console", "json")))] = Field(
        "console", description="How log lines are written, on standard error."
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(Choice(("debug", "info", "warning", "error")))
    ] = Field("info", description="The least important log lines that are written.")

    @property
    def calls_ayrshare(self) -> bool:
        """Whether the roles of this process need the API key and the profile keys."""
        return bool(self.roles & {Role.POLLER, Role.PUBLISHER, Role.TRACKER})

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
        in_file, folder = names_in_env_file(), _secrets_dir()
        wrong_names = [f"{ENV_FILE}, {text}" for text in misspelt(in_file, _known())]
        wrong_names += [f"{folder}, {text}" for text in misspelt((p.name for p in files_in_folder(folder)), _known())]
        settings, problems = _read(overrides | {"_secrets_dir": folder})
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError([f"the settings cannot be read: {error}"]) from None
    # A wrong setting was replaced by its default, and would be reported as missing as well.
    lacking = missing(settings) if settings is not None else []
    problems = [_with_file(text, in_file) for text in problems]
    problems += [
        text for text in lacking if not any(text.split()[0] == known.split()[0].rstrip(":") for known in problems)
    ]
    problems = wrong_names + problems
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


def _with_file(problem: str, in_file: set[str]) -> str:
    name, colon, rest = problem.partition(":")
    return f"{name} (in {ENV_FILE}){colon}{rest}" if name in in_file and name not in os.environ else problem


def _secrets_dir() -> str | None:
    class Where(BaseSettings):
        model_config = SettingsConfigDict(
            env_prefix=PREFIX,
            env_file=ENV_FILE,
            env_file_encoding=ENV_FILE_ENCODING,
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
    return f"{_variable(str(location[0]))}: {message}"


def _known() -> list[str]:
    return list(map(_variable, (*Settings.model_fields, "secrets_dir")))


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def doubts(environment: Iterable[str] | None = None) -> list[str]:
    """Return what looks wrong and harms nobody yet: names in the environment, and files that everybody may read.

    A name that is no setting is an error in our own files. Others write into the environment too: Kubernetes does, for
    a service that is called collector, and a daemon must not stop for that.
    """
    found = misspelt(os.environ if environment is None else environment, _known())
    secret = {
        f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if _is_secret(field.annotation)
    }
    paths = [Path(ENV_FILE)] if names_in_env_file() & secret else []
    open_to_all = exposed([*paths, *files_in_folder(_secrets_dir())])
    return found + ([open_to_all] if open_to_all is not None else [])


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


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


def missing_database(settings: Settings) -> list[str]:
    """Return the problem of a standby without the database that it follows, if it is one."""
    if settings.database_read_url is None or settings.database_url is not None:
        return []
    return [f"{PREFIX}DATABASE_URL is required with {PREFIX}DATABASE_READ_URL, which names a standby of it"]


def _api_key_problems(key: SecretStr | None) -> list[str]:
    name = f"{PREFIX}AYRSHARE_API_KEY"
    if key is None:
        return [f"{name} is not set: put the API key of your Ayrshare account into it"]
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        return [f"{name} holds characters that no API key has"]
    return []
