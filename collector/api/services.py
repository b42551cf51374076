"""What the API is given to work with."""

from collections.abc import Awaitable, Callable

import msgspec
from pydantic import SecretStr

from collector.crypto import KeyRing
from collector.loops.every import Heartbeats
from collector.publish.media import LookAtMedia
from collector.publish.operator import Check
from collector.registry.trial import Trial
from collector.store.fleet import CountedStates
from collector.store.pool import Database


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Resources, and calls that only the composition root can make.

    ``keys`` raises ``ConfigurationError`` where this process has none; so does ``check_pins``, which looks for pins in
    Ayrshare's history, without an API key. ``try_key`` asks Ayrshare about a profile key, ``look_at_media`` looks at
    images where they are. ``states`` are counted beside requests. ``problems`` are those of readiness, and ``where``
    names the place of the data.
    """

    database: Database
    heartbeats: Heartbeats
    keys: Callable[[], KeyRing]
    try_key: Callable[[SecretStr], Awaitable[Trial]]
    check_pins: Check
    look_at_media: LookAtMedia
    states: Callable[[], Awaitable[CountedStates]]
    problems: Callable[[], Awaitable[list[str]]]
    where: str
