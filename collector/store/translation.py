"""Turns the driver's errors into ours: an outage is one error, refused data another."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from collector.errors import (
    CollectorError,
    ConfigurationError,
    DatabaseUnavailableError,
    DataRefusedError,
    DuplicateError,
)
from collector.telemetry import DATABASE_UP

# What a SQLSTATE means, or else its class, the first two characters. All others are defects of ours and stay as is.
_MEANINGS: dict[str, type[CollectorError]] = {
    "08": DatabaseUnavailableError,  # the connection
    "25006": DatabaseUnavailableError,  # read only: a standby, until it is promoted
    "25P03": DatabaseUnavailableError,  # a transaction that idled too long
    "25P04": DatabaseUnavailableError,  # a transaction that lasted too long
    "28": DatabaseUnavailableError,  # the user cannot log in
    "3D": DatabaseUnavailableError,  # there is no such database
    "40": DatabaseUnavailableError,  # a deadlock, say: whoever lost may try again
    "53": DatabaseUnavailableError,  # out of disk, memory or connections
    "55P03": DatabaseUnavailableError,  # a lock that could not be had in time
    "57": DatabaseUnavailableError,  # shut down, or cancelled by statement_timeout
    "58": DatabaseUnavailableError,  # the operating system's errors
    "0A": DataRefusedError,  # not supported, with this data
    "21": DataRefusedError,  # a row that would be changed twice
    "22": DataRefusedError,  # a value that does not fit
    "23": DataRefusedError,  # a constraint
    "23505": DuplicateError,
    "44": DataRefusedError,  # the constraint of a view
    "53400": DataRefusedError,  # a limit of the configuration: TimescaleDB would have to unpack too much
    "54": DataRefusedError,  # larger than PostgreSQL can handle
    "P0": DataRefusedError,  # RAISE in a function
}
# No connection fails with these: they are of a file that was written meanwhile.
_OF_FILES = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS}
# "The database is not accepting connections"; in a statement it is about some object.
_NOT_ACCEPTING = "55000"


def _meaning(error: BaseException, *, connecting: bool) -> type[CollectorError] | None:
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if connecting and state == _NOT_ACCEPTING:
            return DatabaseUnavailableError
        return _MEANINGS.get(state) or _MEANINGS.get(state[:2])
    # What the driver cannot encode is an InterfaceError too, and a ValueError besides.
    return DataRefusedError if isinstance(error, ValueError) else DatabaseUnavailableError


@contextmanager
def translated(place: str = "the database", *, connecting: bool = False, noted: bool = True) -> Iterator[None]:
    """Turn the driver's errors into ours by their SQLSTATE, and note whether the database can be used.

    Of a standby it is not ``noted``: one that answers says nothing of the primary, nor does one that is away.

    Raises:
        DatabaseUnavailableError: an outage; the same will work later.
        DataRefusedError: the database or the driver cannot take what it was given; the same will fail again.
    """
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError([f"{place}: {reason_of(error)}"]) from None
    except DatabaseUnavailableError:
        _note(up=False, noted=noted)
        raise
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if isinstance(error, OSError) and error.errno in _OF_FILES:
            raise
        meaning = _meaning(error, connecting=connecting)
        if meaning is DatabaseUnavailableError:
            _note(up=False, noted=noted)
            raise DatabaseUnavailableError(f"{place} cannot be used: {reason_of(error)}") from error
        if meaning is not None:
            raise _refused(meaning, error) from error
        raise
    else:
        _note(up=True, noted=noted)


def _note(*, up: bool, noted: bool) -> None:
    if noted:
        DATABASE_UP.set(int(up))


def _refused(meaning: type[CollectorError], error: BaseException) -> CollectorError:
    """Return an error of ours, with the server's advice apart from what is wrong."""
    hint = getattr(error, "hint", None)
    if not hint or not issubclass(meaning, DataRefusedError):
        return meaning(reason_of(error))
    return meaning(" ".join(str(error).partition("\nHINT:")[0].split()), hint=hint)


def reason_of(error: BaseException) -> str:
    """Return what an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
