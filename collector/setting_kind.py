"""The kinds of settings: each reads the text of one, and says in plain words what it takes.

Pure. A wrong value is a ``ValueError`` that quotes it, unless it may hold a secret. What is no text is left as it is.
"""

import re
from collections.abc import Callable, Collection
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography.fernet import Fernet
from pydantic import SecretStr

_SHORTEST_TOKEN = 16
_LONGEST_SHOWN = 60
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"\d{1,18}(\.\d{1,18})?|\.\d{1,18}")
_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_QUOTES = {('"', '"'), ("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u2018", "\u2019")}
_SCHEMES = ("postgres://", "postgresql://")
# One or more of host, host:port, [IPv6]:port, :port; none is the default.
_HOSTS = re.compile(r"((\[[^\]]*\]|[^:,\[\]]*)(:[0-9]{1,5})?(,(?!$)|$))*")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")


class Kind(msgspec.Struct, frozen=True):
    """What a setting takes; its ``str`` says so."""

    def read(self, text: str) -> object:
        """Return the value. Raises ``ValueError`` for another one."""
        raise NotImplementedError

    def __call__(self, value: object) -> object:
        return self.read(value.strip()) if isinstance(value, str) else value

    def refusal(self, text: str, hint: str = "") -> ValueError:
        return ValueError(f"{shown(text)} is not {self}{hint}")


class Whole(Kind, frozen=True):
    """A whole number within bounds."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def read(self, text: str) -> int:
        if not _WHOLE.fullmatch(text) or not self.least <= int(text) <= self.most:
            raise self.refusal(text)
        return int(text)


class Rate(Kind, frozen=True):
    """A number above 0, within a bound."""

    most: float

    def __str__(self) -> str:
        return f"a number above 0, and at most {self.most:g}, like 20 or 0.5"

    def read(self, text: str) -> float:
        if not _NUMBER.fullmatch(text) or not 0 < float(text) <= self.most:
            raise self.refusal(text)
        return float(text)


class Duration(Kind, frozen=True):
    """A length of time within bounds, in seconds."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"a duration from {as_duration(self.least)} to {as_duration(self.most)}"

    def read(self, text: str) -> float:
        match = _DURATION.fullmatch(text.lower())
        if match is None:
            raise self.refusal(text, "; write 30s, 15m, 6h, 1d or a number of seconds")
        seconds = float(match[1]) * _UNITS[match[2]]
        if not self.least <= seconds <= self.most:
            raise self.refusal(text)
        return seconds


class Choice(Kind, frozen=True):
    """One of some words, in any case."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"

    def read(self, text: str) -> str:
        if text.lower() not in self.words:
            raise self.refusal(text)
        return text.lower()


class Switch(Kind, frozen=True):
    """Yes or no."""

    def __str__(self) -> str:
        return "true or false"

    def read(self, text: str) -> bool:
        if text.lower() not in _SWITCH:
            raise self.refusal(text)
        return _SWITCH[text.lower()]


class ListOf(Kind, frozen=True):
    """Several values of a kind, separated by commas; ``growing`` are those that must grow from one to the next."""

    each: Kind
    least: int = 0
    most: int = 100
    growing: bool = False

    def __str__(self) -> str:
        growing = ", each longer than the one before it" if self.growing else ""
        return f"a list, separated by commas, of which each is {self.each}{growing}"

    def read(self, text: str) -> list[object]:
        parts = [part.strip() for part in unquoted(text).split(",") if part.strip()]
        found: list[Any] = [self.each.read(part) for part in parts]
        if not self.least <= len(found) <= self.most:
            raise ValueError(
                f"{shown(text)} holds {len(found)} values; {self.least} to {self.most} are taken, each {self.each}"
            )
        if self.growing and found != sorted(set(found)):
            raise self.refusal(text)
        return found


def kind_of(marks: Collection[object]) -> Kind | None:
    """Return the kind in the metadata of a setting's field, where it has one."""
    functions = (getattr(mark, "func", None) for mark in marks)
    return next((function for function in functions if isinstance(function, Kind)), None)


def as_duration(seconds: float) -> str:
    """Return a duration as one writes it, in the largest unit that needs no fraction."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    size, unit = next((size, unit) for size, unit in _WRITTEN_UNITS if size == 1 or (seconds and seconds % size == 0))
    return f"{seconds / size:g}{unit}"


def shown(text: str) -> str:
    """Return a value for a message: on one line, cut, without what a terminal would obey."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    return (line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}...") or "an empty text"


def unquoted(text: str) -> str:
    """Return a secret without white space and quotation marks around it, which env files and copying leave there."""
    text = text.strip()
    while len(text) > 1 and (text[0], text[-1]) in _QUOTES:
        text = text[1:-1].strip()
    return text


def if_text(read: Callable[[str], object]) -> Callable[[object], object]:
    return lambda value: read(value) if isinstance(value, str) else value


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine and nothing else; a name other than localhost may be anything."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host(text: str) -> str:
    """Return an address to listen at."""
    text = text.strip()
    try:
        return str(ip_address(text))
    except ValueError:
        if not _HOST_NAME.fullmatch(text):
            raise ValueError(
                f"{shown(text)} is not an IP address or a host name; the port is COLLECTOR_HTTP_PORT"
            ) from None
    return text


def page_url(text: str, example: str = "https://pins.example.com") -> str:
    """Return a base address, without a slash at its end."""
    # What is refused may hold a password, which ends in @.
    told = f"{shown(text)} " if "@" not in text else ""
    try:
        url = urlsplit(text)
        name = url.hostname if url.scheme in {"http", "https"} and url.port != 0 else None
    except ValueError:
        name = None
    if not name or url.query or url.fragment:
        raise ValueError(f"{told}is not an http(s) address, like {example}")
    if "@" in url.netloc:
        raise ValueError("must hold neither a user nor a password: addresses are logged")
    return text.rstrip("/")


def http_url(text: str) -> str:
    """Return the base address of an API, which is sent keys, without a slash at its end."""
    url = urlsplit(page_url(text, "https://api.ayrshare.com/api"))
    name = url.hostname or ""
    if url.scheme == "http" and not _is_private(name):
        raise ValueError(
            f"{shown(text)} would send the keys unencrypted; "
            "use https (http is for addresses on this machine or network)"
        )
    if name.endswith("ayrshare.com") and not url.path.strip("/"):
        raise ValueError(f"{shown(text)} lacks /api at its end; write {text.rstrip('/')}/api")
    return text.rstrip("/")


def _is_private(name: str) -> bool:
    try:
        return ip_address(name).is_private
    except ValueError:
        return "." not in name or name.endswith((".localhost", ".local", ".internal"))


def postgresql_url(value: SecretStr) -> SecretStr:
    """Return the address of a database; what is wrong with it is said without any part of it."""
    # The parser's own error would show the password, and so would any error about a part of what follows.
    text = value.get_secret_value()
    try:
        url = urlsplit(text)
        readable = text.startswith(_SCHEMES) and _HOSTS.fullmatch(url.netloc.rpartition("@")[2])
    except ValueError:
        readable = None
    encoded = readable and "@" not in url.path + url.query and "#" not in text
    if text.startswith(_SCHEMES) and not encoded:
        raise ValueError(
            "cannot be read; percent-encode the password: @ is %40, / is %2F, # is %23, ? is %3F, : is %3A, [ is %5B"
        )
    if not readable:
        raise ValueError("is not a PostgreSQL address; write postgresql://user:password@host:5432/database")
    if any(mode != "transaction" for mode in parse_qs(url.query, keep_blank_values=True).get("pooler", [])):
        raise ValueError("has another `pooler` than `transaction`; leave it out where there is none")
    return value


def fernet_key(value: SecretStr) -> SecretStr:
    """Return an encryption key."""
    try:
        Fernet(value.get_secret_value())
    except ValueError:
        raise ValueError(
            "holds something that is not an encryption key: 32 bytes in URL-safe base64; make one with "
            "`openssl rand -base64 32 | tr '+/' '-_'`"
        ) from None
    return value


def role_password(value: SecretStr) -> SecretStr:
    """Return a password of a role of the database, which every server understands in the same way."""
    text = value.get_secret_value()
    # RFC 4013 would rewrite others.
    if not text.isascii() or not text.isprintable():
        raise ValueError("is not made of printable ASCII characters; make one with `openssl rand -hex 24`")
    return value


def token(value: SecretStr) -> SecretStr:
    """Return a token that is long enough, and that a header can carry."""
    text = value.get_secret_value()
    if len(text) < _SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"is no token: take {_SHORTEST_TOKEN} letters and digits or more; make one with `openssl rand -hex 24`"
        )
    return value
