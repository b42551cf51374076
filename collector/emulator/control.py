"""Answers `/_emulator/...`, by which tests control the emulator. Nothing here exists at Ayrshare."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from collector.emulator.accounts import Account
from collector.emulator.config import iso_millis
from collector.emulator.faults import EVERYTHING, FaultRequestError, parse_fault
from collector.emulator.state import Emulator

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Model = TypeVar("_Model")
_LARGEST_PAGE = 10_000


class ClockRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By how much the emulator's clock is ahead of the real one."""

    offset_seconds: float


class ProfileRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile's new state; fields that are left out stay as they are."""

    profile: str
    linked: bool | None = None
    suspended: bool | None = None


class Control:
    """The handlers of `/_emulator`."""

    def __init__(self, emulator: Emulator, endpoints: tuple[str, ...]) -> None:
        self._emulator = emulator
        self._endpoints = endpoints

    def routes(self, prefix: str) -> list[web.RouteDef]:
        table: tuple[tuple[str, str, _Handler], ...] = (
            ("GET", "clock", self.show_clock),
            ("POST", "clock", self.shift_clock),
            ("GET", "faults", self.list_faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("GET", "record", self.show_record),
            ("DELETE", "record", self.clear_record),
            ("GET", "profiles", self.list_profiles),
            ("POST", "profiles", self.change_profile),
        )
        return [web.route(method, f"{prefix}/_emulator/{name}", handler) for method, name, handler in table]

    async def show_clock(self, _request: web.Request) -> web.Response:
        clock = self._emulator.clock
        return _json({"now": iso_millis(clock.now()), "offset_seconds": clock.offset_seconds})

    async def shift_clock(self, request: web.Request) -> web.Response:
        wanted = _decode(await request.read(), ClockRequest)
        self._emulator.clock.offset_seconds = wanted.offset_seconds
        return await self.show_clock(request)

    async def list_faults(self, _request: web.Request) -> web.Response:
        return _json({"faults": self._emulator.faults.as_json()})

    async def add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = parse_fault(await request.read(), self._endpoints)
        except FaultRequestError as error:
            raise _bad(str(error)) from error
        if fault.profile != EVERYTHING:
            self._account(fault.profile)
        self._emulator.faults.add(fault)
        return await self.list_faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch off all faults, or those of `?profile=TITLE`."""
        return _json({"cleared": self._emulator.faults.clear(request.query.get("profile"))})

    async def show_record(self, _request: web.Request) -> web.Response:
        return _json(self._emulator.record.as_json())

    async def clear_record(self, _request: web.Request) -> web.Response:
        self._emulator.record.clear()
        return _json({"status": "success"})

    async def list_profiles(self, request: web.Request) -> web.Response:
        """List profiles with their keys, which Ayrshare never lists: `?start=0&count=100`."""
        start, count = _number(request, "start", 0), _number(request, "count", 100)
        accounts = self._emulator.accounts.page(start, start + min(count, _LARGEST_PAGE))
        return _json({"profiles": [_shown(account) for account in accounts], "count": len(self._emulator.accounts)})

    async def change_profile(self, request: web.Request) -> web.Response:
        wanted = _decode(await request.read(), ProfileRequest)
        account = self._account(wanted.profile)
        if wanted.linked is not None:
            account.linked = wanted.linked
        if wanted.suspended is not None:
            account.suspended = wanted.suspended
            account.refusals = 0
        return _json(_shown(account))

    def _account(self, title: str) -> Account:
        account = self._emulator.accounts.by_title(title)
        if account is None:
            raise _bad(f"There is no profile {title!r}.")
        return account


def _shown(account: Account) -> dict[str, Any]:
    title, ref_id, key = account.identity
    standing = {"linked": account.linked, "suspended": account.suspended}
    return {"title": title, "refId": ref_id, "profileKey": key, **standing}


def _decode(body: bytes, model: type[_Model]) -> _Model:
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.DecodeError as error:
        raise _bad(str(error)) from error


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise _bad(f"{name} must be a whole number.")
    return int(text)


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _bad(message: str) -> web.HTTPBadRequest:
    text = msgspec.json.encode({"status": "error", "message": message}).decode()
    return web.HTTPBadRequest(text=text, content_type="application/json")
