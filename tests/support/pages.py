"""Reads what Prometheus would."""

import gzip

from collector.fleet.exporter import Exporter
from collector.store.drop_list import DropList
from collector.store.fleet import FleetStore
from collector.store.pool import Database


async def fleet_page(database: Database) -> str:
    """Return the page of all profiles, as it is made of the database now."""
    exporter = Exporter(FleetStore(database), DropList(database))
    await exporter.refresh()
    page = await exporter.page()
    assert page is not None
    return gzip.decompress(page.gzipped).decode()
