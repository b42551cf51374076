"""Spans, as a receiver of OpenTelemetry's protocol gets them; and that there is nothing of them where they are off."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from collector.config import Role
from collector.store.pin import PinStore
from collector.store.pool import Database
from collector.tracing import span, traced
from tests.support.ayrshare import Ayrshare
from tests.support.daemon import daemon
from tests.support.profiles import register
from tests.support.publishing import pin, truth, until
from tests.support.receivers import Receiver, receiver

DONE = "SELECT bool_and(last_poll_at IS NOT NULL) AND (SELECT state FROM pin) = 'published' FROM profile"


def received(of: Receiver) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the spans, each with its attributes and those of what sent it."""
    for _, body in of.requests:
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            for each in (each for scope in sent.scope_spans for each in scope.spans):
                told = [*sent.resource.attributes, *each.attributes]
                yield each, {one.key: one.value.string_value or one.value.int_value for one in told}


async def test_polls_and_pins_are_spans_that_show_no_key(
    database: Database, dsn: str, ayrshare: Ayrshare, monkeypatch: pytest.MonkeyPatch
) -> None:
    [profile_id] = await register(database, ayrshare, 1)
    queued = await PinStore(database).enqueue(pin("client-001", "a"))
    async with receiver() as to:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", to.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=ours")
        spans = ExitStack()
        spans.enter_context(traced())
        async with daemon(database, dsn, ayrshare, Role.POLLER, Role.PUBLISHER):
            await until(lambda: truth(database, DONE))
        await asyncio.to_thread(spans.close)
        found = list(received(to))

    names = Counter(each.name for each, _ in found)
    assert names.keys() == {"claim", "poll", "call", "parse", "write", "publish"}
    above = {each.span_id: each.name for each, _ in found}
    ways = {(above.get(each.parent_span_id), each.name, told.get("url.path")) for each, told in found}
    assert ways >= {
        ("poll", "call", "/analytics/social"),
        ("poll", "parse", None),
        ("publish", "call", "/post"),
        ("publish", "parse", None),
        (None, "write", None),
    }
    [poll] = [told for each, told in found if each.name == "poll"]
    assert (poll["collector.profile_id"], poll["collector.outcome"], poll["service.name"]) == (profile_id, "ok", "ours")
    [publish] = [told for each, told in found if each.name == "publish"]
    assert (publish["collector.pin_id"], publish["collector.state"]) == (queued.id, "published")
    [post] = [told for _, told in found if told.get("url.path") == "/post"]
    assert (post["http.request.method"], post["http.response.status_code"]) == ("POST", 200)
    sent = b"".join(body for _, body in to.requests)
    for secret in (ayrshare.config.api_key, ayrshare.identity(0).profile_key, "client-001"):
        assert secret.encode() not in sent


async def test_an_error_is_named_by_its_class_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as to:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", to.url)
        spans = ExitStack()
        spans.enter_context(traced())
        with pytest.raises(ValueError, match="a-secret"), span("poll"):
            raise ValueError("a-secret")
        await asyncio.to_thread(spans.close)
        [(failed, _)] = received(to)
    assert failed.status.message == "ValueError"
    assert b"a-secret" not in to.requests[0][1]


async def test_where_spans_are_off_opentelemetry_is_not_even_imported() -> None:
    told = "import sys, collector.cli, collector.tracing as t\nwith t.traced(), t.span('a'): pass\nprint(*sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", told, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert b"collector.tracing" in out
    assert b"opentelemetry" not in out


def test_a_daemon_without_opentelemetry_says_so_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with capture_logs() as lines, traced(), span("poll") as polling:
        polling.note(outcome="ok")
    [line] = lines
    assert "pip install" in line["event"]
