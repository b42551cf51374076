"""Defines the Prometheus metrics of ``/metrics``, and configures the log."""

import logging
import sys
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from collector import __version__

# They double the number of series, and nothing uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
REGISTRY = CollectorRegistry(auto_describe=True)

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

POLLS = Counter("collector_polls", "Polls by their outcome.", ["outcome"], registry=REGISTRY)
POLL_DURATION = Histogram(
    "collector_poll_duration_seconds", "Reading and parsing one profile.", buckets=_SECONDS, registry=REGISTRY
)
POLLS_IN_FLIGHT = Gauge("collector_polls_in_flight", "Polls under way in this process.", registry=REGISTRY)
PROFILES_DUE = Gauge(
    "collector_profiles_due", "Profiles whose next poll is due, in the whole fleet.", registry=REGISTRY
)
POLL_LAG = Gauge(
    "collector_poll_lag_seconds", "For how long the first due profile has been waiting.", registry=REGISTRY
)
API_REQUESTS = Counter(
    "collector_api_requests", "Requests to Ayrshare by HTTP status, or by the failure where there is none.",
    ["endpoint", "status"], registry=REGISTRY,
)  # fmt: skip
API_REQUEST_DURATION = Histogram(
    "collector_api_request_duration_seconds", "From sending to the last byte of the answer.", ["endpoint"],
    buckets=_SECONDS, registry=REGISTRY,
)  # fmt: skip
API_KEY_REFUSED = Gauge(
    "collector_api_key_refused", "1 while Ayrshare refuses the API key and all calls are held.", registry=REGISTRY
)
ROWS = Counter(
    "collector_rows",
    "Days of answers: new, changed, or unchanged. Those of an answer already seen today are not counted.",
    ["change"],
    registry=REGISTRY,
)
PAYLOAD_PROBLEMS = Counter(
    "collector_payload_problems", "Parts of answers that were left out.", ["reason"], registry=REGISTRY
)
LEASES_LOST = Counter(
    "collector_leases_lost", "Results dropped because the profile had been claimed by another.", registry=REGISTRY
)
PINS = Gauge("collector_pins", "Pins by their state, in the whole queue.", ["state"], registry=REGISTRY)
PINS_UNRESOLVED = Gauge(
    "collector_pins_unresolved", "Unknown pins that the last check of the history did not find.", registry=REGISTRY
)
PIN_OLDEST_DUE = Gauge(
    "collector_pin_oldest_due_seconds",
    "How long the first due pin has been waiting; those of paused lanes are not counted.",
    registry=REGISTRY,
)
PIN_LANES_PAUSED = Gauge(
    "collector_pin_lanes_paused", "Profiles whose pins wait, and why.", ["reason"], registry=REGISTRY
)
PINS_IN_FLIGHT = Gauge("collector_pins_in_flight", "Pins being sent by this process.", registry=REGISTRY)
PINS_PUBLISHED = Counter("collector_pins_published", "Pins published.", registry=REGISTRY)
PIN_FAILURES = Counter(
    "collector_pin_failures", "Attempts that did not publish their pin, or perhaps did not.", ["reason"],
    registry=REGISTRY,
)  # fmt: skip
PIN_OUTCOMES_LOST = Counter(
    "collector_pin_outcomes_lost", "Outcomes dropped because the pin had moved on.", registry=REGISTRY
)
PIN_LOOKS = Counter(
    "collector_pin_looks",
    "Checks of Ayrshare's history for unknown pins, by what they found.",
    ["found"],
    registry=REGISTRY,
)
PIN_PUBLISH_SECONDS = Histogram(
    "collector_pin_publish_seconds", "From when a pin was due until it was published.",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
    registry=REGISTRY,
)  # fmt: skip
DATABASE_UP = Gauge("collector_database_up", "1 while the database answers.", registry=REGISTRY)
DATABASE_CONNECTIONS = Gauge(
    "collector_database_connections", "Connections of this process's pool: busy or idle.", ["state"],
    registry=REGISTRY,
)  # fmt: skip
LOOP_LAST_SUCCESS = Gauge(
    "collector_loop_last_success_timestamp_seconds", "When each loop of this process last did its work.", ["loop"],
    registry=REGISTRY,
)  # fmt: skip
LOOP_FAILURES = Counter("collector_loop_failures", "Passes of a loop that failed.", ["loop"], registry=REGISTRY)
BUILD_INFO = Gauge(
    "collector_build_info", "Always 1; the labels say what is running.", ["version", "python"], registry=REGISTRY
)

BUILD_INFO.labels(__version__, ".".join(map(str, sys.version_info[:3]))).set(1)
for _change in ("new", "changed", "unchanged"):
    ROWS.labels(_change)


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
    logging.basicConfig(handlers=[handler], level=max(numeric, logging.WARNING), force=True)
