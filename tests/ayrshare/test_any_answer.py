"""Any answer at all to any call: it is read, or refused by a class; what is kept of it, a database takes."""

import json
from collections.abc import Callable, Iterator

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from collector.ayrshare.boards import parse_boards
from collector.ayrshare.history import parse_history
from collector.ayrshare.native import parse_native_pins
from collector.ayrshare.pin_numbers import parse_pin_numbers
from collector.ayrshare.post import parse_post
from collector.ayrshare.redaction import Redactor
from collector.ayrshare.user import parse_account_name
from collector.errors import AyrshareError
from tests.support.anything import ANYTHING, Path, assert_text_storable, paths, substituted
from tests.support.nasty import PROFILE_KEY
from tests.support.paths import PAYLOADS

PARSERS: dict[str, Callable[[int, bytes], object]] = {
    "post": parse_post,
    "history": parse_history,
    "native": parse_native_pins,
    "boards": parse_boards,
    "pin": lambda status, body: parse_pin_numbers(status, body, ayrshare_id="ay", pinterest_pin_id="11"),
    "user": lambda _status, body: parse_account_name(body),
}
VALID: dict[str, object] = {
    "post": json.loads((PAYLOADS / "post_success_with_profile_key.json").read_bytes()),
    "history": json.loads((PAYLOADS / "history.json").read_bytes()),
    "native": {
        "pins": [{"id": "11", "createdAt": "2026-11-24T11:50:00Z", "title": "t", "url": "https://x.example/"}],
        "pagination": {"nextCursor": "abc"},
    },
    "boards": {"pinterest": {"boards": [{"id": "1", "name": "a"}, {"boardId": 2, "title": "b"}]}},
    "pin": {
        "pinterest": {"id": "11", "analytics": {"impression": 250, "save": 6, "pinClick": "3", "saveRate": 0.1}},
        "id": "ay",
        "status": "success",
    },
    "user": {"displayNames": [{"platform": "pinterest", "displayName": "Nord", "username": "nord"}]},
}
PLACES = [(call, path) for call, payload in VALID.items() for path in paths(payload)]
STATUSES = st.sampled_from([200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500])


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ():
        yield from texts(each)


def storable_or_refused(call: str, status: int, body: bytes) -> None:
    try:
        found = msgspec.to_builtins(PARSERS[call](status, body))
    except AyrshareError as error:
        found = [str(error), error.excerpt]
    for text in texts(found):
        assert_text_storable(text)


def test_every_valid_answer_is_read() -> None:
    for call, payload in VALID.items():
        assert PARSERS[call](200, json.dumps(payload).encode())


@given(place=st.sampled_from(PLACES), value=ANYTHING, status=STATUSES)
def test_any_value_in_any_place_is_read_or_refused(place: tuple[str, Path], value: object, status: int) -> None:
    call, path = place
    storable_or_refused(call, status, substituted(VALID[call], path, value))


@given(call=st.sampled_from(list(PARSERS)), body=st.binary() | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(call: str, body: bytes) -> None:
    storable_or_refused(call, 200, body)


@given(value=ANYTHING)
def test_a_total_of_a_pin_is_a_number_that_its_column_takes_or_nothing(value: object) -> None:
    body = substituted(VALID["pin"], ("pinterest", "analytics", "impression"), value)
    impression = parse_pin_numbers(200, body, ayrshare_id="ay", pinterest_pin_id="11").numbers.impression
    assert impression is None or (type(impression) is int and 0 <= impression <= 10**12)


WRITINGS: list[Callable[[str], str]] = [
    str,
    str.lower,
    lambda each: f"\\u{ord(each):04x}",
    lambda each: f"\\\\u{ord(each):04X}",
    lambda each: f"%{ord(each):02X}",
    lambda each: f"%25{ord(each):02x}",
    lambda each: f"&#{ord(each)};",
    lambda each: f"&amp;#x{ord(each):x};",
]


@given(
    writings=st.lists(st.sampled_from(WRITINGS), min_size=len(PROFILE_KEY), max_size=len(PROFILE_KEY)),
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
)
def test_no_mixture_of_writings_hides_a_key(writings: list[Callable[[str], str]], before: bytes, after: bytes) -> None:
    written = "".join(write(each) for write, each in zip(writings, PROFILE_KEY, strict=True)).encode()
    assert written not in Redactor([SecretStr(PROFILE_KEY)]).clear(before + written + after)
