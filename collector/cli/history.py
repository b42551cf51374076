"""``collector history``: what is missing and why."""

from collections.abc import Sequence

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, counted, print_csv, print_table
from collector.cli.option import Form, in_format
from collector.history.gaps import find_gaps
from collector.models.gap import Gap
from collector.store.gap import GapStore
from collector.store.listing import Listing


@click.group()
def history() -> None:
    """Show what is missing of the history and why."""


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
