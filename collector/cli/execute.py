"""Runs a command's coroutine: a fast loop, and signals that end it tidily."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import click
import structlog

from collector.config import Settings, doubts, load_settings, missing_database, missing_secrets, missing_token
from collector.errors import CollectorError
from collector.telemetry import configure_logging

_new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
# There is none for some platforms; asyncio's own does the same work, slower.
with suppress(ImportError):
    from uvloop import new_event_loop as _new_event_loop

T = TypeVar("T")

log = structlog.get_logger(__name__)


def settings_for_command(*, keys: bool = False, api_key: bool = False, by_roles: bool = False) -> Settings:
    """Read the settings and set the log up by them.

    Raises:
        ConfigurationError: what is wrong, and what is missing for a command that needs the encryption ``keys``, or
            those and the ``api_key``; ``by_roles``, only if the roles of this process do.

    """

    def missing(settings: Settings) -> list[str]:
        needed = settings.calls_ayrshare if by_roles else keys or api_key
        secrets = missing_secrets(settings, api_key=by_roles or api_key) if needed else []
        return secrets + (missing_database(settings) + missing_token(settings) if by_roles else [])

    settings = load_settings(missing=missing)
    configure_logging(settings.log_format, settings.log_level)
    for doubt in doubts():
        _warn_once(doubt)
    return settings


# A command may read its settings for each of its steps.
_warn_once = cache(log.warning)


def execute(main: Coroutine[Any, Any, T], *, serves: bool = False) -> T:
    """Run ``main`` to its end, or until SIGTERM or SIGINT cancels it.

    The exit code is that of a signal then, since the work is not done; 0 after SIGTERM for what ``serves`` until that.
    """
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        try:
            return runner.run(_until_signal(main, serves=serves))
        except BaseExceptionGroup as group:
            raise _first_cause(group) from group


async def _until_signal(main: Coroutine[Any, Any, T], *, serves: bool) -> T:
    task = asyncio.ensure_future(main)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        raise click.exceptions.Exit(0 if serves and received[0] == signal.SIGTERM else 128 + received[0]) from None
    finally:
        # Or what comes after the loop, a question for example, could not be interrupted.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error meant for the operator, else the first of all."""
    leaves = list(_leaves(group))
    return next((error for error in leaves if isinstance(error, CollectorError)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]
