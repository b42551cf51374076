"""Answers requests by routes: reads and checks what they take, and writes what they return."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from aiohttp import hdrs, web

from collector.access import VISITOR, for_each_client
from collector.api.problem import FieldProblem, ProblemError, invalid, not_found
from collector.api.route import Answer, CsvStream, Route
from collector.turn import TURNS

BODY_BYTES: Final = 4 * 1024 * 1024
PREFIX: Final = "/api/v1"
_JSON = "application/json"
# What is shorter does not get smaller.
_SHORTEST_COMPRESSED = 1024
# Up to here, to hand it to a thread takes longer than to do it.
_COMPRESSED_HERE = 64 * 1024
_AT = re.compile(r"(?P<message>.*?)(?: - at `(?:key in )?\$\.?(?P<field>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"(?:contains unknown|missing required) field `([^`]*)`")
_READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_CACHE = {hdrs.CACHE_CONTROL: "private, no-cache", hdrs.VARY: "Accept, Authorization, Cookie"}

log = structlog.get_logger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Form(StrEnum):
    """How an answer is written."""

    JSON = "json"
    CSV = "csv"


def handler_of(route: Route) -> _Handler:
    """Return what aiohttp calls for a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        arguments = await _arguments(request, route)
        # Changes are seldom, and may ask others, who take their time.
        async with request.app[TURNS] if route.reads else nullcontext():
            result = await route.handler(**arguments)
        if route.method not in _READING:
            visitor = request[VISITOR]
            log.info("changed by the API", call=route.name, path=request.path, by=visitor.name or visitor.entry.value)
        return await _respond(request, result)

    return for_each_client(handle) if route.for_clients else handle


async def _arguments(request: web.Request, route: Route) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if "visitor" in route.takes:
        arguments["visitor"] = request[VISITOR]
    for name, kind in route.parts.items():
        match name:
            case "path":
                arguments[name] = _from_path(request, kind)
            case "query":
                arguments[name] = _from_query(request, kind)
            case "headers":
                arguments[name] = _from_headers(request, kind)
            case _:
                arguments[name] = await _from_body(request, kind)
    if "query" not in route.parts and request.query:
        raise invalid(FieldProblem(name, f"{name}: this page takes no parameters") for name in request.query)
    if "form" in route.takes:
        arguments["form"] = _form(request, arguments["query"])
    return arguments


def _from_path(request: web.Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(dict(request.match_info), kind, strict=False)
    except msgspec.ValidationError:
        raise not_found("such thing") from None


def _from_query(request: web.Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    repeated = [name for name in request.query if len(request.query.getall(name)) > 1]
    if repeated:
        raise invalid(FieldProblem(name, f"{name} is given more than once") for name in dict.fromkeys(repeated))
    return _converted(dict(request.query), kind)


def _from_headers(request: web.Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    names = {field.name: header_name(field.name) for field in msgspec.structs.fields(kind)}
    missing = [name for name in names.values() if name not in request.headers]
    if missing:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            f"the header {' and '.join(missing)} is missing",
            fields=[FieldProblem(name, "is missing") for name in missing],
        )
    return _converted({field: request.headers[name] for field, name in names.items()}, kind)


def header_name(field: str) -> str:
    """Return the name of a header from that of a struct's field."""
    return "-".join(part.capitalize() for part in field.split("_"))


def _converted(texts: dict[str, str], kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(texts, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid([_field_problem(error)]) from None


def _field_problem(error: msgspec.ValidationError) -> FieldProblem:
    text = str(error)
    parts = _AT.fullmatch(text)
    message, field = (parts["message"], parts["field"] or "") if parts is not None else (text, "")
    if unknown := _UNKNOWN.search(message):
        field = f"{field}.{unknown[1]}" if field else unknown[1]
    sentence = message[:1].lower() + message[1:]
    return FieldProblem(field, f"{field}: {sentence}" if field else sentence)


async def _from_body(request: web.Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    if request.content_type != _JSON:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {_JSON}; this is {request.content_type}")
    data = await _read(request)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise invalid([_field_problem(error)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from None


async def _read(request: web.Request) -> bytes:
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > BODY_BYTES:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {BODY_BYTES} bytes; send it in parts"
            )
    return bytes(data)


def _form(request: web.Request, query: Any) -> Form:  # noqa: ANN401 -- any struct with a ``format``
    if query.format is not None:
        return Form(query.format)
    accepted = request.headers.get(hdrs.ACCEPT, "")
    return Form.CSV if "text/csv" in accepted and _JSON not in accepted else Form.JSON


async def _respond(request: web.Request, result: object) -> web.StreamResponse:
    if isinstance(result, CsvStream):
        return await _stream(request, result)
    answer = result if isinstance(result, Answer) else Answer(value=result)
    body = msgspec.json.encode(answer.value)
    headers = dict(_CACHE)
    if answer.location is not None:
        headers[hdrs.LOCATION] = PREFIX + answer.location
    if request.method in _READING:
        # A weak one: the same whether or not it is sent compressed.
        headers[hdrs.ETAG] = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
        if answer.status is HTTPStatus.OK and _is_known(request, headers[hdrs.ETAG]):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    response = web.Response(
        body=body, status=answer.status, content_type=_JSON, headers=headers, zlib_executor_size=_COMPRESSED_HERE
    )
    if len(body) >= _SHORTEST_COMPRESSED:
        response.enable_compression()
    return response


def _is_known(request: web.Request, etag: str) -> bool:
    known = request.headers.get(hdrs.IF_NONE_MATCH, "")
    wanted = etag.removeprefix("W/")
    return known.strip() == "*" or wanted in (each.strip().removeprefix("W/") for each in known.split(","))


async def _stream(request: web.Request, table: CsvStream) -> web.StreamResponse:
    headers = {**_CACHE, hdrs.CONTENT_DISPOSITION: f'attachment; filename="{table.filename}"'}
    response = web.StreamResponse(headers=headers)
    response.content_type, response.charset = "text/csv", "utf-8"
    response.enable_compression()
    # The first piece before the status: what fails at once is told as a problem.
    first = await anext(table.pieces)
    await response.prepare(request)
    await response.write(first)
    async for piece in table.pieces:
        await response.write(piece)
    await response.write_eof()
    return response
