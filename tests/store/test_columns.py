"""Values are written as columns and read back by the names of their fields."""

from datetime import UTC, date, datetime
from enum import StrEnum

import msgspec
import pytest

from collector.store.columns import arrays, columns, names, values
from collector.store.pool import Database


class Colour(StrEnum):
    RED = "red"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    colour: Colour
    day: date
    seen_at: datetime | None = None
    share: float | None = None
    key: bytes = b""
    open: bool = False


THINGS = [
    Thing(number=1, colour=Colour.RED, day=date(2026, 1, 2)),
    Thing(
        number=2,
        colour=Colour.RED,
        day=date(2026, 1, 3),
        seen_at=datetime(2026, 1, 4, tzinfo=UTC),
        share=0.5,
        key=b"k",
        open=True,
    ),
]


@pytest.mark.parametrize("things", [THINGS, []])
async def test_values_come_back_from_arrays_as_they_went_in(database: Database, things: list[Thing]) -> None:
    sql = f"SELECT {names(Thing, 't.')} FROM unnest({arrays(Thing, 2)}) AS t ({names(Thing)}) WHERE number > $1"
    assert values(Thing, await database.fetch(sql, 0, *columns(Thing, things))) == things


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("share AS part", TypeError),
        ("share, 1 AS more", TypeError),
        ("'half' AS share", msgspec.ValidationError),
        ("NULL::float8 AS share, NULL::date AS day", msgspec.ValidationError),
    ],
)
async def test_a_row_that_is_not_the_value_is_refused(database: Database, change: str, error: type[Exception]) -> None:
    others = ", ".join(name for name in Thing.__struct_fields__ if name != "share" and f"AS {name}" not in change)
    sql = f"SELECT {others}, {change} FROM unnest({arrays(Thing)}) AS t ({names(Thing)})"
    with pytest.raises(error):
        values(Thing, await database.fetch(sql, *columns(Thing, THINGS)))
