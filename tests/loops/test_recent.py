"""A value that many ask for is made by one of them, and anew when it is old."""

import asyncio

import pytest

from collector.loops.recent import Recent


async def test_those_who_ask_together_get_one_value_and_later_ones_another(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    async def make() -> int:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return made

    kept = Recent(make, seconds=60.0)
    assert await asyncio.gather(*(kept.get() for _ in range(5))) == [1] * 5
    monkeypatch.setattr(kept, "_until", 0.0)
    assert await asyncio.gather(*(kept.get() for _ in range(5))) == [2] * 5


async def test_a_failure_is_told_to_who_met_it_and_is_not_kept() -> None:
    fails = True

    async def make() -> str:
        if fails:
            raise OSError("away")
        return "there"

    kept = Recent(make, seconds=60.0)
    with pytest.raises(OSError, match="away"):
        await kept.get()
    fails = False
    assert await kept.get() == "there"
