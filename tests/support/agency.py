"""Fills a database with a made-up agency, whose drops the real detector finds."""

from datetime import UTC, datetime
from pathlib import Path

from collector.detect.detector import Detector
from collector.store.drop import DropStore
from collector.store.pool import Database

_FILL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")


async def make_agency(database: Database) -> None:
    """Fill an empty database with the schema."""
    await fill_agency(database)
    await Detector(DropStore(database)).run_once()


async def fill_agency(database: Database) -> None:
    """Fill an empty database with the schema, and look for no drops."""
    today = datetime.now(UTC).date().isoformat()
    async with database.transaction() as connection:
        # Statements that come together take no arguments.
        await connection.execute(_FILL.replace("$1", f"'{today}'"))
