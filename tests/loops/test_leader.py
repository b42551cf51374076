"""Work that is led: only its leader does it, and no more often than it pauses."""

from collector.loops.leader import Leader
from collector.store.leader import LeaderStore
from collector.store.pool import Database


async def test_only_the_leader_does_the_work_and_pauses_after_it(database: Database) -> None:
    done = []

    async def work() -> None:
        done.append("by the leader")

    async def other_work() -> None:
        done.append("by another one")

    leader, other = Leader(LeaderStore(database, owner="a")), Leader(LeaderStore(database, owner="b"))
    led, not_led = leader.led("expiry", work, pause=3600.0), other.led("expiry", other_work, pause=3600.0)
    await led()
    assert done == [], "nobody leads yet"
    await leader.keep()
    await other.keep()
    for each in (not_led, led, led):
        await each()
    assert done == ["by the leader"]
