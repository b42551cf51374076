"""Kinds of values that options take; their errors are written for people who do not know Python."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from collector.errors import CollectorError
from collector.table.moment import zone_named

Command = TypeVar("Command", bound=Callable[..., None])


class Form(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class TimeZone(click.ParamType[ZoneInfo]):
    """A time zone by its name in the IANA database."""

    name = "zone"

    def convert(self, value: str | ZoneInfo, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return zone_named(value)
        except CollectorError as error:
            self.fail(str(error), param, ctx)


class Day(click.ParamType[datetime]):
    """A day in UTC."""

    name = "day"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.combine(date.fromisoformat(value), time(), UTC)
        except ValueError:
            self.fail(f"{value} is not a day; write one like 2026-12-24", param, ctx)


class Moment(click.ParamType[datetime]):
    """A moment, in UTC unless it says otherwise."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value} is not a time; write one like 2026-12-24 or 2026-12-24T18:00+01:00", param, ctx)


class Whole(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"

    def convert(
        self,
        value: Any,  # noqa: ANN401 -- click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is not a {self.name} from {self.min} to {self.max}", param, ctx)


class Seconds(click.FloatRange):
    """A number of seconds within bounds."""

    name = "number of seconds"

    def convert(
        self,
        value: Any,  # noqa: ANN401 -- click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            most = "" if self.max is None else f", {self.max:g} at most"
            self.fail(f"{value} is not a {self.name}{most}", param, ctx)


def in_format(command: Command) -> Command:
    """Give a command that lists the options of how."""
    command = click.option(
        "--format",
        "form",
        type=click.Choice([each.value for each in Form]),
        default=Form.TABLE.value,
        show_default=True,
        help="How the list is printed. In CSV a ' is put before a cell that begins with = + - @ or a tab, "
        "so that a spreadsheet takes it for text.",
    )(command)
    return click.option("--json", "form", flag_value=Form.JSON.value, help="The same as --format json.")(command)
