"""How often Ayrshare is asked for the boards of an account."""

import pytest

from collector.errors import PinError
from collector.models.pin import Board
from collector.publish.boards import Boards


async def test_ayrshare_is_asked_again_after_ten_minutes_and_a_minute_after_a_refusal() -> None:
    now, asked = [0.0], list[str]()
    answers: dict[str, list[Board] | PinError] = {"good": [Board("12", "Spring")], "bad": PinError("not linked")}

    async def ask(profile: str) -> list[Board]:
        asked.append(profile)
        answer = answers[profile]
        if isinstance(answer, PinError):
            raise answer
        return answer

    boards = Boards(ask, clock=lambda: now[0])
    for now[0] in (0.0, 59.0, 61.0, 599.0, 601.0):
        assert await boards.of("good") == [Board("12", "Spring")]
        with pytest.raises(PinError, match="not linked"):
            await boards.of("bad")

    assert (asked.count("good"), asked.count("bad")) == (2, 3)
