"""Where a request comes from: which address, over https or not, and from a page of whose making."""

from aiohttp import hdrs, web
from yarl import URL

from collector.setting_kind import is_loopback

_FETCH_SITE = "Sec-Fetch-Site"


class Origin:
    """Reads requests; ``behind_proxy`` believes the ``X-Forwarded-`` headers, which a client could write itself."""

    def __init__(self, *, behind_proxy: bool) -> None:
        self._behind_proxy = behind_proxy

    def address(self, request: web.Request) -> str:
        # The last entry is the proxy's own; those before it are whatever the client sent.
        forwarded = self._forwarded(request, hdrs.X_FORWARDED_FOR)
        return forwarded or request.remote or ""

    def is_https(self, request: web.Request) -> bool:
        return (self._forwarded(request, hdrs.X_FORWARDED_PROTO) or request.scheme) == "https"

    def host(self, request: web.Request) -> str:
        """Return the host and port under which the client knows this server."""
        return self._forwarded(request, hdrs.X_FORWARDED_HOST) or request.headers.get(hdrs.HOST, "")

    def _forwarded(self, request: web.Request, name: str) -> str:
        return request.headers.get(name, "").rpartition(",")[2].strip() if self._behind_proxy else ""

    def is_foreign(self, request: web.Request) -> bool:
        """Tell whether a page of another site made a browser send this.

        Browsers say so in ``Sec-Fetch-Site`` where the address is https or this machine, and in ``Origin`` with all
        that changes something; no page can change either. What has neither is sent by no page.
        """
        if (site := request.headers.get(_FETCH_SITE)) is not None:
            return site not in {"same-origin", "none"}
        origin = request.headers.get(hdrs.ORIGIN)
        return origin is not None and _authority(origin.partition("://")[2]) != _authority(self.host(request))


def is_of_a_browser(request: web.Request) -> bool:
    return _FETCH_SITE in request.headers or hdrs.ORIGIN in request.headers


def names_this_machine(request: web.Request) -> bool:
    """Tell whether a request goes to this machine by a name of it, and comes from a page of it, if from a page.

    A page of another site could otherwise give its own name this machine's address, and read what is here.
    """
    hosts = [request.headers.get(hdrs.HOST, "")]
    if (origin := request.headers.get(hdrs.ORIGIN)) is not None:
        hosts.append(origin.partition("://")[2])
    return all(is_loopback(_authority(each)[0]) for each in hosts)


def _authority(text: str) -> tuple[str, int | None]:
    """Return the host and the port; the scheme's default port is left out by browsers, so it is None here too."""
    try:
        url = URL(f"//{text}")
    except ValueError:
        return "", None
    return url.host or "", url.explicit_port
