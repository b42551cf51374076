"""What the Pinterest account of a profile is called, in every shape that the answer may have."""

import msgspec
import pytest

from collector.ayrshare.user import parse_account_name
from collector.errors import AyrshareError


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (
            {
                "displayNames": [
                    {"platform": "facebook", "displayName": "F"},
                    {"platform": "pinterest", "displayName": "P"},
                ]
            },
            "P",
        ),
        ({"displayNames": [{"platform": "pinterest", "username": "acme_pins"}]}, "acme_pins"),
        ({"displayNames": {"pinterest": {"displayName": "", "name": "Acme"}}}, "Acme"),
        ({"displayNames": {"pinterest": "Acme"}}, "Acme"),
        ({"displayNames": [{"platform": "pinterest", "displayName": "Ac\u202eme\n"}]}, "Ac me "),
        ({"displayNames": [{"platform": "facebook", "displayName": "F"}]}, None),
        ({"displayNames": [None, 7, {"platform": "pinterest", "displayName": 9}]}, None),
        ({"displayNames": "pinterest"}, None),
        ({"title": "client-001"}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_display_name_is_found(payload: object, name: str | None) -> None:
    assert parse_account_name(msgspec.json.encode(payload)) == name


def test_a_long_name_is_cut() -> None:
    body = msgspec.json.encode({"displayNames": {"pinterest": "x" * 5000}})
    assert parse_account_name(body) == "x" * 200


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(AyrshareError):
        parse_account_name(b"<html>")
