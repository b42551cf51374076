"""``collector pins top`` and ``times``: which published pins do best, and when those went out that did better."""

from datetime import datetime
from zoneinfo import ZoneInfo

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, print_csv, print_table
from collector.cli.option import Day, Form, TimeZone, Whole, in_format
from collector.store.client import ClientStore
from collector.store.listing import Listing
from collector.store.top_pin import PinRank, TopPin, TopPinStore, TopWish
from collector.table.moment import zone_named
from collector.track.timing import DAYS, FEWEST, Finding, Slot, Timing, compare_times

_MOST = 10_000
_COUNTS = ("impression", "engagement", "save", "pin_click", "outbound_click")
_FINDINGS = {
    Finding.BETTER: "better",
    Finding.WORSE: "worse",
    Finding.NO_DIFFERENCE: "no difference to be seen",
    Finding.TOO_FEW: f"fewer than {FEWEST} pins",
}


@click.command()
@click.option("--client", help="Of this client's profiles only.")
@click.option("--profile", help="Of this profile only.")
@click.option("--since", type=Day(), help="Published on this day or later.")
@click.option("--until", type=Day(), help="Published before this day.")
@click.option(
    "--by",
    type=click.Choice([each.value for each in PinRank]),
    default=PinRank.ENGAGEMENT.value,
    show_default=True,
    help="What counts. `week-engagement` is what a pin had after a week, which is fair to young pins.",
)
@click.option("--limit", type=Whole(1, _MOST), default=20, show_default=True, help="How many.")
@in_format
def top(
    client: str | None,
    profile: str | None,
    since: datetime | None,
    until: datetime | None,
    by: str,
    limit: int,
    form: str,
) -> None:
    """List the published pins that did best. The numbers are totals since each pin went out."""

    async def work() -> list[TopPin]:
        async with open_storage(settings_for_command()) as database:
            await Listing(database).insist_on_known(client=client, profile=profile)
            wish = TopWish(client=client, profile=profile, since=since, until=until)
            return await TopPinStore(database).top(wish, PinRank(by), limit)

    found = execute(work())
    match Form(form):
        case Form.JSON:
            click.echo(as_json_text(found))
        case Form.CSV:
            print_csv(TopPin, found)
        case Form.TABLE:
            titles = ("id", "profile", "pin", "published (UTC)", *(name.replace("_", " ") for name in _COUNTS), "rate")
            print_table(titles, [_line(each) for each in found])


def _line(each: TopPin) -> tuple[str, ...]:
    numbers = (getattr(each, name) for name in _COUNTS)
    rate = "-" if each.engagement_rate is None else f"{each.engagement_rate:.1%}"
    published = f"{each.published_at:%Y-%m-%d %H:%M}"
    shown = ("-" if number is None else str(number) for number in numbers)
    pin = f"{each.title or each.client_ref}{' (not made here)' if each.native else ''}"
    return str(each.pin_id), each.profile, pin, published, *shown, rate


@click.command()
@click.option("--client", required=True, help="Whose pins are compared.")
@click.option("--timezone", "zone", type=TimeZone(), help="By default the client's (`collector clients set`), or UTC.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def times(client: str, zone: ZoneInfo | None, *, as_json: bool) -> None:
    """Show on which weekdays and at which hours a client's pins did better, and how many pins that rests on.

    A pin is measured by its engagement after a week, and by what is usual for its profile. Nothing is said of a weekday
    or an hour with too few pins.
    """

    async def work() -> Timing:
        async with open_storage(settings_for_command()) as database:
            await Listing(database).insist_on_known(client=client)
            own = await ClientStore(database).zone(client)
            pins = await TopPinStore(database).week_old(client=client, days=DAYS)
            return compare_times(pins, zone or zone_named(own or "UTC"))

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
        return
    for title, slots in (("weekday", found.weekdays), (f"hour ({found.zone})", found.hours)):
        print_table((title, "pins", "against usual", "finding"), [_slot(each) for each in slots])
        click.echo("")
    click.echo(f"{found.pins} pins of the last {DAYS} days that were followed for a week")


def _slot(each: Slot) -> tuple[str, str, str, str]:
    relative = "-" if each.relative is None else f"{each.relative - 1:+.0%}"
    return each.name, str(each.pins), relative, _FINDINGS[each.finding]
