"""``collector emulator``: the emulated Ayrshare alone."""

import asyncio

import click

from collector.cli.execute import execute
from collector.cli.option import Whole
from collector.emulator import EmulatorConfig, serve
from collector.errors import CollectorError


@click.command()
@click.option("--profiles", default=50, show_default=True, type=Whole(1, 1_000_000), help="Client profiles.")
@click.option("--port", default=9471, show_default=True, type=Whole(0, 65535), help="0 finds a free one.")
@click.option("--days", default=90, show_default=True, type=Whole(1, 365), help="Days in an answer.")
def emulator(profiles: int, port: int, days: int) -> None:
    """Serve an emulated Ayrshare until stopped; the first line printed is its address.

    GET /_emulator/profiles shows its profile keys, POST /_emulator/faults makes it misbehave.
    """
    execute(_serve(EmulatorConfig(profiles=profiles, days=days), port), serves=True)


async def _serve(config: EmulatorConfig, port: int) -> None:
    try:
        async with serve(config, port=port) as url:
            click.echo(url)
            click.echo(f"COLLECTOR_AYRSHARE_URL={url} COLLECTOR_AYRSHARE_API_KEY={config.api_key}", err=True)
            await asyncio.Event().wait()
    except OSError as error:
        raise CollectorError(f"cannot listen on port {port}: {error.strerror}; choose another --port") from error
