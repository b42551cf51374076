"""Makes the console of a test's process."""

from collector.console.overview import OverviewKeeper
from collector.console.site import Console
from collector.loops.outage import Outage
from collector.store.pool import Database


def make_console(database: Database, *, problems: tuple[str, ...] = (), outage: Outage | None = None) -> Console:
    """Return a console whose pulse tells these problems."""

    async def told() -> list[str]:
        return list(problems)

    return Console(database, OverviewKeeper(database), told, outage or Outage())
