"""Whatever an answer may hold, for tests that hypothesis writes."""

import copy
import json
import math
from typing import Any

from hypothesis import strategies as st

NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([2**63, -(2**63), 10**400, 1e301, -1, math.nan]))
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.sampled_from(["error", "NaN", "-1", "1e999", "\x00", "\ud800", "2026-09-01T", "BEFORE_X"]),
)
KEYS = st.one_of(
    TEXTS, st.sampled_from(["status", "code", "message", "analytics", "daily", "board", "followers", "save"])
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)

Path = tuple[Any, ...]


def paths(node: object, *, below: Path = ()) -> list[Path]:
    """Return the way to every value of a decoded answer, that to itself first."""
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [below, *(path for key, child in members for path in paths(child, below=(*below, key)))]


def substituted(payload: object, path: Path, value: object) -> bytes:
    """Return the JSON of an answer with one of its values replaced."""
    changed: Any = [copy.deepcopy(payload)]
    node = changed
    for step in (0, *path)[:-1]:
        node = node[step]
    node[(0, *path)[-1]] = value
    return json.dumps(changed[0]).encode()


def assert_text_storable(text: str | None) -> None:
    assert b"\x00" not in (text or "").encode()
