"""Lets requests that only look read what may be some seconds old, but not from somebody who just changed something."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from collector.store.standby import MAY_BE_OLD, MOST_LAG_SECONDS

_LOOKING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_CHANGED: Final = "changed"


@web.middleware
async def may_be_old(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Mark requests that may be answered from a standby; a browser that changed something is told to say so."""
    looks = request.method in _LOOKING
    MAY_BE_OLD.set(looks and _CHANGED not in request.cookies)
    try:
        response = await handler(request)
    except web.HTTPRedirection as redirection:
        _note(redirection, looks=looks)
        raise
    _note(response, looks=looks)
    return response


def _note(response: web.StreamResponse, *, looks: bool) -> None:
    if not looks and not response.prepared:
        response.set_cookie(_CHANGED, "1", max_age=int(MOST_LAG_SECONDS), httponly=True, samesite="Strict")
