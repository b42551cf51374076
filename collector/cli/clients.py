"""``collector clients``: lists clients, and sets whose holidays count for them, and their time zone."""

from zoneinfo import ZoneInfo

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, print_table
from collector.cli.option import TimeZone
from collector.errors import RegistryError
from collector.holiday import is_known
from collector.store.client import ClientSettings, ClientStore


@click.group()
def clients() -> None:
    """List clients, and set the country whose holidays count for them, and their time zone."""


@clients.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List clients with their settings."""

    async def work() -> list[ClientSettings]:
        async with open_storage(settings_for_command()) as database:
            return await ClientStore(database).listed()

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
    else:
        rows = [
            (one.client, str(one.profiles), one.country or "international", one.time_zone or "UTC") for one in found
        ]
        print_table(("client", "profiles", "holidays", "time zone"), rows)


@clients.command("set")
@click.argument("client")
@click.option(
    "--country",
    metavar="CODE",
    help="Two letters, as DE: on its public holidays a fall is expected, and nothing is learned from them. `none` for "
    "the holidays of many countries.",
)
@click.option("--timezone", "zone", type=TimeZone(), help="As Europe/Berlin: in it the times of its pins are compared.")
def set_(client: str, country: str | None, zone: ZoneInfo | None) -> None:
    """Set the country, the time zone, or both of a CLIENT."""
    if country is None and zone is None:
        raise click.UsageError("give --country, --timezone, or both")
    code = None if country is None or country.lower() == "none" else country.upper()
    if code is not None and not is_known(code):
        raise click.BadParameter(f"no holidays are known of {country}; write a code as DE", param_hint="--country")

    async def work() -> None:
        async with open_storage(settings_for_command()) as database:
            store = ClientStore(database)
            if client not in {one.client for one in await store.listed()}:
                raise RegistryError(f"no such client: {client}; `collector clients list` shows them all")
            if country is not None:
                await store.set_country(client, code)
            if zone is not None:
                await store.set_zone(client, zone.key)

    execute(work())
    if country is not None:
        click.echo(f"client {client}: holidays of {code or 'many countries'}; its history is judged again")
    if zone is not None:
        click.echo(f"client {client}: times of pins are compared in {zone.key}")
