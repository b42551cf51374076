"""Reads the CSV of profiles: all or nothing, every bad line with its number and its reason."""

import csv
from collections.abc import Iterable

from collector.crypto import fingerprint
from collector.errors import RegistryError
from collector.registry.validate import Registration, registration

_REQUIRED = ("name", "client", "profile_key")
_COLUMNS = frozenset({*_REQUIRED, "ref_id", "tags"})
_LONGEST_FIELD = 10_000
_WRONG_HEADER = "the header must be name,client,profile_key[,ref_id,tags]"
_NO_PROFILES = "there are no profiles in this file"


class BadLinesError(RegistryError):
    """The table cannot be imported; ``lines`` are (line number, reason), the header being line 1."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        super().__init__("\n".join(f"line {number}: {reason}" for number, reason in lines))
        self.lines = lines


def read_table(lines: Iterable[str]) -> list[Registration]:
    """Return the profiles of a CSV with a header.

    Raises:
        BadLinesError: with every bad line; nothing is to be imported then.

    """
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    profiles: list[Registration] = []
    bad: list[tuple[int, str]] = []
    seen = _Seen()
    # Where a record begins. The reader itself counts to its end, which for a quote that is never closed is the file's.
    number = 1
    try:
        for record in reader:
            if record and header is None:
                header = _header(record)
            elif record and header is not None:
                try:
                    profile = _profile(header, record)
                    seen.refuse_repeated(profile, number)
                    profiles.append(profile)
                except RegistryError as error:
                    bad.append((number, str(error)))
            number = reader.line_num + 1
    except csv.Error as error:
        bad.append((number, f"not CSV: {error}"))
    if not bad and not profiles:
        bad.append((max(number - 1, 1), _NO_PROFILES if header else _WRONG_HEADER))
    if bad:
        raise BadLinesError(bad)
    return profiles


def _header(record: list[str]) -> list[str]:
    names = [name.strip() for name in record]
    if not _COLUMNS.issuperset(names) or not set(names).issuperset(_REQUIRED) or len(set(names)) != len(names):
        raise BadLinesError([(1, _WRONG_HEADER)])
    return names


def _profile(header: list[str], record: list[str]) -> Registration:
    if len(record) != len(header):
        raise RegistryError(f"{'more' if len(record) > len(header) else 'fewer'} fields than the header has")
    return registration(**dict(zip(header, record, strict=True)))


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
