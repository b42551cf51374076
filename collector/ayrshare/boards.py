"""Reads the boards of an account from ``GET /user/details``.

Pure: no clock, no I/O. Where in the answer they are is not confirmed, so they are looked for by what they are called.
"""

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Final

from collector.ayrshare.refusal import clean, decode, failure
from collector.models.pin import Board

_LONGEST_NAME: Final = 200
_ID: Final = re.compile("[0-9]{1,100}")
# As many as Pinterest lets an account have.
_MOST_BOARDS: Final = 2000
_MOST_NODES: Final = 2000
_IDS: Final = ("id", "boardId", "board_id")
_NAMES: Final = ("name", "boardName", "title")


def parse_boards(http_status: int, body: bytes, *, retry_after: str | None = None) -> list[Board]:
    """Return the boards, by name; none where the answer has none.

    Raises:
        AyrshareError: the call failed.

    """
    error = failure(http_status, body, retry_after=retry_after)
    if error is not None:
        raise error
    rows = islice(chain.from_iterable(_lists(decode(body))), _MOST_BOARDS)
    boards = {board.board_id: board for board in map(_board, rows) if board}
    return sorted(boards.values(), key=lambda board: (board.name, board.board_id))


def _lists(payload: object) -> Iterator[list[Any]]:
    """Yield the lists that are called boards, wherever they are."""
    queue = deque([payload])
    for _ in range(_MOST_NODES):
        if not queue:
            return
        node = queue.popleft()
        if isinstance(node, dict):
            for name, value in node.items():
                if "board" in str(name).lower() and isinstance(value, list):
                    yield value
                elif isinstance(value, dict | list):
                    queue.append(value)
        elif isinstance(node, list):
            queue.extend(each for each in node[:_MOST_NODES] if isinstance(each, dict))


def _board(row: object) -> Board | None:
    if not isinstance(row, dict):
        return None
    identity = next((str(row[name]) for name in _IDS if isinstance(row.get(name), str | int)), "")
    name = next((row[name] for name in _NAMES if isinstance(row.get(name), str)), "")
    return Board(identity, clean(name, _LONGEST_NAME)) if _ID.fullmatch(identity) else None
