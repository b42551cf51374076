"""Defines the Prometheus metrics of ``/metrics``, and configures the log."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from collector import __version__

log = structlog.get_logger(__name__)

# They double the number of series, and nothing uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
REGISTRY = CollectorRegistry(auto_describe=True)

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ANNOUNCED_AFTER_SECONDS = 2.0
_counter = partial(Counter, registry=REGISTRY)
_gauge = partial(Gauge, registry=REGISTRY)
_histogram = partial(Histogram, registry=REGISTRY, buckets=_SECONDS)

POLLS = _counter("collector_polls", "Polls by their outcome.", ["outcome"])
POLL_DURATION = _histogram("collector_poll_duration_seconds", "Reading and parsing one profile.")
POLLS_IN_FLIGHT = _gauge("collector_polls_in_flight", "Polls under way in this process.")
PROFILES_DUE = _gauge("collector_profiles_due", "Profiles whose next poll is due, in the whole fleet.")
POLL_LAG = _gauge("collector_poll_lag_seconds", "For how long the first due profile has been waiting.")
CLOCK_OFFSET = _gauge("collector_clock_offset_seconds", "How far the database's clock is ahead of this machine's.")
API_REQUESTS = _counter(
    "collector_api_requests",
    "Requests to Ayrshare by HTTP status, or by the failure where there is none.",
    ["endpoint", "status"],
)
API_REQUEST_DURATION = _histogram(
    "collector_api_request_duration_seconds", "From sending to the last byte of the answer.", ["endpoint"]
)
API_KEY_REFUSED = _gauge("collector_api_key_refused", "1 while Ayrshare refuses the API key and all calls are held.")
FLEET_REFUSED = _gauge(
    "collector_fleet_refused", "1 while Ayrshare refuses so many profiles that none is blamed, and all calls are held."
)
ROWS = _counter(
    "collector_rows",
    "Days of answers: new, changed, or unchanged. Those of an answer already seen today are not counted.",
    ["change"],
)
PAYLOAD_PROBLEMS = _counter("collector_payload_problems", "Parts of answers that were left out.", ["reason"])
LEASES_LOST = _counter("collector_leases_lost", "Results dropped because the profile had been claimed by another.")
PINS = _gauge("collector_pins", "Pins by their state, in the whole queue.", ["state"])
PINS_UNRESOLVED = _gauge("collector_pins_unresolved", "Unknown pins that the last check of the history did not find.")
PIN_OLDEST_DUE = _gauge(
    "collector_pin_oldest_due_seconds",
    "How long the first due pin has been waiting; those of paused lanes are not counted.",
)
PIN_LANES_PAUSED = _gauge("collector_pin_lanes_paused", "Profiles whose pins wait, and why.", ["reason"])
PINS_IN_FLIGHT = _gauge("collector_pins_in_flight", "Pins being sent by this process.")
PINS_PUBLISHED = _counter("collector_pins_published", "Pins published.")
PIN_FAILURES = _counter(
    "collector_pin_failures", "Attempts that did not publish their pin, or perhaps did not.", ["reason"]
)
PIN_OUTCOMES_LOST = _counter("collector_pin_outcomes_lost", "Outcomes dropped because the pin had moved on.")
PIN_LOOKS = _counter(
    "collector_pin_looks", "Checks of Ayrshare's history for unknown pins, by what they found.", ["found"]
)
PIN_PUBLISH_SECONDS = _histogram(
    "collector_pin_publish_seconds",
    "From when a pin was due, or queued if that was later, until it was published.",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
)
PIN_RESULTS = _counter("collector_pin_results", "Answers about published pins, by what they brought.", ["outcome"])
PIN_RESULTS_DUE = _gauge("collector_pin_results_due", "Published pins whose numbers are to be asked for now.")
PIN_RESULT_LAG = _gauge(
    "collector_pin_result_lag_seconds", "For how long the first published pin has been waiting to be asked about."
)
NOTIFICATIONS = _counter("collector_notifications", "Messages to people: sent, failed, or given up.", ["outcome"])
REPORTS = _counter("collector_reports", "Reports of the month that is over: written, or failed.", ["outcome"])
DATABASE_UP = _gauge("collector_database_up", "1 while the database answers.")
DATABASE_CONNECTIONS = _gauge(
    "collector_database_connections", "Connections of this process's pool: busy or idle.", ["state"]
)
LOOP_LAST_SUCCESS = _gauge(
    "collector_loop_last_success_timestamp_seconds", "When each loop of this process last did its work.", ["loop"]
)
LOOP_FAILURES = _counter("collector_loop_failures", "Passes of a loop that failed.", ["loop"])
BUILD_INFO = _gauge("collector_build_info", "Always 1; the labels say what is running.", ["version", "python"])

BUILD_INFO.labels(__version__, ".".join(map(str, sys.version_info[:3]))).set(1)
for _change in ("new", "changed", "unchanged"):
    ROWS.labels(_change)
for _outcome in ("sent", "failed", "given_up"):
    NOTIFICATIONS.labels(_outcome)
for _outcome in ("written", "failed"):
    REPORTS.labels(_outcome)


@contextmanager
def announced_wait(thing: str, *, pid: int) -> Iterator[None]:
    """Log what the database connection ``pid`` waits for, should it take longer than somebody at a terminal likes."""
    who = f"SELECT pid, usename, application_name FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids({pid}))"
    announce = partial(log.warning, "waits for another session", until=thing, held_by=who)
    timer = asyncio.get_running_loop().call_later(_ANNOUNCED_AFTER_SECONDS, announce)
    try:
        yield
    finally:
        timer.cancel()


def configure_logging(log_format: Literal["console", "json"], level: str) -> None:
    """Write log lines to standard error, those of the libraries included."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        # The renderer's own tracebacks print local variables, which can be keys.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    numeric = logging.getLevelNamesMapping()[level.upper()]
    exceptions = [structlog.processors.format_exc_info] if log_format == "json" else []
    structlog.configure(
        processors=[*shared, *exceptions, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    # The driver logs a traceback at every attempt to connect; the loops say what is down, once.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    logging.basicConfig(handlers=[handler], level=max(numeric, logging.WARNING), force=True)
