"""Reads the table of profiles: all or nothing, every bad line with its number and its reason."""

from collector.crypto import fingerprint
from collector.errors import RegistryError
from collector.registry.validate import Registration, registration
from collector.table.scan import Columns, Scanned, scan_table

COLUMNS = Columns(("name",), ("client", "profile_key", "ref_id", "tags"), longest_cell=10_000)


def scan_profiles(data: bytes, *, clear_empty: bool = False) -> Scanned[Registration]:
    """Read the profiles of a table with a header.

    A column that is not there changes nothing, and neither does an empty cell, unless ``clear_empty``.

    Raises:
        BadLinesError: there is no table at all.

    """
    seen = _Seen()
    clearable = {"ref_id", "tags"} if clear_empty else set()

    def make(line: int, cells: dict[str, str]) -> tuple[Registration | None, list[str]]:
        told = {column: cell for column, cell in cells.items() if cell or column in clearable}
        try:
            profile = registration(**{"name": "", **told})
            seen.refuse_repeated(profile, line)
        except RegistryError as error:
            return None, [str(error)]
        return profile, []

    return scan_table(data, COLUMNS, make)


class _Seen:
    """Names, refIds and keys met so far; keys by their fingerprint."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._refs: dict[str, int] = {}
        self._keys: dict[bytes, int] = {}

    def refuse_repeated(self, profile: Registration, line: int) -> None:
        first = self._names.setdefault(profile.name, line)
        if first != line:
            raise RegistryError(f"the name is already on line {first}")
        if profile.ref_id and (first := self._refs.setdefault(profile.ref_id, line)) != line:
            raise RegistryError(f"the ref_id is already on line {first}")
        if profile.profile_key is None:
            return
        first = self._keys.setdefault(fingerprint(profile.profile_key), line)
        if first != line:
            raise RegistryError(f"the profile key is already on line {first}")
