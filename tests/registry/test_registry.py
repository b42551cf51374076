"""The CSV of profiles, the comparison with Ayrshare, and the statements of an import."""

from datetime import UTC, datetime

import pytest

from collector.ayrshare.profiles import ProfileEntry
from collector.errors import BadLinesError, RegistryError
from collector.models.plan import Action, Planned
from collector.models.profile import ProfileState
from collector.registry.register import compare, insist
from collector.registry.table import scan_profiles
from collector.registry.validate import checked_key, registration
from collector.store import profile as profile_store
from collector.store.pool import Database
from collector.store.profile import ProfileStore, RegisteredProfile
from collector.store.profile_plan import ProfileChange
from tests.support.profiles import new_profile

HEADER = "name,client,profile_key\n"
FULL_HEADER = "name,client,profile_key,ref_id,tags\n"
COLUMNS = "name[,client,profile_key,ref_id,tags]"
EMPTY = [(1, f"the file is empty; its header must be {COLUMNS}")]
CELLS = "more cells than the header has names, which are 3; is a separator in a cell without quotes?"
FEW = "2 cells, where the header has 3; profile_key is missing"
CONTROL = "the name holds control characters"
WRONG_KEY = "the profile key is not 500 or fewer printable ASCII characters without spaces"


Read = tuple[str, str | None, str | None, str | None, tuple[str, ...] | None]


def read(text: str, *, clear_empty: bool = False) -> list[Read]:
    found = scan_profiles(text.encode(), clear_empty=clear_empty)
    if found.bad:
        raise BadLinesError(found.bad)
    return [
        (p.name, p.client, p.profile_key.get_secret_value() if p.profile_key else None, p.ref_id, p.tags)
        for _, p in found.rows
    ]


@pytest.mark.parametrize(
    ("text", "profiles"),
    [
        (
            f"{HEADER}a,acme,KEYKEYK1\nb,acme,KEYKEYK2\n",
            [("a", "acme", "KEYKEYK1", None, None), ("b", "acme", "KEYKEYK2", None, None)],
        ),
        ("profile_key , client,name\nKEYKEYK1,acme,a", [("a", "acme", "KEYKEYK1", None, None)]),
        (f"{FULL_HEADER}a,acme,KEYKEYK1,,\n", [("a", "acme", "KEYKEYK1", None, None)]),
        (f"{FULL_HEADER}a,acme,KEYKEYK1,r1,x| y |x\n", [("a", "acme", "KEYKEYK1", "r1", ("x", "y"))]),
        (f"{HEADER}\n a , acme , KEYKEYK1 \n\n", [("a", "acme", "KEYKEYK1", None, None)]),
        (
            f"{HEADER}a,acme,KEYKEYK1\r\nb,acme,KEYKEYK2\r\n",
            [("a", "acme", "KEYKEYK1", None, None), ("b", "acme", "KEYKEYK2", None, None)],
        ),
        (f'{HEADER}"Söhne, ""東京"" 🎈",acme,KEYKEYK1\n', [('Söhne, "東京" 🎈', "acme", "KEYKEYK1", None, None)]),
    ],
)
def test_good_tables_are_read(text: str, profiles: list[object]) -> None:
    assert read(text) == profiles


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", EMPTY),
        ("\n\n", EMPTY),
        ("{}", [(1, f"none of the columns is named here; the header must be {COLUMNS}")]),
        (HEADER, [(1, "nothing follows the header")]),
        (f"{HEADER}\n\n", [(1, "nothing follows the header")]),
        (f"{HEADER}a,acme\n", [(2, FEW)]),
        (f"{HEADER}a,acme,KEYKEYK1,more\n", [(2, CELLS)]),
        (f"{HEADER},acme,KEYKEYK1\n", [(2, "the name is empty")]),
        (f"{HEADER}a,acme,KEYKEYK 1\n", [(2, WRONG_KEY)]),
        (f"{HEADER}a,acme,{'K' * 501}\n", [(2, WRONG_KEY)]),
        (f"{HEADER}a,acme,Profile\n", [(2, "the profile key is shorter than 8 characters; copy all of it")]),
        (f"{HEADER}{'a' * 201},acme,KEYKEYK1\n", [(2, "the name is longer than 200 characters")]),
        (f"{HEADER}a\0b,acme,KEYKEYK1\n", [(2, "the name holds control characters")]),
        (f'{HEADER}"two\nlines",acme,KEYKEYK1\n', [(2, "the name holds control characters")]),
        (f"{HEADER}a,acme,KEYKEYK1\na,acme,KEYKEYK2\n", [(3, "the name is already on line 2")]),
        (f"{HEADER}a,acme,KEYKEYK1\na ,acme,KEYKEYK2\n", [(3, "the name is already on line 2")]),
        (f"{HEADER}a,acme,KEYKEYK1\nb,acme,KEYKEYK1\n", [(3, "the profile key is already on line 2")]),
        (f"{FULL_HEADER}a,acme,KEYKEYK1,r1,{'|'.join(map(str, range(51)))}\n", [(2, "more than 50 tags")]),
        (f"{FULL_HEADER}a,acme,KEYKEYK1,r1,{'x' * 101}\n", [(2, "the tag is longer than 100 characters")]),
        (f"{FULL_HEADER}a,acme,KEYKEYK1,r,\nb,acme,KEYKEYK2,r,\n", [(3, "the ref_id is already on line 2")]),
        (f"{FULL_HEADER}a,acme,KEYKEYK1,{'r' * 201},\n", [(2, "the ref_id is longer than 200 characters")]),
        (
            f'{HEADER}"a"b,acme,KEYKEYK1\n',
            [(2, 'text follows a closing quotation mark; a mark inside a cell is written twice: ""')],
        ),
        (
            f'{HEADER}a,acme,KEYKEYK1\n\n"b,acme,KEYKEYK2\nc,acme,KEYKEYK3\n',
            [(4, "a quotation mark is opened here and never closed")],
        ),
        (f'{HEADER}\n\n"two\nlines",acme,KEYKEYK1\nb,acme\n', [(4, CONTROL), (6, FEW)]),
        (f'{HEADER}"a,acme,KEYKEYK1\n', [(2, "a quotation mark is opened here and never closed")]),
        (
            f"{HEADER}{'a' * 10_001},acme,KEYKEYK1\n",
            [(2, "a cell is longer than 10000 characters; is a quotation mark never closed?")],
        ),
        (
            f"{HEADER}a,acme\nb,acme,KEYKEYK1\n,acme,KEYKEYK2\nc,acme,KEYKEYK 3\n",
            [(2, FEW), (4, "the name is empty"), (5, WRONG_KEY)],
        ),
    ],
)
def test_every_bad_line_is_reported_with_its_number_and_reason(text: str, lines: list[tuple[int, str]]) -> None:
    with pytest.raises(BadLinesError) as raised:
        read(text)

    assert raised.value.lines == lines


def test_an_empty_cell_clears_only_where_that_was_said() -> None:
    text = f"{FULL_HEADER}a,,,,\n"

    assert read(text) == [("a", None, None, None, None)]
    assert read(text, clear_empty=True) == [("a", None, None, "", ())]
    assert read("name,client\na,globex\n", clear_empty=True) == [("a", "globex", None, None, None)]


def test_no_message_shows_a_key() -> None:
    with pytest.raises(BadLinesError) as raised:
        read(f"{HEADER}a,acme,hunter22\nb,acme,hunter22\nc,acme,hunter22 hunter22\nd,acme,hunter22,hunter22\n")

    assert len(raised.value.lines) == 3
    assert "hunter22" not in str(raised.value)
    assert "hunter22" not in repr(registration(name="a", client="b", profile_key="hunter22"))


@pytest.mark.parametrize("key", ["A" * 500, "~!@#$%^&*()", "AAAA-BBBB\n"])
def test_keys_may_be_any_printable_ascii(key: str) -> None:
    assert checked_key(key).get_secret_value() == key.strip()


# The comparison with Ayrshare.


def entry(title: str, ref_id: str | None = None, *, linked: bool = True) -> ProfileEntry:
    return ProfileEntry(title=title, ref_id=ref_id, linked_to_pinterest=linked, suspended=False)


def registered(name: str, ref_id: str | None = None) -> RegisteredProfile:
    return RegisteredProfile(
        1, name, "acme", [], ref_id, ProfileState.ACTIVE, None, datetime.now(UTC), None, None, None, None, None
    )


@pytest.mark.parametrize(
    ("entries", "rows", "names", "gone"),
    [
        ([], [], [], []),
        ([entry("a")], [], [None], []),
        ([], [registered("b", "r2"), registered("a", "r1")], [], ["a", "b"]),
        ([entry("a", "r1")], [registered("renamed", "r1")], ["renamed"], []),
        ([entry("a", "r1")], [registered("a")], ["a"], []),
        ([entry("a")], [registered("a", "r1")], ["a"], []),
        ([entry("a", "r1"), entry("b", "r2")], [registered("a", "r2")], [None, "a"], []),
        ([entry("a", "r1")], [registered("a", "r2")], [None], ["a"]),
    ],
    ids=["nothing", "missing", "gone", "by refId", "by title", "no refId there", "title is another's", "remade"],
)
def test_profiles_are_matched_by_ref_id_and_else_by_title(
    entries: list[ProfileEntry], rows: list[RegisteredProfile], names: list[str | None], gone: list[str]
) -> None:
    found = compare(entries, rows)

    assert [profile.name for profile in found.profiles] == names
    assert found.gone == gone


def test_what_is_registered_without_a_ref_id_is_not_called_gone() -> None:
    found = compare([entry("a", "r1")], [registered("acme-eu")])

    assert (found.gone, found.without_ref_id) == ([], ["acme-eu"])


# The statements behind an import.


async def actions(store: ProfileStore, *changes: ProfileChange) -> list[Action]:
    return [each.action for each in await store.put(changes)]


async def test_importing_tells_what_is_new_changed_and_unchanged(database: Database) -> None:
    store = ProfileStore(database)
    first = [new_profile(f"p{i}", f"K{i}") for i in range(3)]
    second = [*first[:2], new_profile("p2", "K2", client="globex"), new_profile("p3", "K3")]

    assert await actions(store, *first) == [Action.ADDED] * 3
    assert await actions(store, *second) == [Action.UNCHANGED, Action.UNCHANGED, Action.CHANGED, Action.ADDED]


async def test_an_import_that_shares_a_key_is_undone_as_a_whole(database: Database) -> None:
    store = ProfileStore(database)
    await store.put([new_profile(f"p{i}", f"K{i}") for i in range(7)])

    planned = await store.put([new_profile("y", "KY"), *(new_profile(f"x{i}", f"K{i}") for i in range(7))])

    assert planned[1] == Planned("x0", Action.REFUSED, reason="the profile key belongs to p0 already")
    with pytest.raises(RegistryError, match=r"x0: the profile key belongs to p0 .*; x4: .* and 2 more; nothing was"):
        insist(planned)
    assert await database.fetchval("SELECT count(*) FROM profile WHERE name LIKE 'p%'") == 7
    assert await database.fetchval("SELECT count(*) FROM profile") == 7


async def test_a_key_that_its_profile_keeps_cannot_be_had_by_another(database: Database) -> None:
    store = ProfileStore(database)
    await store.put([new_profile("a", "K1")])

    assert await actions(store, ProfileChange(name="a", client="globex"), new_profile("b", "K1")) == [
        Action.CHANGED,
        Action.REFUSED,
    ]
    assert await database.fetchval("SELECT client FROM profile") == "acme"


async def test_the_search_for_shared_keys_is_not_quadratic(database: Database) -> None:
    """Compared pair by pair, the second import of 100,000 profiles took over a minute."""
    plan = await database.fetch(f"EXPLAIN {profile_store._SHARED_KEYS}", ["a"], [b"k"])
    text = "\n".join(row[0] for row in plan)

    assert "hashed SubPlan" in text
    assert "ALL" not in text


async def test_a_changed_key_takes_the_lease_from_a_poll_under_way(database: Database) -> None:
    store = ProfileStore(database)
    await store.put([new_profile("a", "K1"), new_profile("b", "K2")])
    await database.execute("UPDATE profile SET lease_owner = 'me', lease_until = now() + interval '1 hour'")

    await store.put([new_profile("a", "NEW"), new_profile("b", "K2", client="globex")])

    rows = await database.fetch("SELECT lease_owner FROM profile ORDER BY name")
    assert [row["lease_owner"] for row in rows] == [None, "me"]
