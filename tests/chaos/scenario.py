"""What a scenario is: data, and a short function that makes something go wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.stage import Stage

ALL_ROLES = "poller,publisher,exporter,detector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing that goes wrong.

    ``first`` profiles are there before. ``daemons`` has the roles of each process; ``settings`` (without prefix) and
    ``emulator`` differ from the usual. ``play`` injects for ``seconds``, in the suite for ``short`` (None: it is not
    there). ``not_ready`` are words that ``/readyz`` must say meanwhile. ``patience`` is how many seconds everything
    may take to be well again.
    """

    name: str
    injected: str
    play: Callable[[Stage], Awaitable[None]]
    first: int = 8
    seconds: float = 0.0
    short: float | None = None
    daemons: tuple[str, ...] = (ALL_ROLES,)
    settings: Mapping[str, str] = field(default_factory=dict)
    emulator: Mapping[str, Any] = field(default_factory=dict)
    not_ready: str | None = None
    patience: float = 60.0
