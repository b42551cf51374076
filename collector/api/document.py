"""Makes the OpenAPI document from the routes. Pure: no clock, no I/O."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from collector import __version__
from collector.api.problem import MEDIA_TYPE, Problem
from collector.api.route import Route
from collector.api.serve import PREFIX, header_name

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_ABOUT: Final = (
    "What the command line does, for programs. Send a token as `Authorization: Bearer TOKEN`; on the collector's own "
    "machine none is needed where the settings have none. Errors are problem details (RFC 9457). Lists are read by "
    "pages: pass `next` as `cursor`. What is read has an `ETag`; send it as `If-None-Match`, and what did not change "
    "is not sent again. Times are in UTC, days are UTC days, rates are fractions."
)
_ALWAYS: Final = {
    HTTPStatus.BAD_REQUEST: "this is no HTTP, or the address is longer than 8 KiB",
    HTTPStatus.UNAUTHORIZED: "there is no token, or it is not known",
    HTTPStatus.FORBIDDEN: "the token may not do this, or a page of another site sent it",
    HTTPStatus.TOO_MANY_REQUESTS: "too many wrong tokens came from this address",
    HTTPStatus.SERVICE_UNAVAILABLE: "the database is away, or this process lacks a setting for it",
}
_OF_BODY: Final = {
    HTTPStatus.BAD_REQUEST: "the body is not JSON, or this is no HTTP",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "the body is of another media type",
}
_INVALID: Final = "a field has a value that it cannot take"


def document(routes: Sequence[Route]) -> Json:
    """Return the OpenAPI 3.1 document."""
    kinds = list(_kinds(routes))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(map(id, kinds), schemas, strict=True))
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_kind, components)
    used = _used(paths, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pinterest collector", "version": __version__, "description": _ABOUT},
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}, {"session": []}, {}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, routes))],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name in used},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "collector"},
            },
        },
    }


def _tag(route: Route) -> str:
    return route.path.split("/")[1]


def _kinds(routes: Iterable[Route]) -> Iterable[Any]:
    """Yield every type once, the same object for the same route: its schema is found by its identity."""
    yield Problem
    for route in routes:
        yield from route.parts.values()
        yield route.answer


def _operation(route: Route, schemas: dict[int, Json], components: Json) -> Json:
    operation: Json = {
        "operationId": route.name,
        "tags": [_tag(route)],
        "summary": route.summary,
        "responses": _responses(route, schemas),
    }
    if route.description:
        operation["description"] = route.description
    if not route.for_clients:
        operation["description"] = f"{route.description} Not for tokens of one client.".strip()
    parameters = [
        parameter
        for part, place in (("path", "path"), ("query", "query"), ("headers", "header"))
        if part in route.parts
        for parameter in _parameters(place, route.parts[part], components)
    ]
    if route.reads and "text/csv" not in route.media_types:
        parameters.append(_header("If-None-Match", "`ETag` of an answer that is there already."))
    if parameters:
        operation["parameters"] = parameters
    if "body" in route.parts:
        content = {"application/json": {"schema": schemas[id(route.parts["body"])]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(place: str, kind: type[msgspec.Struct], components: Json) -> Iterable[Json]:
    schema = components[kind.__name__]
    for name, each in schema["properties"].items():
        plain = {key: value for key, value in each.items() if key not in {"description", "default"}}
        parameter: Json = {
            "name": header_name(name) if place == "header" else name,
            "in": place,
            "required": name in schema.get("required", ()),
            "schema": _without_null(plain) | ({"default": each["default"]} if each.get("default") is not None else {}),
        }
        if text := each.get("description") or _described(each):
            parameter["description"] = text
        yield parameter


def _without_null(schema: Json) -> Json:
    """A parameter that is left out is None; it cannot be null."""
    if "anyOf" not in schema:
        return schema
    [only] = [each for each in schema["anyOf"] if each.get("type") != "null"]
    return {key: value for key, value in only.items() if key != "description"}


def _described(schema: Json) -> str | None:
    texts = [each["description"] for each in schema.get("anyOf", ()) if "description" in each]
    return texts[0] if texts else None


def _header(name: str, text: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


def _responses(route: Route, schemas: dict[int, Json]) -> Json:
    responses: Json = {}
    for status, meaning in sorted(_problems_of(route).items()):
        content: Json = {MEDIA_TYPE: {"schema": schemas[id(Problem)]}}
        if status is HTTPStatus.BAD_REQUEST:
            # What cannot be read is answered before it gets here.
            content["text/plain"] = {"schema": {"type": "string"}}
        responses[str(status.value)] = {"description": meaning, "content": content}
    for status, meaning in route.success.items():
        answer: Json = {"description": meaning, "content": {}}
        for media_type in route.media_types:
            schema = {"type": "string"} if media_type == "text/csv" else schemas[id(route.answer)]
            answer["content"][media_type] = {"schema": schema}
        known = responses.get(str(status.value))
        if known is not None:
            answer["description"] = f"{meaning}; or {known['description']}"
            answer["content"] |= known["content"]
        responses[str(status.value)] = answer
    if route.reads:
        responses["304"] = {"description": "it has not changed"}
    return dict(sorted(responses.items()))


def _problems_of(route: Route) -> dict[HTTPStatus, str]:
    problems = dict(_ALWAYS)
    if "path" in route.parts:
        problems[HTTPStatus.NOT_FOUND] = "there is no such thing, or none that the token may see"
    if "body" in route.parts:
        problems |= _OF_BODY
    if "headers" in route.parts:
        problems[HTTPStatus.BAD_REQUEST] = "a header is missing, the body is not JSON, or this is no HTTP"
    return problems | {HTTPStatus.UNPROCESSABLE_ENTITY: _INVALID} | route.problems


def _used(tree: object, components: Json) -> set[str]:
    """Return the names of the schemas that are referred to, directly or by another."""
    used: set[str] = set()
    waiting: list[object] = [tree]
    while waiting:
        match waiting.pop():
            case dict() as node:
                if isinstance(ref := node.get("$ref"), str) and (name := ref.rpartition("/")[2]) not in used:
                    used.add(name)
                    waiting.append(components[name])
                waiting.extend(node.values())
            case list() as node:
                waiting.extend(node)
    return used
