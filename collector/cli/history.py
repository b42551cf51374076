"""``collector history``: what is missing and why, how numbers came to be what they are, and when they are settled."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, as_text, counted, print_csv, print_table
from collector.cli.option import Day, Form, Moment, in_format
from collector.errors import RegistryError
from collector.history.counters import counter_table
from collector.history.gaps import find_gaps
from collector.history.settle import MOST_CHANGE_SHARE, MOST_MOVED_SHARE, Settling, recommend
from collector.history.version import Difference, Step, steps
from collector.models.analytics import Metrics
from collector.models.gap import Gap
from collector.store.counter import CounterDay, CounterStore
from collector.store.gap import GapStore
from collector.store.listing import Listing
from collector.store.pool import Database
from collector.store.restatement import Movement, RestatementStore
from collector.store.series import Period, SeriesStore, Span
from collector.store.timeline import TimelineStore
from collector.table.line import csv_rows


@click.group()
def history() -> None:
    """Show what is missing and why, versions of a day, numbers of an account, and when numbers are settled."""


@history.command()
@click.option("--client", help="Of this client's profiles only.")
@click.option("--profile", help="Of this profile only.")
@in_format
def gaps(client: str | None, profile: str | None, form: str) -> None:
    """List the days that are not there, why, and in how many days they can no longer be filled.

    Days in a row of one profile with the same reason are one line. What can still be filled comes first, the most
    urgent at the top; days that are lost for good stay listed for ever.
    """

    async def work() -> list[Gap]:
        async with open_storage(settings_for_command()) as database:
            await Listing(database).insist_on_known(client=client, profile=profile)
            return await find_gaps(GapStore(database), client=client, profile=profile)

    found = execute(work())
    match Form(form):
        case Form.JSON:
            click.echo(as_json_text(found))
        case Form.CSV:
            print_csv(Gap, found)
        case Form.TABLE:
            print_table(("client", "profile", "days", "left", "whose", "why"), [_row(gap) for gap in found])
            click.echo(_summary(found))


@history.command()
@click.argument("profile")
@click.argument("day", type=Day(), required=False)
@click.option("--from", "first", type=Day(), help="Without DAY: from this day on; the last 30 days otherwise.")
@click.option("--to", "last", type=Day(), help="Without DAY: up to this day.")
@click.option("--as-of", type=Moment(), help="The numbers as they were known at that time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(
    profile: str,
    day: datetime | None,
    first: datetime | None,
    last: datetime | None,
    as_of: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Show every version of a profile's DAY, and what each changed; without DAY, the numbers of its days."""
    if day is not None and (first or last):
        raise click.UsageError("name a DAY, or days by --from and --to, not both")
    if day is not None:
        found = execute(_versions(profile, day.date(), as_of))
        click.echo(as_json_text(found) if as_json else _as_versions(profile, day.date(), found))
        return
    until = last.date() if last else datetime.now(UTC).date()
    span = Span(first_day=first.date() if first else until - timedelta(days=29), last_day=until, as_of=as_of)
    periods = execute(_days(profile, span))
    if as_json:
        click.echo(as_json_text(periods))
    else:
        print_table(("day", "settled", *Metrics.__struct_fields__), [_day(each) for each in periods])


async def _versions(profile: str, day: date, as_of: datetime | None) -> list[Step]:
    async with open_storage(settings_for_command()) as database:
        await Listing(database).insist_on_known(profile=profile)
        timeline = TimelineStore(database)
        found = steps(day, await timeline.versions(await timeline.named(profile) or 0, day))
        known = [each for each in found if as_of is None or each.version.observed_at <= as_of]
        if not known:
            raise RegistryError(f"{profile}, {day}: {await _absence(database, profile, day, seen=bool(found))}")
        return known


async def _absence(database: Database, profile: str, day: date, *, seen: bool) -> str:
    if seen:
        return "no version of the day was known at that time"
    gaps = await find_gaps(GapStore(database), profile=profile)
    gap = next((each for each in gaps if each.first_day <= day <= each.last_day), None)
    return "the day is not there" + (f": {gap.why}" if gap else "; it is not due, or before the first that was read")


async def _days(profile: str, span: Span) -> list[Period]:
    async with open_storage(settings_for_command()) as database:
        await Listing(database).insist_on_known(profile=profile)
        series = SeriesStore(database)
        subject = await series.of_profile(profile, None)
        return await series.read(subject.profile_ids, None, span, 2**31 - 1) if subject else []


def _as_versions(profile: str, day: date, found: Sequence[Step]) -> str:
    lines = [f"{profile}, {day}: {counted(len(found), 'version')} (times are UTC)"]
    for step in found:
        until = step.version.superseded_at
        seen = f"{step.version.observed_at:%Y-%m-%d %H:%M} to " + (f"{until:%Y-%m-%d %H:%M}" if until else "now")
        changes = ", ".join(map(_difference, step.differences)) or "nothing that is stored"
        origin = f", imported as {step.version.source}" if step.version.source else ""
        lines.append(f"{step.version.revision}  {seen}{origin}, at {counted(step.age_days, 'day')} of age: {changes}")
    return "\n".join(lines)


def _difference(each: Difference) -> str:
    if each.before is None:
        return f"{each.name} {as_text(each.after)}"
    after = "gone" if each.after is None else as_text(each.after)
    if isinstance(each.before, str) or isinstance(each.after, str) or not each.before or each.after is None:
        return f"{each.name} {as_text(each.before)} -> {after}"
    return f"{each.name} {as_text(each.before)} -> {after} ({each.after / each.before - 1:+.1%})"


def _day(each: Period) -> tuple[str, ...]:
    numbers = (getattr(each, name) for name in Metrics.__struct_fields__)
    settled = "imported" if each.imported else "yes" if each.settled else "no"
    return str(each.first_day), settled, *("-" if n is None else as_text(n) for n in numbers)


@history.command()
@click.argument("profile")
@click.option("--from", "first", type=Day(), help="From this day on; the last 90 days otherwise.")
@click.option("--to", "last", type=Day(), help="Up to this day.")
@in_format
def account(profile: str, first: datetime | None, last: datetime | None, form: str) -> None:
    """List the followers of PROFILE's account, and every other counter that Ayrshare tells, by day (UTC).

    Of a day it is the last answer. A counter that was not told on a day is left empty.
    """
    until = last.date() if last else datetime.now(UTC).date()
    found = execute(_account(profile, first.date() if first else until - timedelta(days=89), until))
    titles, lines = counter_table(found)
    match Form(form):
        case Form.JSON:
            click.echo(as_json_text(found))
        case Form.CSV:
            click.echo(csv_rows([titles, *lines]), nl=False)
        case Form.TABLE:
            print_table(titles, [tuple("-" if cell is None else as_text(cell) for cell in line) for line in lines])


async def _account(profile: str, first: date, last: date) -> list[CounterDay]:
    async with open_storage(settings_for_command()) as database:
        await Listing(database).insist_on_known(profile=profile)
        return await CounterStore(database).days(await TimelineStore(database).named(profile) or 0, first, last)


@history.command()
@click.option("--client", help="By the days of this client's profiles.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def settle(client: str | None, *, as_json: bool) -> None:
    """Recommend COLLECTOR_SETTLE_DAYS: after how many days numbers hardly move, and the evidence."""
    settings = settings_for_command()

    async def work() -> Settling:
        async with open_storage(settings) as database:
            await Listing(database).insist_on_known(client=client)
            return await recommend(RestatementStore(database), client)

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
        return
    titles = ("at the age of", "days", "moved later", "impressions moved by", "engagements moved by")
    print_table(titles, [_movement(each) for each in found.evidence])
    click.echo(_recommendation(found, settings.settle_days))


def _movement(each: Movement) -> tuple[str, ...]:
    moved = each.moved / each.days if each.days else None
    shares = (moved, each.impression_share, each.engagement_share)
    return counted(each.age_days, "day"), str(each.days), *("-" if one is None else f"{one:.2%}" for one in shares)


def _recommendation(found: Settling, present: int) -> str:
    if not found.enough:
        return f"too few days were followed until they were {found.followed_days} days old; it is too early to say"
    followed = f"of days that were followed until they were {found.followed_days} days old"
    if found.settle_days is None:
        return f"{followed}, too many moved at every age above; look at `collector history show` of some"
    limits = f"no more than {MOST_MOVED_SHARE:.0%} moved later, and the numbers by no more than {MOST_CHANGE_SHARE:.1%}"
    is_so = "it is so" if found.settle_days == present else f"it is {present} now"
    return f"COLLECTOR_SETTLE_DAYS={found.settle_days}: {followed}, {limits}; {is_so}"


def _row(gap: Gap) -> tuple[str, ...]:
    days = str(gap.first_day) if gap.days == 1 else f"{gap.first_day} to {gap.last_day} ({gap.days})"
    return gap.client, gap.profile, days, _left(gap), gap.whose.value, gap.why


def _left(gap: Gap) -> str:
    if gap.days_left is None:
        return "lost"
    return counted(gap.days_left, "day") if gap.days_left else "today"


def _summary(found: Sequence[Gap]) -> str:
    open_, lost = [gap for gap in found if not gap.lost], [gap for gap in found if gap.lost]
    parts = [_total(gaps, what) for gaps, what in ((open_, "can still be filled"), (lost, "lost for good")) if gaps]
    return "; ".join(parts) or "no day is missing"


def _total(gaps: Sequence[Gap], what: str) -> str:
    profiles = len({gap.profile for gap in gaps})
    return f"{counted(sum(gap.days for gap in gaps), 'day')} of {counted(profiles, 'profile')} {what}"
