"""Boards are found wherever an answer has them."""

from typing import Any

import msgspec
import pytest

from collector.ayrshare.boards import parse_boards
from collector.models.pin import Board


@pytest.mark.parametrize(
    "answer",
    [
        {"boards": [{"id": "81", "name": "Spring"}]},
        {"details": [{"platform": "pinterest", "boards": [{"id": 81, "name": "Spring"}]}]},
        {"displayNames": [{"platform": "pinterest", "pinterestBoards": [{"boardId": "81", "title": "Spring"}]}]},
        {"pinterest": {"boards": [{"id": "81", "name": "Spring"}, {"id": "no number", "name": "x"}, None]}},
    ],
)
def test_boards_are_found_in_any_likely_shape(answer: dict[str, Any]) -> None:
    assert parse_boards(200, msgspec.json.encode(answer)) == [Board("81", "Spring")]


def test_an_answer_without_boards_has_none() -> None:
    assert parse_boards(200, b'{"email": "a@b.example", "displayNames": []}') == []
