"""Makes answers of templates: escapes, forbids what a page does not need, and knows what a browser has already."""

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import quote

import jinja2
import msgspec
from aiohttp import hdrs, web
from markupsafe import Markup
from yarl import URL

from collector import __version__
from collector.access import VISITOR, Visitor
from collector.chart import sparkline
from collector.console import element, words
from collector.console.assets import ASSETS
from collector.console.zone import zone_names
from collector.template import templates_of

# Nothing inline and nothing from elsewhere: a name that a client chose can be markup, and still does nothing.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_THEMES = frozenset({"light", "dark"})
_SMALLEST_PACKED = 1024
# A tenth larger than the usual level makes it, in a third of the time, in which nothing else is done.
_PACKING_LEVEL = 2
_MOST_DRAWN = 64
_GZIP = 16 + zlib.MAX_WBITS


@lru_cache(maxsize=4096)
def client_url(client: str) -> str:
    """Return the address of a client's page. A path of dots alone would be resolved away, so names are in the query."""
    return f"/client?{URL.build(query={'name': client}).raw_query_string}"


def profile_url(profile_id: int) -> str:
    return f"/profiles/{profile_id}"


class Section(msgspec.Struct, frozen=True):
    """An entry of the navigation; one that is not ``for_each_client`` is shown to those who may see all clients."""

    name: str
    address: str
    text: str
    for_each_client: bool = False


SECTIONS: Final = (
    Section("fleet", "/", "Fleet"),
    Section("drops", "/drops", "Drops", for_each_client=True),
    Section("pins", "/pins", "Pins", for_each_client=True),
    Section("operations", "/operations", "Operations"),
)


def _navigation(visitor: Visitor | None) -> list[Section]:
    if visitor is None:
        return []
    if visitor.client is None:
        return list(SECTIONS)
    start = Section("client", client_url(visitor.client), visitor.client)
    return [start, *(section for section in SECTIONS if section.for_each_client)]


_FILTERS = {
    "short": words.short,
    "exact": words.exact,
    "percent": words.percent,
    "sentence": words.sentence,
    "size": words.size,
    "duration": words.duration,
    "data_status": words.data_status,
    "day": words.day,
    "long_day": words.long_day,
    "badge": element.badge,
    "moment": element.moment,
    "ago": element.ago,
    "change": element.change,
}


def _environment() -> jinja2.Environment:
    environment = templates_of(__package__)
    environment.filters |= _FILTERS
    environment.globals |= {
        "asset": lambda name: ASSETS[name].path,
        "client_url": client_url,
        "counted": words.counted,
        "profile_url": profile_url,
        "quote": quote,
        "sparkline": lambda values, **how: Markup(sparkline(values, **how)),  # noqa: S704 -- numbers only
        "version": __version__,
        "words": words,
        "zone_names": zone_names,
    }
    return environment


_TEMPLATES = _environment()


def here(request: web.Request, **changes: object) -> str:
    """Return the path of this page with other values in its query; None takes a value away."""
    query = {name: value for name, value in request.query.items() if name != "part"}
    query |= {name: str(value) for name, value in changes.items()}
    kept = {name: value for name, value in query.items() if changes.get(name, "") is not None and value != ""}
    return str(URL.build(path=request.path, query=kept)) if kept else request.path


class Kept(msgspec.Struct, frozen=True):
    """What a part shows, where that is the same as long as ``version`` is the same object: it is drawn once."""

    value: object
    version: object


class _Drawn:
    """The parts that were drawn last, by what they depend on besides their version."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[object, ...], tuple[object, Markup]] = OrderedDict()

    def get(self, key: tuple[object, ...], version: object, draw: Callable[[], Markup]) -> Markup:
        found = self._parts.pop(key, None)
        if found is None or found[0] is not version:
            found = version, draw()
        self._parts[key] = found
        if len(self._parts) > _MOST_DRAWN:
            self._parts.popitem(last=False)
        return found[1]


_DRAWN = _Drawn()


def draw_part(request: web.Request, page: str, name: str, value: object, values: Mapping[str, Any]) -> Markup:
    """Draw a part with its ``value``, or return it as it was drawn before."""

    def draw() -> Markup:
        shown = value.value if isinstance(value, Kept) else value
        return Markup(_draw(request, f"{page}/{name}.html", {**values, name: shown}))  # noqa: S704 -- of a template

    if not isinstance(value, Kept):
        return draw()
    visitor = request[VISITOR]
    return _DRAWN.get((page, name, here(request), visitor.may_change, visitor.client), value.version, draw)


def _draw(request: web.Request, template: str, values: Mapping[str, Any]) -> str:
    visitor = request.get(VISITOR)
    theme = request.cookies.get("theme", "")
    return _TEMPLATES.get_template(template).render(
        {
            "here": partial(here, request),
            "navigation": _navigation(visitor),
            "theme": theme if theme in _THEMES else None,
            "visitor": visitor,
            **values,
        }
    )


def render(request: web.Request, template: str, values: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """Answer with a template, as `respond` does."""
    return respond(request, _draw(request, template, values), status=status)


def respond(request: web.Request, text: str, *, status: int = 200) -> web.Response:
    """Answer with a page, or with "not modified" to a browser that has the same one."""
    body = text.encode()
    etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    headers = {
        hdrs.CACHE_CONTROL: "private, no-cache",
        "Content-Security-Policy": POLICY,
        hdrs.VARY: f"{hdrs.COOKIE}, {hdrs.ACCEPT_ENCODING}",
    }
    known = request.if_none_match or ()
    if status == web.HTTPOk.status_code and any(each.value == etag for each in known):
        return web.Response(status=web.HTTPNotModified.status_code, headers={**headers, hdrs.ETAG: f'W/"{etag}"'})
    response = web.Response(body=body, status=status, content_type="text/html", charset="utf-8", headers=headers)
    if status == web.HTTPOk.status_code:
        response.headers[hdrs.ETAG] = f'W/"{etag}"'
    if len(body) > _SMALLEST_PACKED and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        response.body = zlib.compress(body, _PACKING_LEVEL, wbits=_GZIP)
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    return response
