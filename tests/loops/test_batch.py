"""The batch writer with a target that refuses, fails or is away: each record is written, or reported as not written."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from collector.errors import DatabaseUnavailableError, DataRefusedError
from collector.loops import batch
from collector.loops.batch import BATCH, BatchWriter


class Shelf:
    """A target that takes words. It refuses ``bad`` ones, for which it takes "?", and for ``worst`` not even that."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.noted: list[tuple[str, int | None]] = []
        self.calls: list[list[str]] = []
        self.outages = 0
        self.fails: Callable[[str], Exception | None] = lambda _word: None

    async def write(self, records: Sequence[str]) -> list[int | None]:
        self.calls.append(list(records))
        await asyncio.sleep(0)
        if self.outages:
            self.outages -= 1
            raise DatabaseUnavailableError("gone")
        for word in records:
            if (error := self.fails(word)) is not None:
                raise error
        self.stored += records
        return [len(word) for word in records]

    async def write_refused(self, record: str, error: Exception) -> tuple[str, int | None]:
        if record == "worst":
            raise error
        self.stored.append("?")
        return "?", 1

    def on_written(self, record: str, written: int | None) -> None:
        self.noted.append((record, written))


@asynccontextmanager
async def writing(shelf: Shelf) -> AsyncIterator[BatchWriter[str, int]]:
    writer: BatchWriter[str, int] = BatchWriter("words", shelf)
    task = asyncio.create_task(writer.run())
    try:
        async with asyncio.timeout(20):
            yield writer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "backoff", lambda *_args, **_kwargs: -0.1)


async def test_what_comes_while_a_batch_is_written_is_the_next_batch() -> None:
    shelf = Shelf()
    async with writing(shelf) as writer:
        await writer.put("first")
        while not shelf.calls:
            await asyncio.sleep(0)
        for number in range(BATCH + 5):
            await writer.put(f"{number}")
        await writer.join()
    assert [len(call) for call in shelf.calls] == [1, BATCH, 5]
    assert shelf.stored == ["first", *map(str, range(BATCH + 5))]


@pytest.mark.parametrize("error", [DataRefusedError("no"), ZeroDivisionError("a defect")])
async def test_one_bad_record_is_found_by_halving_and_the_others_are_written(error: Exception) -> None:
    shelf = Shelf()
    shelf.fails = lambda word: error if word == "bad" else None
    words = [f"{number}" for number in range(40)]
    async with writing(shelf) as writer:
        for word in [*words[:13], "bad", *words[13:]]:
            await writer.put(word)
        await writer.join()
    assert sorted(shelf.stored) == sorted([*words, "?"])
    assert len(shelf.calls) <= 14, "by halves, not one by one"
    assert ("?", 1) in shelf.noted


async def test_an_outage_is_waited_out_and_nothing_is_refused_for_it() -> None:
    shelf = Shelf()
    shelf.outages = 5
    async with writing(shelf) as writer:
        for word in ("a", "b", "c"):
            await writer.put(word)
        await writer.join()
    assert shelf.stored == ["a", "b", "c"]


async def test_an_outage_between_the_halves_writes_nothing_twice() -> None:
    shelf = Shelf()

    def fails(word: str) -> Exception | None:
        if word == "bad":
            shelf.outages = 2
            return DataRefusedError("no")
        return None

    shelf.fails = fails
    async with writing(shelf) as writer:
        for word in ("a", "b", "bad", "c"):
            await writer.put(word)
        await writer.join()
    assert sorted(shelf.stored) == ["?", "a", "b", "c"]


async def test_a_record_that_cannot_be_written_at_all_is_dropped_and_writing_continues() -> None:
    shelf = Shelf()
    shelf.fails = lambda word: DataRefusedError("no") if word == "worst" else None
    async with writing(shelf) as writer:
        assert await writer.write("worst")
        assert await writer.write("good")
    assert shelf.noted == [("worst", None), ("good", 4)]


async def test_after_giving_up_nobody_waits_for_ever() -> None:
    shelf = Shelf()
    shelf.outages = 10**9
    async with writing(shelf) as writer:
        waiting = [asyncio.create_task(writer.write(f"{number}")) for number in range(5 * BATCH)]
        while writer.waiting_seconds() < 0.05:
            await asyncio.sleep(0)
    writer.give_up()
    async with asyncio.timeout(5):
        assert not any(await asyncio.gather(*waiting))
        assert not await writer.write("late")


async def test_a_flush_writes_what_was_left() -> None:
    shelf = Shelf()
    shelf.outages = 10**9
    async with writing(shelf) as writer:
        for number in range(BATCH + 50):
            await writer.put(f"{number}")
        while writer.waiting_seconds() == 0.0:
            await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailableError):
        await writer.flush()
    shelf.outages = 0
    await writer.flush()
    assert sorted(shelf.stored) == sorted(f"{number}" for number in range(BATCH + 50))
