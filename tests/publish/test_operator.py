"""What an operator may do to a pin, and what is known before it is sent again."""

import pytest

from collector.errors import PinConflictError, PinError
from collector.models.history import HistoryCheck, UnknownPins
from collector.models.pin import PinContent, PinState, Publication
from collector.publish.operator import Evidence, PinOperator
from collector.store.pin import PinStore
from collector.store.pin_check import CheckStore
from collector.store.pool import Database
from tests.support.ayrshare import Ayrshare
from tests.support.profiles import register
from tests.support.publishing import IMAGE, pin, states


@pytest.fixture
async def operator(database: Database, ayrshare: Ayrshare) -> PinOperator:
    """An operator, and pin 1, which was sent without an answer."""
    await register(database, ayrshare, 1)
    await PinStore(database).enqueue(pin("client-001", "a"))
    await database.execute("UPDATE pin SET state = 'unknown', attempts = 1, owner = 'x'")
    await database.execute("INSERT INTO pin_attempt (pin_id, attempt, owner, outcome) VALUES (1, 1, 'x', 'unknown')")
    return PinOperator(PinStore(database), CheckStore(database))


def check(state: PinState, *, absent: bool) -> HistoryCheck:
    return HistoryCheck(
        pin_id=1,
        attempt=1,
        state=state,
        absent=absent,
        next_seconds=None,
        finding="as the test has it",
        found_attempt=1,
        publication=Publication("ay", "1", "https://pin/1") if state is PinState.PUBLISHED else Publication(),
    )


async def absent(_group: UnknownPins) -> HistoryCheck:
    return check(PinState.UNKNOWN, absent=True)


async def undecided(_group: UnknownPins) -> HistoryCheck:
    return check(PinState.UNKNOWN, absent=False)


async def live(_group: UnknownPins) -> HistoryCheck:
    return check(PinState.PUBLISHED, absent=False)


async def test_a_pin_that_the_history_does_not_have_can_be_sent_again(
    operator: PinOperator, database: Database
) -> None:
    found = await operator.prepare_retry(1, absent)
    assert found.evidence is Evidence.ABSENT
    await operator.retry(found.pin)
    assert await states(database) == {"a": "queued"}
    with pytest.raises(PinError, match="changed meanwhile"):
        await operator.retry(found.pin)


async def test_a_pin_that_is_live_is_recorded_and_not_sent(operator: PinOperator, database: Database) -> None:
    found = await operator.prepare_retry(1, live)
    assert (found.evidence, found.pin.state) == (Evidence.SETTLED, PinState.PUBLISHED)
    assert await states(database) == {"a": "published"}


async def test_a_retry_is_refused_if_the_history_is_undecided(operator: PinOperator, database: Database) -> None:
    with pytest.raises(PinError, match="as the test has it; nothing was sent"):
        await operator.prepare_retry(1, undecided)
    assert await states(database) == {"a": "unknown"}


async def test_the_operator_may_retry_without_the_history(operator: PinOperator) -> None:
    assert (await operator.prepare_retry(1, None)).evidence is Evidence.UNASKED


async def test_the_history_is_not_asked_of_a_pin_that_was_refused(operator: PinOperator, database: Database) -> None:
    await database.execute("UPDATE pin SET state = 'failed'")
    await database.execute("UPDATE pin_attempt SET outcome = 'failed'")
    assert (await operator.prepare_retry(1, live)).evidence is Evidence.REFUSED


async def test_only_queued_and_unknown_pins_can_be_cancelled(operator: PinOperator, database: Database) -> None:
    await operator.cancel(await operator.find_cancellable(1))
    assert await states(database) == {"a": "cancelled"}
    with pytest.raises(PinError, match="pin 1 is cancelled; only"):
        await operator.find_cancellable(1)
    with pytest.raises(PinError, match="no pin 2"):
        await operator.find_cancellable(2)


async def test_of_two_changes_at_once_none_undoes_the_other(operator: PinOperator, database: Database) -> None:
    store = PinStore(database)
    await store.enqueue(pin("client-001", "b"))
    pin_id = await database.fetchval("SELECT id FROM pin WHERE client_ref = 'b'")

    async def meanwhile(_content: PinContent) -> None:
        await operator.edit(pin_id, {"title": "of the other"}, None)

    with pytest.raises(PinConflictError, match="not as it was any more; nothing was changed"):
        await operator.edit(pin_id, {"media_urls": ("https://x.example/b.jpg",)}, None, look=meanwhile)
    (found, _), version = await store.story(pin_id), "as somebody saw it before"
    assert (found.title, found.media_urls) == ("of the other", list(IMAGE))
    with pytest.raises(PinConflictError, match="was changed meanwhile"):
        await operator.edit(pin_id, {"title": "late"}, None, version=version)
    await operator.edit(pin_id, {"title": "in time"}, None, version=found.version)


async def test_what_is_wrong_with_a_pin_is_named_by_its_fields(operator: PinOperator) -> None:
    wrong = pin("client-001", "b", title="x" * 101, board_id="mine", alt_texts=("x", "y"))
    with pytest.raises(PinError) as refused:
        await operator.add(wrong)
    assert {each.field for each in refused.value.problems} == {"title", "board_id", "alt_texts"}
    with pytest.raises(PinError, match="no such profile: nobody; the title has 101"):
        await operator.add(pin("nobody", "b", title="x" * 101))
