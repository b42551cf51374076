"""``collector tokens``: who may use the pages and the API, besides the tokens of the settings."""

import click

from collector.access import digest, new_token
from collector.app.storage import open_storage
from collector.cli.execute import execute, settings_for_command
from collector.cli.format import as_json_text, counted, print_table, when
from collector.registry.validate import checked_text
from collector.store.listing import Listing
from collector.store.token import ListedToken, TokenStore


@click.group()
def tokens() -> None:
    """Make, list and revoke tokens for the console and the API.

    COLLECTOR_API_TOKEN and COLLECTOR_API_TOKEN_READ hold besides, and are not listed. A token is shown once, when it is
    made. One that is revoked holds for five seconds more, and so do the sessions of browsers that signed in with it.
    """


@tokens.command()
@click.argument("name")
@click.option("--client", help="Show and change this client's profiles and pins only. Unset: all clients'.")
@click.option("--read-only", is_flag=True, help="Look at everything, change nothing.")
def add(name: str, *, client: str | None, read_only: bool) -> None:
    """Make a token and print it: on standard output, so that a script can keep it."""
    checked = checked_text("name", name)
    token = new_token()

    async def work() -> None:
        async with open_storage(settings_for_command()) as database:
            await Listing(database).insist_on_known(client=client)
            await TokenStore(database).add(checked, digest(token), client=client, may_change=not read_only)

    execute(work())
    click.echo(token)
    power = _power(may_change=not read_only, client=client)
    click.echo(f"{checked} may {power}; this is the only time that the token is shown", err=True)


@tokens.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List the tokens by name: what each may do, never the token."""

    async def work() -> list[ListedToken]:
        async with open_storage(settings_for_command()) as database:
            return await TokenStore(database).listed()

    found = execute(work())
    if as_json:
        click.echo(as_json_text(found))
        return
    rows = [
        (each.name, _power(may_change=each.may_change, client=each.client), when(each.created_at)) for each in found
    ]
    print_table(("name", "may", "made (UTC)"), rows)
    click.echo(counted(len(found), "token"))


@tokens.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke a token, and with it the sessions of browsers that signed in with it."""

    async def work() -> None:
        async with open_storage(settings_for_command()) as database:
            await TokenStore(database).revoke(name)

    execute(work())
    click.echo(f"{name} revoked")


def _power(*, may_change: bool, client: str | None) -> str:
    verb = "see and change" if may_change else "see"
    return f"{verb} what is {client}'s" if client is not None else f"{verb} everything"
