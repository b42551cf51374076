"""Kinds of values that options take; their errors are written for people who do not know Python."""

from zoneinfo import ZoneInfo

import click


class TimeZone(click.ParamType[ZoneInfo]):
    """A time zone by its name in the IANA database."""

    name = "zone"

    def convert(self, value: str | ZoneInfo, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self.fail(f"there is no time zone {value}; write one like Europe/Berlin or America/New_York", param, ctx)
