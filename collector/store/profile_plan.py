"""Compares profiles as they are to be with profiles as they are. Pure: no clock, no I/O."""

from collections.abc import Mapping, Sequence

import msgspec

from collector.models.plan import Action, ColumnChange, Planned


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the profile of this name; None leaves a column as it is, an empty value clears it."""

    name: str
    client: str | None = None
    key_ciphertext: bytes | None = None
    key_fingerprint: bytes | None = None
    ref_id: str | None = None
    tags: tuple[str, ...] | None = None


class CurrentProfile(msgspec.Struct, frozen=True):
    """A registered profile as an import compares it."""

    name: str
    client: str
    tags: list[str]
    ref_id: str | None
    key_fingerprint: bytes


def plan(
    wanted: Sequence[ProfileChange],
    current: Mapping[str, CurrentProfile],
    taken: Mapping[str, str],
    *,
    only_new: bool = False,
) -> list[Planned]:
    """Say of each profile what would be done; ``taken`` says of the named ones what is another's.

    ``only_new`` refuses those that are registered.
    """
    return [_planned(change, current.get(change.name), taken.get(change.name), only_new=only_new) for change in wanted]


def _planned(change: ProfileChange, current: CurrentProfile | None, taken: str | None, *, only_new: bool) -> Planned:
    if taken is not None:
        return Planned(change.name, Action.REFUSED, reason=taken)
    if current is None:
        return _new(change)
    if only_new:
        return Planned(change.name, Action.REFUSED, reason="a profile of this name is registered already")
    changes = tuple(_changes(change, current))
    return Planned(change.name, Action.CHANGED if changes else Action.UNCHANGED, changes)


def _new(change: ProfileChange) -> Planned:
    needed = {"client": change.client, "profile_key": change.key_ciphertext}
    missing = [column for column, value in needed.items() if value is None]
    if missing:
        reason = f"there is no profile of this name, and a new one needs a {' and a '.join(missing)}"
        return Planned(change.name, Action.REFUSED, reason=reason)
    return Planned(change.name, Action.ADDED)


def _changes(change: ProfileChange, current: CurrentProfile) -> list[ColumnChange]:
    pairs = (
        ("client", change.client, current.client),
        ("ref_id", change.ref_id, current.ref_id or ""),
        ("tags", None if change.tags is None else ", ".join(change.tags), ", ".join(current.tags)),
    )
    found = [ColumnChange(column, old, new) for column, new, old in pairs if new is not None and new != old]
    if change.key_fingerprint is not None and change.key_fingerprint != current.key_fingerprint:
        found.append(ColumnChange("profile_key", "the old one", "a new one"))
    return found
