"""Reads the CSV of profiles: all or nothing, every bad line with its number and its reason."""

from collector.crypto import fingerprint
from collector.errors import BadLinesError, RegistryError
from collector.registry.validate import Registration, registration
from collector.table.scan import Columns, scan_table

COLUMNS = Columns(("name", "client", "profile_key"), ("ref_id", "tags"), longest_cell=10_000)


def read_table(data: bytes) -> list[Registration]:
    """Return the profiles of a table with a header.

    Raises:
        BadLinesError: with every bad line; nothing is to be imported then.

    """
    seen = _Seen()

    def make(line: int, cells: dict[str, str]) -> tuple[Registration | None, list[str]]:
        try:
            profile = registration(**cells)
            seen.refuse_repeated(profile, line)
        except RegistryError as error:
            return None, [str(error)]
        return profile, []

    found = scan_table(data, COLUMNS, make)
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
