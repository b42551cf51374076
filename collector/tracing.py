"""Spans of what the daemon does, for OpenTelemetry.

Off, and then nothing of OpenTelemetry is imported, unless its own variables name where spans go. No span has a key, a
name, an address beyond its path, or a text that came from elsewhere.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from collector import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer

log = structlog.get_logger(__name__)

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
# The conventions of OpenTelemetry have names for these; all others are ours.
_STANDARD: Final = {"method": "http.request.method", "path": "url.path", "status": "http.response.status_code"}
# A receiver that does not answer must not keep the process from ending.
_PATIENCE_SECONDS: Final = 2.0

Value = str | int


class Span(Protocol):
    """A piece of work under way."""

    def note(self, **values: Value) -> None:
        """Add what became known meanwhile."""


class _NoSpan:
    def __enter__(self) -> Span:
        return self

    def __exit__(self, _kind: object, _error: object, _traceback: object) -> None:
        pass

    def note(self, **values: Value) -> None:
        pass


class _Recorded:
    def __init__(self, span: "OtelSpan") -> None:
        self._span = span

    def note(self, **values: Value) -> None:
        for name, value in values.items():
            self._span.set_attribute(_attribute(name), value)


_NO_SPAN: Final = _NoSpan()
_tracer: "Tracer | None" = None


def span(name: str, **values: Value) -> AbstractContextManager[Span]:
    """Record the work of a ``with`` block, inside of the one around it; an error that ends it is named by its class."""
    return _NO_SPAN if _tracer is None else _record(_tracer, name, values)


@contextmanager
def _record(tracer: "Tracer", name: str, values: dict[str, Value]) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 -- only where spans are wanted

    kind = SpanKind.CLIENT if "method" in values else SpanKind.INTERNAL
    attributes = {_attribute(key): value for key, value in values.items()}
    # The library would record the words of an error, and they may be anybody's.
    with tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as recorded:
        try:
            yield _Recorded(recorded)
        except BaseException as error:
            recorded.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def _attribute(name: str) -> str:
    return _STANDARD.get(name) or f"collector.{name}"


@contextmanager
def traced() -> Iterator[None]:
    """Send spans where OpenTelemetry's variables say, if they say so; at the end, those that are left."""
    global _tracer  # noqa: PLW0603 -- as its metrics are, the spans of a process are its own
    provider = _provider() if _wanted() else None
    if provider is None:
        yield
        return
    _tracer = provider.get_tracer("collector", __version__)
    try:
        yield
    finally:
        _tracer = None
        closing = Thread(target=provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(_PATIENCE_SECONDS)


def _wanted() -> bool:
    return any(map(os.environ.get, _ENDPOINTS)) and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def _provider() -> "TracerProvider | None":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 -- an extra
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 -- an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 -- an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 -- an extra
    except ImportError:
        # An orchestrator may set the variables for whatever it runs.
        log.warning("no spans are sent: OpenTelemetry is missing; pip install 'pinterest-collector[otel]'")
        return None
    ours = Resource.create({"service.name": "pinterest-collector", "service.version": __version__})
    # The variables have the last word.
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
