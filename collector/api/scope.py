"""What every resource asks: whose rows a visitor may see, and which page of a list is wanted."""

from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta

from collector.access import Visitor
from collector.api.cursor import place
from collector.api.problem import FieldProblem, ProblemError, invalid, not_found
from collector.models.plan import Action, Planned
from collector.store.paging import Wish
from collector.store.profile import ProfileStore, RegisteredProfile
from collector.store.series import SeriesStore, Subject

# How the reasons of the registry begin.
_TAKEN = {"the profile key": "profile_key", "the ref_id": "ref_id", "a profile of this name": "name"}

_USUAL_DAYS = timedelta(days=89)
_LONGEST = timedelta(days=3660)

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Text = Annotated[str, Meta(max_length=200)]
Limit = Annotated[int, Meta(ge=1, le=1000, description="How many rows a page has at most.")]
Cursor = Annotated[str, Meta(max_length=2000, description="`next` of the page before.")]


class IdPath(msgspec.Struct, frozen=True):
    """The path to one thing."""

    id: Id


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all lists take; ``total`` asks how many rows there are in all."""

    limit: Limit = 100
    cursor: Cursor | None = None
    total: bool = False

    def wish(self, order: str, *, descending: bool = False) -> Wish:
        """Return which page is wanted. Raises ``ProblemError`` for a cursor of another list."""
        return Wish(
            limit=self.limit,
            after=place(self.cursor, ordered(order, descending=descending)),
            descending=descending,
            total=self.total,
        )


class DaysQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which days; unless they are given, ``to`` is today and ``from`` 89 days before it."""

    first_day: date | None = msgspec.field(default=None, name="from")
    last_day: date | None = msgspec.field(default=None, name="to")

    def days(self) -> tuple[date, date]:
        """Return the first and the last day. Raises ``ProblemError`` where they are no period."""
        try:
            last = self.last_day or datetime.now(UTC).date()
            first = self.first_day or last - _USUAL_DAYS
        except OverflowError:
            raise invalid([FieldProblem("to", "to: there are no days before it")]) from None
        if first > last:
            raise invalid([FieldProblem("from", f"from: {first} is after {last}")])
        if last - first > _LONGEST:
            raise invalid([FieldProblem("from", f"from: {first} is more than {_LONGEST.days} days before {last}")])
        return first, last


def ordered(order: str, *, descending: bool = False) -> str:
    """Return the name of an order, as cursors have it."""
    return f"-{order}" if descending else order


def bound(visitor: Visitor, client: str | None) -> str | None:
    """Return the client whose rows are asked for; None is all. Raises ``ProblemError`` for another client's."""
    if client is not None and not visitor.may_see(client):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"this token is for the client {visitor.client}",
            fields=[FieldProblem("client", f"client: this token is for {visitor.client}")],
        )
    return client if visitor.client is None else visitor.client


async def known_subject(store: SeriesStore, *, client: str | None, profile: str | None) -> Subject:
    """Return a profile, or else all profiles of a client. Raises ``ProblemError`` when there are none."""
    if profile is not None:
        subject, name = await store.of_profile(profile, client), f"profile {profile}"
    else:
        subject, name = await store.of_client(client or ""), f"client {client}"
    if subject is None:
        raise not_found(name)
    return subject


async def visible_profile(store: ProfileStore, visitor: Visitor, profile_id: int) -> RegisteredProfile:
    """Return a profile. Raises ``ProblemError`` when there is none that this visitor may see."""
    found = await store.find(profile_id)
    if found is None or not visitor.may_see(found.client):
        raise not_found(f"profile {profile_id}")
    return found


def refuse_if_taken(visitor: Visitor, planned: Planned) -> None:
    """Raise a ``ProblemError`` with the reason of what was refused; not whose the name, key or refId is."""
    if planned.action is not Action.REFUSED:
        return
    reason = planned.reason or ""
    field = next((field for words, field in _TAKEN.items() if reason.startswith(words)), "")
    if visitor.client is not None:
        reason = f"another profile has this {field} already"
    fields = [FieldProblem(field, reason)]
    raise ProblemError(HTTPStatus.CONFLICT, f"{planned.name}: {reason}; nothing was changed", fields=fields)
