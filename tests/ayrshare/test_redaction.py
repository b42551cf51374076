"""Keys in answers, in every writing that programs have for them."""

import html
import json
import time
from collections.abc import Callable
from datetime import date
from urllib.parse import quote

import aiohttp
import pytest
from aioresponses import aioresponses
from pydantic import SecretStr

from collector.ayrshare.client import AyrshareClient
from collector.ayrshare.redaction import Redactor
from collector.errors import AyrshareError
from collector.models.analytics import AccountAnalytics
from collector.models.outcome import Failure

API_KEY, PROFILE_KEY = "7H3AP1K-9KEY/WX4-TTM6-0FAGENCY", "PR0F1LE-K3Y-8XYZ.4321"
REDACTOR = Redactor([SecretStr(API_KEY), None, SecretStr(PROFILE_KEY)])
URL_SOCIAL = "https://ayrshare.example/api/analytics/social"


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(each):04x}" for each in text)


def percent(text: str) -> str:
    return "".join(f"%{ord(each):02X}" for each in text)


WRITINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "lower": str.lower,
    "swapped case": str.swapcase,
    "JSON escapes": escaped,
    "upper JSON escapes": lambda text: escaped(text).upper().replace("\\U", "\\u"),
    "one JSON escape": lambda text: text[:3] + escaped(text[3]) + text[4:],
    "escaped slashes": lambda text: text.replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(escaped(text))[1:-1],
    "URL": lambda text: quote(text, safe=""),
    "whole URL": percent,
    "URL in a URL": lambda text: quote(percent(text), safe=""),
    "HTML": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "hexadecimal HTML": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "HTML in HTML": lambda text: html.escape("".join(f"&#{ord(each)};" for each in text)),
    "Python": lambda text: "".join(f"\\x{ord(each):02x}" for each in text),
}


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("key", [API_KEY, PROFILE_KEY])
def test_a_key_is_taken_out_in_any_writing_and_the_rest_stays(writing: str, key: str) -> None:
    written = WRITINGS[writing](key)
    body = f'{{"message":"who is {written}?","{written}":1}}'.encode()

    assert REDACTOR.clear(body) == b'{"message":"who is [redacted]?","[redacted]":1}'


@pytest.mark.parametrize("written", [percent(escaped(API_KEY)), escaped(percent(API_KEY)), quote(escaped(PROFILE_KEY))])
def test_an_answer_with_a_key_that_cannot_be_cut_out_is_withheld(written: str) -> None:
    assert REDACTOR.clear(f'{{"message":"{written}"}}'.encode()) == b"an answer that may hold a key was withheld"


def test_what_holds_no_key_is_left_as_it_is() -> None:
    body = json.dumps({"m": f"{API_KEY[:-1]} 100% \\u0041 &amp; \u00e9 \\x"}).encode() + escaped(API_KEY[:9]).encode()

    assert REDACTOR.clear(body) is body


@pytest.mark.parametrize("filling", [b"\\u0041", b"%41", b"&#65;", b"\\", b"7H3AP1K-9"])
def test_an_answer_that_is_made_to_be_slow_is_not(filling: bytes) -> None:
    body = filling * (2 * 1024 * 1024 // len(filling))
    started = time.process_time()

    cleared = REDACTOR.clear(body + API_KEY.encode())

    assert time.process_time() - started < 3.0
    assert API_KEY.encode() not in cleared


async def call(body: str, status: int = 500, profile_key: str = PROFILE_KEY) -> AccountAnalytics | AyrshareError:
    async with aiohttp.ClientSession() as session:
        client = AyrshareClient(session, url="https://ayrshare.example/api", api_key=SecretStr(API_KEY))
        with aioresponses() as mocked:
            mocked.post(URL_SOCIAL, status=status, body=body)
            try:
                analytics, _ = await client.account_analytics(SecretStr(profile_key), today=date(2026, 11, 1))
            except AyrshareError as error:
                return error
    assert isinstance(analytics, AccountAnalytics)
    return analytics


@pytest.mark.parametrize("key", [API_KEY, PROFILE_KEY])
async def test_no_text_of_a_failure_shows_a_key(key: str) -> None:
    refused = await call(f'{{"message":"who is {escaped(key)}?"}}')
    assert str(refused) == "who is [redacted]?"
    page = await call(f"<p>{escaped(key)} {key.lower()}</p>")
    assert isinstance(page, AyrshareError)
    assert page.excerpt == "<p>[redacted] [redacted]</p>"


@pytest.mark.parametrize("cut", range(480, 505, 3))
async def test_the_cut_of_an_excerpt_leaves_no_part_of_a_key(cut: int) -> None:
    error = await call("x" * cut + escaped(PROFILE_KEY))
    assert isinstance(error, AyrshareError)
    assert error.excerpt is not None
    assert error.excerpt.strip("x") in "[redacted]"


async def test_no_problem_and_no_metric_of_a_good_answer_shows_a_key() -> None:
    key = escaped(PROFILE_KEY)
    day = f'{{"date":"2026-06-01","metrics":{{"IMPRESSION":"{key}","{key}":5}}}}'
    body = f'{{"status":"success","pinterest":{{"analytics":{{"daily":[{day}],"{key}":7,"endDate":"{key}"}}}}}}'

    shown = repr(await call(body, status=200))

    assert "[redacted]" in shown
    assert PROFILE_KEY not in shown
    assert "u0050" not in shown


@pytest.mark.parametrize(
    ("profile_key", "body", "shown"),
    [
        ("Profile", '{"message":"The Profile Key is invalid."}', "The [redacted] Key is invalid."),
        ("K", '{"message":"Profile Key is invalid"}', "Profile [redacted]ey is invalid"),
        ("message", '{"message":"Profile Key is invalid"}', "HTTP 403, an error without a message"),
        (API_KEY, f'{{"message":"Profile Key is invalid: {quote(escaped(API_KEY))}"}}', "HTTP 403, not JSON"),
    ],
)
async def test_an_answer_is_judged_as_it_came_and_told_without_the_key(profile_key: str, body: str, shown: str) -> None:
    refused = await call(body, status=403, profile_key=profile_key)

    assert isinstance(refused, AyrshareError)
    assert (refused.failure, str(refused)) == (Failure.KEY_INVALID, shown)
    assert profile_key.lower() not in (refused.excerpt or "").lower()


async def test_an_error_whose_status_is_a_key_stays_an_error() -> None:
    refused = await call('{"status":"error","code":156}', status=200, profile_key="error")

    assert isinstance(refused, AyrshareError)
    assert (refused.failure, str(refused)) == (Failure.UNLINKED, "HTTP 200, an error without a message")
