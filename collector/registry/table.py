"""Reads the CSV of profiles: all or nothing, every bad line with its number and its reason."""

from collections.abc import Iterable

from collector.crypto import fingerprint
from collector.errors import BadLinesError, RegistryError
from collector.registry.validate import Registration, registration
from collector.table import Columns, scan_table

_COLUMNS = Columns(("name", "client", "profile_key"), ("ref_id", "tags"), longest_field=10_000)


def read_table(lines: Iterable[str]) -> list[Registration]:
    """Return the profiles of a CSV with a header.

    Raises:
        BadLinesError: with every bad line; nothing is to be imported then.

    """
    seen = _Seen()

    def make(line: int, fields: dict[str, str]) -> Registration:
        profile = registration(**fields)
        seen.refuse_repeated(profile, line)
        return profile

    found = scan_table(lines, _COLUMNS, make)
    if found.bad:
        raise BadLinesError(found.bad)
    return [profile for _, profile in found.rows]


class _Seen:
    """Names and keys met so far; keys by their fingerprint."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._keys: dict[bytes, int] = {}

    def refuse_repeated(self, profile: Registration, line: int) -> None:
        first = self._names.setdefault(profile.name, line)
        if first != line:
            raise RegistryError(f"the name is already on line {first}")
        first = self._keys.setdefault(fingerprint(profile.profile_key), line)
        if first != line:
            raise RegistryError(f"the profile key is already on line {first}")
