"""Answers requests for pages, whole or in parts, and says what is wrong when there is nothing to show.

A page is a folder of templates: ``page.html``, and one template for each part that is renewed by itself. A part's
template gets what its loader returned under the part's own name, and the page shows it by ``part(name)``, so that it
looks the same in the page and alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import hdrs, web
from markupsafe import Markup

from collector.access import VISITOR
from collector.console.render import draw_part, render, respond
from collector.console.words import sentence
from collector.errors import DatabaseUnavailableError
from collector.loops.outage import Outage
from collector.turn import TURNS

Loader = Callable[[], Awaitable[object]]

OUTAGE: Final = web.AppKey("outage", Outage)
"""Knows since when the database is away."""

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5
_API = "/api/"
_TITLES = {
    HTTPStatus.FORBIDDEN: "This is not for you",
    HTTPStatus.NOT_FOUND: "There is no such page",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The file is too large",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many tries",
}


async def answer(
    request: web.Request, page: str, parts: Mapping[str, Loader], *, section: str, **values: object
) -> web.Response:
    """Render the part that the query asks for, else the page; ``values`` are for all of its templates.

    While the database is away, the answer says so, with 503.
    """
    wanted = request.query.get("part", "")
    common = {"section": section, **values}

    def part(name: str) -> Markup:
        return draw_part(request, page, name, loaded[name], common)

    async with request.app[TURNS]:
        try:
            loaded = await _load({wanted: parts[wanted]} if wanted in parts else parts)
        except DatabaseUnavailableError as error:
            return away(request, error)
        if wanted in parts:
            return respond(request, part(wanted))
        return render(request, f"{page}/page.html", {**common, **loaded, "part": part})


def insist_on_rights(request: web.Request) -> None:
    """Refuse a form to those who may not send it. Raises ``HTTPForbidden``."""
    if not request[VISITOR].may_change:
        raise web.HTTPForbidden(text="this token may only read")


async def _load(parts: Mapping[str, Loader]) -> dict[str, object]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(_one(load)) for name, load in parts.items()}
    except* DatabaseUnavailableError as errors:
        raise DatabaseUnavailableError(str(errors.exceptions[0])) from errors
    except* web.HTTPException as errors:
        raise errors.exceptions[0] from errors
    return {name: task.result() for name, task in tasks.items()}


async def _one(load: Loader) -> object:
    return await load()


def away(request: web.Request, error: DatabaseUnavailableError) -> web.Response:
    """Say that the database cannot be used; the page asks again by itself, but for a form that was sent."""
    values = {
        "section": "",
        "reason": str(error),
        "since": request.app[OUTAGE].since,
        "retry_seconds": _RETRY_SECONDS,
        "was_sent": request.method == hdrs.METH_POST,
    }
    response = render(request, "away.html", values, status=web.HTTPServiceUnavailable.status_code)
    response.headers[hdrs.RETRY_AFTER] = str(_RETRY_SECONDS)
    return response


@web.middleware
async def as_pages(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Say in a page what is wrong, to a person; programs get what they have always got."""
    if not _is_for_a_person(request):
        return await handler(request)
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        if isinstance(error.__cause__, DatabaseUnavailableError):
            return away(request, error.__cause__)
        return _refused(request, error)
    except Exception:
        log.exception("a page failed", path=request.path)
        text = "This is a defect; the log of the collector says more. Nothing was changed by halves."
        return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "This page failed", text)


def _is_for_a_person(request: web.Request) -> bool:
    return "text/html" in request.headers.get(hdrs.ACCEPT, "") and not request.path.startswith(_API)


def _refused(request: web.Request, error: web.HTTPException) -> web.Response:
    text = (error.text or "").strip()
    if text == f"{error.status}: {error.reason}":
        text = "The address may be old, or have a slip in it."
    response = _page(request, error.status, _TITLES.get(HTTPStatus(error.status), error.reason), text)
    for name in (hdrs.ALLOW, hdrs.RETRY_AFTER, hdrs.WWW_AUTHENTICATE):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def _page(request: web.Request, status: int, title: str, text: str) -> web.Response:
    values = {"section": "", "title": title, "text": sentence(text)}
    return render(request, "refused.html", values, status=status)
