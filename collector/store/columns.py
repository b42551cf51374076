"""Turns values into columns of ``unnest`` and rows into values: a field of a struct is the column of its name."""

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

_SQL_TYPES: dict[object, str] = {
    bool: "boolean",
    bytes: "bytea",
    date: "date",
    datetime: "timestamptz",
    float: "double precision",
    int: "bigint",
    str: "text",
}
Value = TypeVar("Value", bound=msgspec.Struct)


def columns(kind: type[Value], values: Iterable[Value]) -> list[list[Any]]:
    """Return a list for each column, in the order of the fields."""
    kept = list(values)
    return [list(map(attrgetter(path), kept)) for path, _ in _columns(kind)]


def names(kind: type[msgspec.Struct], prefix: str = "") -> str:
    """Return the list of columns: ``prefix`` is that of a table, dot included."""
    return ", ".join(prefix + _name(path) for path, _ in _columns(kind))


def arrays(kind: type[msgspec.Struct], first: int = 1) -> str:
    """Return the arguments of ``unnest`` that take what `columns` gives, the first of them being ``$first``."""
    return ", ".join(f"${number}::{_sql_type(each)}[]" for number, (_, each) in enumerate(_columns(kind), start=first))


def values(kind: type[Value], rows: Iterable[Mapping[str, Any]]) -> list[Value]:
    """Make a value of each row, by the names of its columns; words become members of enums.

    Raises:
        TypeError: the statement does not give exactly the columns that the struct has.
        msgspec.ValidationError: a column has another type, or NULL where the struct has no None.
    """
    kept = list(rows)
    fields = list(kept[0].keys()) if kept else []
    if kept and (differ := _expected(kind).symmetric_difference(fields)):
        raise TypeError(f"{kind.__name__} and a row differ in {sorted(differ)}")
    # Names and values apart: a row of the driver that is asked for both looks each of them up.
    dicts = [dict(zip(fields, row.values(), strict=True)) for row in kept]
    if inner := _inner(kind):
        dicts = [each | dict.fromkeys(inner, each) for each in dicts]
    made: list[Value] = msgspec.convert(dicts, types.GenericAlias(list, kind))
    return made


# What is known of a struct is kept: to look at the annotations of one costs more than to read a row.
@cache
def _columns(kind: type[msgspec.Struct]) -> Sequence[tuple[str, Any]]:
    """Return the path and the type of each column; the fields of a struct in a struct are columns beside the others."""
    return tuple(_paths(kind))


def _paths(kind: type[msgspec.Struct]) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(kind):
        if _is_struct(field.type):
            yield from ((f"{field.name}.{path}", each) for path, each in _columns(field.type))
        else:
            yield field.name, field.type


@cache
def _expected(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(_name(path) for path, _ in _columns(kind))


@cache
def _inner(kind: type[msgspec.Struct]) -> Sequence[str]:
    """Return the fields that are structs themselves."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if _is_struct(field.type))


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _sql_type(kind: object) -> str:
    if get_origin(kind) in {Union, types.UnionType}:
        [sql_type] = {_sql_type(each) for each in get_args(kind) if each is not types.NoneType}
        return sql_type
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "text"
    return _SQL_TYPES[kind]
