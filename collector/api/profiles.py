"""Profiles: list, show, add, change, pause, resume, accept, give another key. No answer holds a key."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import hdrs
from msgspec import UNSET, Meta, UnsetType
from pydantic import SecretStr

from collector.access import Visitor
from collector.api.cursor import cursor
from collector.api.problem import FieldProblem, ProblemError, conflict, invalid
from collector.api.route import Answer, route
from collector.api.scope import IdPath, ListQuery, Text, bound, ordered, refuse_if_taken, visible_profile
from collector.api.services import Services
from collector.crypto import fingerprint
from collector.errors import RegistryError
from collector.models.profile import ProfileState
from collector.registry.register import register
from collector.registry.trial import Standing, Trial
from collector.registry.validate import checked_key, checked_text, registration
from collector.store.budget import Budget, budget_of
from collector.store.fleet import FleetStore, Poll, ProfileStatus
from collector.store.listing import ProfileFilter, ProfileSort
from collector.store.paging import Paging
from collector.store.profile import ProfileStore, RegisteredProfile
from collector.store.profile_page import MissingDay, Particulars, missing_days_of, particulars_of
from collector.store.profile_plan import ProfileChange

_POLLS = 10
_TAKEN: Final = {HTTPStatus.CONFLICT: "another profile has this name, key or refId"}


class ProfilesQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which profiles; all filters apply together."""

    client: Text | None = None
    name: Text | None = None
    state: ProfileState | None = None
    tag: Text | None = None
    text: Annotated[Text, Meta(description="Is in the name, the client or the refId, in any case.")] | None = None
    read_since: Annotated[datetime, Meta(tz=True)] | None = None
    read_until: Annotated[datetime, Meta(tz=True, description="Read before, or never.")] | None = None
    sort: ProfileSort = ProfileSort.NAME
    descending: bool = False


class ProfilesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list; ``next`` is the cursor of the page after it."""

    profiles: list[RegisteredProfile]
    next: str | None
    total: int | None


class ProfileStory(ProfileStatus, frozen=True, kw_only=True):
    """A profile: its state, newest settled day, newest snapshot, gaps, drops, pins, last polls, and its limits."""

    particulars: Particulars
    budget: Budget | None
    missing: list[MissingDay]
    polls: list[Poll]


class NewProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile to be added; ``check`` tries the key on Ayrshare first, and refuses one that is not valid."""

    name: str
    client: str
    profile_key: str
    tags: tuple[str, ...] = ()
    ref_id: str | None = None
    check: bool = True


class ProfileEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change; what is left out stays."""

    name: str | UnsetType = UNSET
    client: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    ref_id: str | UnsetType | None = UNSET


class Pause(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a profile is paused."""

    reason: str = "by the operator"


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to take the place of the present one; ``check`` tries it first."""

    profile_key: str
    check: bool = True


class TriedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A profile whose key is new, and what Ayrshare says of the key."""

    profile: ProfileStory
    key: Standing
    detail: str


class Profiles:
    """The resource."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = ProfileStore(services.database)
        self._paging = Paging(services.database)
        self._fleet = FleetStore(services.database)

    @route(hdrs.METH_GET, "/profiles")
    async def list_profiles(self, visitor: Visitor, query: ProfilesQuery) -> ProfilesPage:
        """List profiles."""
        wanted = ProfileFilter(
            client=bound(visitor, query.client),
            state=query.state,
            tag=query.tag,
            text=query.text,
            since=query.read_since,
            until=query.read_until,
            name=query.name,
        )
        found = await self._paging.profiles(wanted, query.sort, query.wish(query.sort, descending=query.descending))
        onward = cursor(ordered(query.sort, descending=query.descending), found.after)
        return ProfilesPage(profiles=found.rows, next=onward, total=found.total)

    @route(
        hdrs.METH_POST,
        "/profiles",
        success={HTTPStatus.CREATED: "added; it is polled next"},
        problems=_TAKEN | {HTTPStatus.SERVICE_UNAVAILABLE: "the database is away, or there are no encryption keys"},
    )
    async def add_profile(self, visitor: Visitor, body: NewProfile) -> Answer[TriedKey]:
        """Add a profile."""
        new = registration(
            name=body.name,
            client=bound(visitor, body.client.strip()),
            profile_key=body.profile_key,
            ref_id=body.ref_id or "",
            tags=body.tags,
        )
        keys = self._services.keys()
        trial = await self._tried(new.profile_key, check=body.check)
        [planned] = await register([new], self._store, keys, only_new=True)
        refuse_if_taken(visitor, planned)
        [made] = await self._store.named([new.name])
        value = TriedKey(profile=await self._story(made.id), key=trial.standing, detail=trial.detail)
        return Answer(value=value, status=HTTPStatus.CREATED, location=f"/profiles/{made.id}")

    @route(hdrs.METH_GET, "/profiles/{id}")
    async def show_profile(self, visitor: Visitor, path: IdPath) -> ProfileStory:
        """Show a profile."""
        await visible_profile(self._store, visitor, path.id)
        return await self._story(path.id)

    @route(hdrs.METH_PATCH, "/profiles/{id}", problems=_TAKEN)
    async def edit_profile(self, visitor: Visitor, path: IdPath, body: ProfileEdit) -> ProfileStory:
        """Change a profile's name, client, tags or refId.

        Its key and its data stay. With another name, Prometheus begins new series.
        """
        profile = await visible_profile(self._store, visitor, path.id)
        wanted = registration(
            name=profile.name if body.name is UNSET else body.name,
            client=None if body.client is UNSET else bound(visitor, body.client.strip()),
            ref_id=None if body.ref_id is UNSET else body.ref_id or "",
            tags=None if body.tags is UNSET else body.tags,
        )
        change = ProfileChange(name=profile.name, client=wanted.client, ref_id=wanted.ref_id, tags=wanted.tags)
        try:
            refuse_if_taken(visitor, await self._store.edit(change, wanted.name))
        except RegistryError as error:
            taken = [FieldProblem(field, message) for field, message in error.fields.items()]
            raise ProblemError(HTTPStatus.CONFLICT, str(error), fields=taken) from None
        return await self._story(path.id)

    @route(hdrs.METH_POST, "/profiles/{id}/pause")
    async def pause_profile(self, visitor: Visitor, path: IdPath, body: Pause) -> ProfileStory:
        """Stop polling a profile, and publishing its pins; its data stays."""
        profile = await visible_profile(self._store, visitor, path.id)
        await self._store.pause([profile.name], _reason(body.reason))
        return await self._story(path.id)

    @route(hdrs.METH_POST, "/profiles/{id}/resume")
    async def resume_profile(self, visitor: Visitor, path: IdPath) -> ProfileStory:
        """Poll a profile again, at once, whatever had stopped it."""
        profile = await visible_profile(self._store, visitor, path.id)
        await self._store.resume([profile.name])
        return await self._story(path.id)

    @route(
        hdrs.METH_POST,
        "/profiles/{id}/accept",
        problems={HTTPStatus.CONFLICT: "the profile is not marked as another account"},
    )
    async def accept_profile(self, visitor: Visitor, path: IdPath) -> ProfileStory:
        """Accept that a profile shows another Pinterest account; drops are judged by its own days."""
        profile = await visible_profile(self._store, visitor, path.id)
        try:
            await self._store.accept([profile.name])
        except RegistryError as error:
            raise conflict(str(error)) from None
        return await self._story(path.id)

    @route(hdrs.METH_PUT, "/profiles/{id}/key", problems=_TAKEN)
    async def replace_key(self, visitor: Visitor, path: IdPath, body: NewKey) -> TriedKey:
        """Replace the key of a profile; it is polled at once, unless it is paused."""
        profile = await visible_profile(self._store, visitor, path.id)
        key = _key(body.profile_key)
        keys = self._services.keys()
        trial = await self._tried(key, check=body.check)
        try:
            await self._store.rotate_key(profile.name, ciphertext=keys.encrypt(key), fingerprint=fingerprint(key))
        except RegistryError as error:
            raise conflict("another profile has this key already" if visitor.client else str(error)) from None
        return TriedKey(profile=await self._story(path.id), key=trial.standing, detail=trial.detail)

    async def _tried(self, key: SecretStr | None, *, check: bool) -> Trial:
        if key is None or not check:
            return Trial(Standing.UNTRIED)
        trial = await self._services.try_key(key)
        if trial.standing is Standing.INVALID:
            raise invalid(
                [FieldProblem("profile_key", f"the profile key is {trial}; `check` false takes it all the same")]
            )
        return trial

    async def _story(self, profile_id: int) -> ProfileStory:
        found = await self._fleet.status_of_one(profile_id)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"profile {profile_id} was removed meanwhile")
        return ProfileStory(
            **msgspec.structs.asdict(found),
            particulars=await particulars_of(self._services.database, profile_id),
            budget=await budget_of(self._services.database, profile_id),
            missing=await missing_days_of(self._services.database, profile_id),
            polls=await self._fleet.recent_polls(profile_id, _POLLS),
        )


def _reason(text: str) -> str:
    try:
        return checked_text("reason", text)
    except RegistryError as error:
        raise invalid([FieldProblem("reason", str(error))]) from None


def _key(text: str) -> SecretStr:
    try:
        return checked_key(text)
    except RegistryError as error:
        raise invalid([FieldProblem("profile_key", str(error))]) from None
