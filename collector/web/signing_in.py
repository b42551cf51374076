"""The pages on which a browser signs in and out."""

from urllib.parse import parse_qs

from aiohttp import hdrs, web

from collector.access import open_to_everybody
from collector.console.render import render
from collector.web.door import SIGN_IN, Door

_FORM = "application/x-www-form-urlencoded"


class SigningIn:
    """Asks for a token once, so that a browser is known until its session ends."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(SIGN_IN, self.form),
            web.post(SIGN_IN, self.sign_in),
            web.post("/sign-out", self.sign_out),
        ]

    @open_to_everybody
    async def form(self, request: web.Request) -> web.Response:
        return _page(request, request.query.get("next", "/"))

    @open_to_everybody
    async def sign_in(self, request: web.Request) -> web.Response:
        """Take the form: ``token``, and ``next``, the page to go to."""
        if request.content_type != _FORM:
            raise web.HTTPUnsupportedMediaType(text=f"send a form: {_FORM}\n")
        fields = parse_qs((await request.read()).decode("utf-8", "replace"))
        token, onward = (fields.get(name, [""])[0].strip() for name in ("token", "next"))
        answer = _see_other(onward if _is_local(onward) else "/")
        try:
            await self._door.sign_in(request, token, answer)
        except web.HTTPClientError as error:
            answer = _page(request, onward, problem=error.text or "", status=error.status)
            if (wait := error.headers.get(hdrs.RETRY_AFTER)) is not None:
                answer.headers[hdrs.RETRY_AFTER] = wait
        return answer

    @open_to_everybody
    async def sign_out(self, request: web.Request) -> web.Response:
        answer = _see_other(SIGN_IN)
        self._door.sign_out(request, answer)
        return answer


def _page(request: web.Request, onward: str, *, problem: str = "", status: int = 200) -> web.Response:
    values = {"section": "", "onward": onward, "problem": problem.strip()}
    return render(request, "sign_in.html", values, status=status)


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: path})


def _is_local(path: str) -> bool:
    """Tell whether a path leads nowhere else: browsers take a slash or backslash after the first for another host."""
    return path.startswith("/") and path[1:2] not in {"/", "\\"} and path.isprintable()
