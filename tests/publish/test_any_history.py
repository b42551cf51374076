"""However a server shows its posts, a pin that is among them is never called absent, for it could be sent again."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Literal, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient
from collector.ayrshare.history import parse_history
from collector.models.history import History, UnknownPin
from collector.publish.check import check_history, missing
from collector.publish.search import read_history
from tests.support.publishing import POLICY

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SENT = NOW - timedelta(hours=1)
PIN = UnknownPin(7, 1, "tok", 0, SENT, SENT, due=True)
LIVE = [{"status": "success", "id": "11", "platform": "pinterest"}]

Count = Literal["page", "asked", "all", "none"]


class Server(msgspec.Struct, frozen=True):
    """Shows posts (seconds before now, and whether it is ours), the newest first, with habits of its own."""

    posts: list[tuple[int, bool]]
    page: int
    knows_start: bool
    knows_end: bool
    count: Count

    async def history(self, _key: SecretStr, *, since: datetime, days: int, until: datetime | None = None) -> History:
        assert days >= (NOW - since) / timedelta(days=1)
        times = [(NOW - timedelta(seconds=age), ours) for age, ours in self.posts]
        made = sorted(times, key=itemgetter(0), reverse=True)
        asked = [each for each in made if not (self.knows_start and each[0] < since)]
        asked = [each for each in asked if not (self.knows_end and until is not None and each[0] > until)]
        shown = asked[: self.page]
        rows = [
            {
                "status": "success",
                "notes": "tok#1" if ours else "other",
                "created": time.isoformat(),
                "postIds": LIVE if ours else [],
            }
            for time, ours in shown
        ]
        counts = {"page": len(shown), "asked": len(asked), "all": len(made), "none": None}
        answer = {"history": rows, "count": counts[self.count], "lastUpdated": NOW.isoformat()}
        return parse_history(200, json.dumps(answer).encode())


def servers(pages: st.SearchStrategy[int], counts: list[Count]) -> st.SearchStrategy[Server]:
    # Posts since the attempt, days before it, and many of a few seconds.
    ages = st.integers(0, 3590) | st.integers(3595, 3600) | st.integers(0, 10 * 86_400)
    return st.builds(
        Server,
        posts=st.lists(st.tuples(ages, st.just(value=False)), max_size=60),
        page=pages,
        knows_start=st.booleans(),
        knows_end=st.booleans(),
        count=st.sampled_from(counts),
    )


# No server is known that shows less than 25 and tells the number of these as that of all.
SERVERS = servers(st.integers(1, 40), ["asked", "all", "none"]) | servers(st.integers(25, 40), ["page"])


@given(server=SERVERS, age=st.integers(0, 3600))
def test_a_pin_that_is_there_is_found_or_nobody_can_tell(server: Server, age: int) -> None:
    there = msgspec.structs.replace(server, posts=[*server.posts, (age, True)])
    assert not asyncio.run(called_absent(there))


async def called_absent(server: Server) -> bool:
    client, pins = cast("AyrshareClient", server), (PIN,)
    history = await read_history(
        client, SecretStr(""), since=SENT, now=NOW, enough=lambda found: not missing(pins, found)
    )
    [found] = check_history(pins, history, policy=POLICY, now=NOW)
    return found.absent


def test_a_pin_that_is_not_there_is_called_absent_where_the_list_shows_it() -> None:
    posts = [(age, False) for age in range(0, 5 * 86_400, 3600)]
    told = [Server(posts, 40, knows_start, knows_end=True, count="all") for knows_start in (True, False)]
    assert [asyncio.run(called_absent(server)) for server in told] == [True, True]
