"""Applies a fault to one request: errors, broken bodies, silent or reset connections."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import msgspec
from aiohttp import web

from collector.emulator.bad_answers import UNTRUE, bad_answer
from collector.emulator.errors import (
    KEY_UNKNOWN,
    QUOTA_USED_UP,
    RATE_LIMITED,
    SUSPENDED,
    UNAUTHORIZED,
    Problem,
    RefusalError,
    refuse,
)
from collector.emulator.faults import Fault

# These change the work of an endpoint; the others replace or break its answer.
FAULTS_OF_THE_WORK = frozenset({"unlinked", "relink", "post_error", "processing", "short_history"})

_WORKS_FIRST = frozenset({"reset_after", "truncated", *UNTRUE})
_REFUSALS = {
    "bad_key": KEY_UNKNOWN,
    "unauthorized": UNAUTHORIZED,
    "suspended": SUSPENDED,
    "rate_limited": RATE_LIMITED,
    "quota": QUOTA_USED_UP,
}
_HANG_STEP_SECONDS = 0.05
_CHUNK = b"x" * 65_536
_HTML = "<html><head><title>{0} Bad Gateway</title></head><body><h1>{0}</h1><hr>nginx</body></html>"


async def inject(fault: Fault, request: web.Request, work: Callable[[], bytes]) -> web.StreamResponse:
    """Answer as the fault says, after the work if it says so.

    Raises:
        RefusalError: the fault is an error answer.
    """
    done = _outcome(work) if fault.after_work or fault.fault in _WORKS_FIRST else b""
    match fault.fault:
        case "reset_before" | "reset_after":
            return _reset(request)
        case "hang":
            return await _hang(request, fault.seconds)
        case "huge":
            return await _huge(request, fault.size_bytes)
        case (
            "truncated"
            | "wrong_json"
            | "no_days"
            | "no_numbers"
            | "frozen_stamp"
            | "bloated"
            | "odd_numbers"
            | "other_pin"
        ):
            body = bad_answer(fault, done)
            return web.Response(body=body, content_type="application/json")
        case "html" | "escaped":
            return _written(fault)
        case _:
            raise _refusal(fault)


def _written(fault: Fault) -> web.Response:
    if fault.fault == "html":
        status = fault.status or 502
        return web.Response(status=status, text=_HTML.format(status), content_type="text/html")
    escapes = "".join(f"\\u{ord(each):04x}" for each in fault.message or "Emulated failure.")
    text = f'{{"message":"{escapes}"}}'
    return web.Response(status=fault.status or 500, text=text, content_type="application/json")


def _refusal(fault: Fault) -> RefusalError:
    if fault.fault == "gateway":
        return RefusalError(fault.status or 403, {"message": fault.message or "Forbidden"})
    status = fault.status or 500
    usual = Problem(status, status, "Emulated failure.")
    known = _REFUSALS.get(fault.fault, usual)
    problem = Problem(
        fault.status or known.http_status, fault.code or known.code, fault.message or known.message, known.action
    )
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return refuse(problem, fault.shape or "flat", headers)


def _outcome(work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    except RefusalError as refusal:
        return msgspec.json.encode(refusal.body)


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _hang(request: web.Request, seconds: float | None) -> web.Response:
    """Send nothing until the client leaves or the time is over, then drop the connection."""
    ends = monotonic() + seconds if seconds is not None else float("inf")
    while _is_connected(request) and monotonic() < ends:  # noqa: ASYNC110 -- no transport reports that its peer has left
        await asyncio.sleep(min(_HANG_STEP_SECONDS, max(0.0, ends - monotonic())))
    return _reset(request)


def _is_connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _huge(request: web.Request, size_bytes: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    # The client is expected to close the connection; that is what the fault tests.
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write(b'{"pinterest":"')
        for start in range(0, size_bytes, len(_CHUNK)):
            await response.write(_CHUNK[: size_bytes - start])
        await response.write(b'"}')
        await response.write_eof()
    return response
