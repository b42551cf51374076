"""Checks one profile before anything of it is stored. Messages never show a key."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec
from pydantic import SecretStr

from collector.errors import RegistryError
from collector.setting_kind import unquoted

T = TypeVar("T")
U = TypeVar("U")

_LONGEST_NAME = 200
_LONGEST_KEY = 500
# Ayrshare's have 30 or so. What is shorter is a slip, and may be a word that its answers hold.
_SHORTEST_KEY = 8
_LONGEST_TAG = 100
_MOST_TAGS = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Bidirectional controls turn what follows around, so that a name looks like another; zero-width characters make two
# names that look the same.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_KEY = re.compile(r"[\x21-\x7e]+")


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A checked profile, its key still clear and therefore wrapped.

    Of a profile that is registered, None leaves a column as it is, and an empty value clears it.
    """

    name: str
    client: str | None = None
    profile_key: SecretStr | None = None
    ref_id: str | None = None
    tags: tuple[str, ...] | None = None


def registration(
    *,
    name: str,
    client: str | None = None,
    profile_key: str | None = None,
    ref_id: str | None = None,
    tags: str | Sequence[str] | None = None,
) -> Registration:
    """Return a checked profile; ``tags`` of one text are separated by ``|`` or ``,``. They may be empty, as ``ref_id``.

    Raises:
        RegistryError: with everything that is wrong.

    """
    problems: dict[str, str] = {}

    def check(field: str, checked: Callable[[U], T], value: U | None) -> T | None:
        try:
            return None if value is None else checked(value)
        except RegistryError as error:
            problems[field] = str(error)
            return None

    found = Registration(
        name=check("name", partial(checked_text, "name"), name) or "",
        client=check("client", partial(checked_text, "client"), client),
        profile_key=check("profile_key", checked_key, profile_key),
        ref_id=check("ref_id", lambda text: checked_text("ref_id", text) if text.strip() else "", ref_id),
        tags=check("tags", _checked_tags, tags),
    )
    if problems:
        raise RegistryError("; ".join(problems.values()), fields=problems)
    return found


def _checked_tags(tags: str | Sequence[str]) -> tuple[str, ...]:
    parts = [tag.strip() for tag in re.split(r"[|,]", tags) if tag.strip()] if isinstance(tags, str) else tags
    if len(parts) > _MOST_TAGS:
        raise RegistryError(f"more than {_MOST_TAGS} tags")
    if divided := [tag for tag in parts if re.search(r"[|,]", tag)]:
        raise RegistryError(f"the tag {divided[0][:_LONGEST_TAG]} holds | or a comma, which separate tags")
    return tuple(dict.fromkeys(checked_text("tag", tag, _LONGEST_TAG) for tag in parts))


def checked_key(profile_key: str) -> SecretStr:
    """Return the key, without quotation marks around it. Raises ``RegistryError`` when no key can look like that."""
    key = unquoted(profile_key)
    if not key:
        raise RegistryError("the profile key is empty")
    if len(key) < _SHORTEST_KEY:
        raise RegistryError(f"the profile key is shorter than {_SHORTEST_KEY} characters; copy all of it")
    if len(key) > _LONGEST_KEY or not _KEY.fullmatch(key):
        raise RegistryError(f"the profile key is not {_LONGEST_KEY} or fewer printable ASCII characters without spaces")
    return SecretStr(key)


def checked_text(what: str, value: str, longest: int = _LONGEST_NAME) -> str:
    """Return a text that a table, a terminal and a database can hold. Raises ``RegistryError`` for any other."""
    text = value.strip()
    if not text:
        raise RegistryError(f"the {what} is empty")
    if len(text) > longest:
        raise RegistryError(f"the {what} is longer than {longest} characters")
    if _CONTROL.search(text):
        raise RegistryError(f"the {what} holds control characters")
    if what == "name" and text.startswith("-"):
        raise RegistryError("the name begins with -, so commands would take it for an option; choose another")
    if invisible := _INVISIBLE.search(text):
        code_point = f"U+{ord(invisible[0]):04X}"
        raise RegistryError(f"the {what} holds the invisible character {code_point}; write it again without")
    return text
