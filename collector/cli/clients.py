"""``collector clients``: lists clients, and sets whose holidays count for them."""

import click

from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, print_table
from collector.errors import RegistryError
from collector.holiday import is_known
from collector.store.client import ClientSettings, ClientStore


@click.group()
def clients() -> None:
    """List clients, and set the country whose holidays count for them."""


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
        rows = [(one.client, str(one.profiles), one.country or "international") for one in found]
        print_table(("client", "profiles", "holidays"), rows)


@clients.command("set")
@click.argument("client")
@click.option(
    "--country",
    required=True,
    metavar="CODE",
    help="Two letters, as DE; `none` for the holidays of many countries.",
)
def set_(client: str, country: str) -> None:
    """Set the country of a CLIENT: on its public holidays a fall is expected, and nothing is learned from them."""
    code = None if country.lower() == "none" else country.upper()
    if code is not None and not is_known(code):
        raise click.BadParameter(f"no holidays are known of {country}; write a code as DE", param_hint="--country")

    async def work() -> None:
        async with open_storage(settings_for_command()) as database:
            store = ClientStore(database)
            if client not in {one.client for one in await store.listed()}:
                raise RegistryError(f"no such client: {client}; `collector clients list` shows them all")
            await store.set_country(client, code)

    execute(work())
    click.echo(f"client {client}: holidays of {code or 'many countries'}; its history is judged again")
