"""What is said of profiles, clients and tags that there are not, with the nearest names that there are."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from collector.errors import RegistryError
from collector.store.pool import Database
from collector.store.sendable import is_sendable

# Whoever mistypes a name mostly has its beginning right, or its case wrong.
_LIKE = "starts_with(lower(name), lower(left($1, 2))) ORDER BY name LIMIT 2000"
_NEAR = {
    "profile": f"SELECT name FROM profile WHERE {_LIKE}",
    "client": f"SELECT name FROM (SELECT DISTINCT client AS name FROM profile) AS c WHERE {_LIKE}",
    "tag": f"SELECT name FROM (SELECT DISTINCT unnest(tags) AS name FROM profile) AS t WHERE {_LIKE}",
}
# Of a long list of names, each with its question to the database.
_MOST_GUESSES = 3


async def unknown_names(database: Database, unknown: Mapping[str, Sequence[str]]) -> RegistryError:
    """Return the error that tells what was asked for in vain: names of ``profile``, ``client`` or ``tag``."""
    told = ", ".join(f"no such {what}: {', '.join(asked)}" for what, asked in unknown.items())
    each = [(what, name) for what, asked in unknown.items() for name in asked]
    near = [await _nearest(database, what, name) for what, name in each[:_MOST_GUESSES]]
    meant = ", ".join(filter(None, near))
    return RegistryError(f"{told}; {f'did you mean {meant}?' if meant else '`collector profiles list` shows them all'}")


async def unknown_clients(database: Database, named: Iterable[str]) -> str | None:
    """Say which of these clients there are not; None where there are all."""
    names = sorted(set(filter(is_sendable, named)))
    known = await database.fetch("SELECT DISTINCT client FROM profile WHERE client = ANY($1::text[])", names)
    missing = sorted(set(names) - {client for (client,) in known})
    return str(await unknown_names(database, {"client": missing})) if missing else None


async def _nearest(database: Database, what: str, name: str) -> str | None:
    if not is_sendable(name):
        return None
    by_lower = {known.lower(): known for (known,) in await database.fetch(_NEAR[what], name)}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None
