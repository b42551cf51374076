"""Reads the address of a database: what to call it without its password, and whether to insist on TLS."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from collector.errors import DatabaseUnavailableError
from collector.setting_kind import is_loopback

_NO_TLS = (
    "the server offers no TLS, and the password would travel in clear text; turn TLS on there, or add sslmode=disable "
    "to COLLECTOR_DATABASE_URL where nobody can listen"
)
_UNKNOWN = (
    "the server's certificate is not trusted ({}); add sslrootcert=FILE with its authority to COLLECTOR_DATABASE_URL, "
    "or sslmode=require, which encrypts without knowing who answers"
)
_POOLER = "this is PgBouncer, not a server; add pooler=transaction to COLLECTOR_DATABASE_URL"


def place(dsn: str, named: str = "COLLECTOR_DATABASE_URL") -> str:
    """Name the database of an address and what holds the address."""
    return f"{database_at(dsn)} ({named})"


def database_at(dsn: str) -> str:
    """Name the database of an address, without the password in it."""
    url = urlsplit(dsn)
    host = url.hostname or parse_qs(url.query).get("host", ["this machine"])[0]
    port = f":{url.port}" if url.port else ""
    return f"the database {url.path.strip('/') or 'postgres'} at {host}{port}"


def tls(dsn: str) -> dict[str, Any]:
    """Return what to tell the driver about TLS: off this machine, verify-full unless the address chooses otherwise.

    Certificates are compared with those that the system trusts, or with ``sslrootcert``.
    """
    query = parse_qs(urlsplit(dsn).query)
    if "sslmode" in query or os.environ.get("PGSSLMODE") or all(map(_is_here, _hosts(dsn))):
        return {}
    own = not query.keys().isdisjoint(("sslrootcert", "sslcert")) or "PGSSLROOTCERT" in os.environ
    own = own or Path("~/.postgresql/root.crt").expanduser().exists()
    return {"ssl": "verify-full" if own else ssl.create_default_context()}


def pooled(dsn: str) -> bool:
    """Tell whether the address says that PgBouncer in transaction mode stands before the server."""
    return "pooler" in parse_qs(urlsplit(dsn).query)


def for_driver(dsn: str) -> str:
    """Return the address without what only we understand."""
    url = urlsplit(dsn)
    return url._replace(
        query="&".join(each for each in url.query.split("&") if not each.startswith("pooler="))
    ).geturl()


@contextmanager
def explained(dsn: str) -> Iterator[None]:
    """Say what can be done about a connection that failed on its way. Raises ``DatabaseUnavailableError``."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise DatabaseUnavailableError(f"{place(dsn)}: {_UNKNOWN.format(error.verify_message)}") from error
    except ConnectionError as error:
        if "rejected SSL upgrade" not in str(error):
            raise
        raise DatabaseUnavailableError(f"{place(dsn)}: {_NO_TLS}") from error
    except asyncpg.PostgresError as error:
        if "unsupported startup parameter" not in str(error):
            raise
        raise DatabaseUnavailableError(f"{place(dsn)}: {_POOLER}") from error


def _hosts(dsn: str) -> list[str]:
    url = urlsplit(dsn)
    listed = url.netloc.rpartition("@")[2] or ",".join(parse_qs(url.query).get("host", []))
    return [_without_port(unquote(each)) for each in (listed or os.environ.get("PGHOST", "")).split(",")]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.startswith("/") else host.partition(":")[0]


def _is_here(host: str) -> bool:
    # None at all is the socket of this machine.
    return not host or host.startswith("/") or is_loopback(host)
