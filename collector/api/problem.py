"""Problem details (RFC 9457): every error of the API says what is wrong, and with which field."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from msgspec import Meta

from collector.errors import (
    CollectorError,
    DatabaseUnavailableError,
    DataRefusedError,
    PinConflictError,
    PinError,
    RegistryError,
)
from collector.models.pin import Override, PinProblem

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_SECONDS = 5
_KEPT_HEADERS = (hdrs.ALLOW, hdrs.WWW_AUTHENTICATE, hdrs.RETRY_AFTER)


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field; ``field`` is its name, with a place in lists: ``pins[2].link``."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error, as RFC 9457 has it; ``errors`` are of the fields that are wrong."""

    type: str = "about:blank"
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    errors: tuple[FieldProblem, ...] = ()


class ProblemError(CollectorError):
    """A request that cannot be answered as asked."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        fields: Iterable[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.fields = tuple(fields)
        self.headers = dict(headers or {})


def not_found(what: str) -> ProblemError:
    """Say that there is no such thing, or none that this visitor may see: which of the two is not told."""
    return ProblemError(HTTPStatus.NOT_FOUND, f"there is no {what}")


def conflict(detail: str) -> ProblemError:
    """Say that something is not in the state in which it could be changed as asked."""
    return ProblemError(HTTPStatus.CONFLICT, detail)


def invalid(fields: Iterable[FieldProblem]) -> ProblemError:
    """Say which fields are wrong."""
    found = tuple(fields)
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(each.message for each in found), fields=found)


_OVERRIDES: Final = {
    Override.PAST: "`past` true allows it",
    Override.CHECK_MEDIA: "`check_media` none queues it all the same",
}


def in_words(problems: Iterable[PinProblem]) -> tuple[FieldProblem, ...]:
    """Return what is wrong with a pin, with what a request can say to have it taken all the same."""
    return tuple(
        FieldProblem(each.field, f"{each.message}; {_OVERRIDES[each.override]}" if each.override else each.message)
        for each in problems
    )


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problems(prefix: str) -> Middleware:
    """Return the middleware that turns the errors of all paths under ``prefix`` into problem details."""

    @web.middleware
    async def explain(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not request.path.startswith(prefix):
            return await handler(request)
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            return _of_http(error)
        except CollectorError as error:
            return _answer(_of_collector(error))

    return explain


def _of_http(error: web.HTTPException) -> web.Response:
    status = HTTPStatus(error.status)
    headers = {str(name): error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
    match status:
        case HTTPStatus.NOT_FOUND:
            detail = "there is no such page; /api/v1/docs names them all"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"this page takes {headers.get(hdrs.ALLOW, '')}"
        case _:
            detail = (error.text or status.phrase).strip()
    return _answer(ProblemError(status, detail, headers=headers))


def _of_collector(error: CollectorError) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case DatabaseUnavailableError():
            wait = {str(hdrs.RETRY_AFTER): str(_RETRY_SECONDS)}
            return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=wait)
        case RegistryError():
            fields = [FieldProblem(field, message) for field, message in error.fields.items()]
            return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), fields=fields)
        case PinConflictError():
            return conflict(str(error))
        case PinError() | DataRefusedError():
            words = in_words(error.problems) if isinstance(error, PinError) else ()
            return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), fields=words)
        case _:
            log.warning("a request could not be answered", error=str(error))
            return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def _answer(error: ProblemError) -> web.Response:
    problem = Problem(title=error.status.phrase, status=error.status.value, detail=str(error), errors=error.fields)
    headers = {hdrs.CACHE_CONTROL: "no-store", **error.headers}
    return web.Response(
        body=msgspec.json.encode(problem), status=problem.status, content_type=MEDIA_TYPE, headers=headers
    )
