"""Declares routes: once each. What a handler takes and returns is what is checked, and what the document says."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from aiohttp import hdrs

_ATTRIBUTE = "collector_route"
_MADE_BY_THE_PROGRAM = frozenset({"self", "visitor", "form", "return"})

Value = TypeVar("Value")
_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Any]])


class Answer(msgspec.Struct, Generic[Value], frozen=True, kw_only=True):
    """An answer with a status of its own; ``location`` is the path of what was made."""

    value: Value
    status: HTTPStatus = HTTPStatus.OK
    location: str | None = None


class CsvStream(msgspec.Struct, frozen=True):
    """A table that is written while it is read; ``pieces`` are lines. It may take the place of the JSON."""

    pieces: AsyncIterator[bytes]
    filename: str


class _Declared(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str
    for_clients: bool
    success: dict[HTTPStatus, str]
    problems: dict[HTTPStatus, str]
    media_types: tuple[str, ...]


class Route(_Declared, frozen=True, kw_only=True):
    """A route with its handler, and the types of what it takes.

    ``path`` has names of its parameters in braces. ``for_clients`` routes know of `Visitor.client`; all others are
    closed to tokens of one client. ``success`` and ``problems`` say what each status means.
    """

    handler: Callable[..., Awaitable[Any]]
    name: str
    summary: str
    description: str
    parts: dict[str, type[msgspec.Struct]]
    takes: frozenset[str]
    answer: Any

    @property
    def reads(self) -> bool:
        return self.method == hdrs.METH_GET


def route(
    method: str,
    path: str,
    *,
    for_clients: bool = True,
    success: Mapping[HTTPStatus, str] | None = None,
    problems: Mapping[HTTPStatus, str] | None = None,
    media_types: tuple[str, ...] = ("application/json",),
) -> Callable[[_Method], _Method]:
    """Declare a method as the handler of a route.

    Its parameters may be ``visitor``, ``form``, and ``path``, ``query``, ``headers`` and ``body``, each a struct.
    """

    def declare(handler: _Method) -> _Method:
        declared = _Declared(
            method=method,
            path=path,
            for_clients=for_clients,
            success=dict(success or {HTTPStatus.OK: "found" if method == hdrs.METH_GET else "done"}),
            problems=dict(problems or {}),
            media_types=media_types,
        )
        setattr(handler, _ATTRIBUTE, declared)
        return handler

    return declare


def routes_of(resources: Iterable[object]) -> list[Route]:
    """Return the routes that the methods of ``resources`` declare, in the order of their declaration."""
    return [found for resource in resources for found in _routes(resource)]


def _routes(resource: object) -> Iterator[Route]:
    for name in vars(type(resource)):
        handler = getattr(resource, name)
        declared: _Declared | None = getattr(handler, _ATTRIBUTE, None)
        if declared is not None:
            yield _route(declared, handler)


def _route(declared: _Declared, handler: Callable[..., Awaitable[Any]]) -> Route:
    hints = get_type_hints(handler, include_extras=True)
    summary, _, description = (inspect.getdoc(handler) or "").partition("\n")
    return Route(
        **msgspec.structs.asdict(declared),
        handler=handler,
        name=getattr(handler, "__name__", ""),
        summary=summary.rstrip("."),
        description=" ".join(description.split()),
        parts={name: kind for name, kind in hints.items() if name not in _MADE_BY_THE_PROGRAM},
        takes=frozenset(hints),
        answer=_as_json(hints["return"]),
    )


def _as_json(answer: Any) -> Any:  # noqa: ANN401 -- whatever a handler was annotated with
    if get_origin(answer) is Answer:
        return get_args(answer)[0]
    kinds = [kind for kind in get_args(answer) if kind is not CsvStream]
    return kinds[0] if CsvStream in get_args(answer) else answer
