import copy
import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ayrshare import days as days_module
from collector.ayrshare.analytics import parse_account_analytics
from collector.ayrshare.problems import Problems
from collector.ayrshare.profiles import ProfileEntry, parse_profiles
from collector.ayrshare.refusal import failure
from collector.errors import AyrshareError
from collector.models.analytics import AccountAnalytics, DayMetrics, Metrics, Problem, SeenAnswer
from collector.models.outcome import Failure, Outcome
from tests.support.anything import ANYTHING, KEYS, TEXTS, assert_text_storable, paths, substituted
from tests.support.paths import PAYLOADS

TODAY = date(2026, 10, 1)
FIRST = date(2026, 9, 1)
COUNTS = range(10**12 + 1)
PROXY_PAGE = b"<html>\r\n<head><title>403 Forbidden</title></head>\n</html>"
DEEP = b"[" * 100_000
COLUMNS = Metrics.__struct_fields__
NINE = {
    "IMPRESSION": 100,
    "ENGAGEMENT": 10,
    "ENGAGEMENT_RATE": 0.1,
    "SAVE": 5,
    "SAVE_RATE": 0.05,
    "PIN_CLICK": 3,
    "PIN_CLICK_RATE": 0.03,
    "OUTBOUND_CLICK": 2,
    "OUTBOUND_CLICK_RATE": 0.02,
}


def recorded(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def answer(*days: object, **analytics: object) -> bytes:
    return json.dumps({"pinterest": {"analytics": {**analytics, "daily": days}}, "status": "success"}).encode()


def day(metrics: object, on: object = FIRST.isoformat(), **others: object) -> dict[str, object]:
    return {"date": on, "metrics": metrics, **others}


def parsed(body: bytes) -> AccountAnalytics:
    analytics = parse_account_analytics(body, today=TODAY)
    assert isinstance(analytics, AccountAnalytics)
    return analytics


def reasons(result: AccountAnalytics) -> list[str]:
    return [problem.reason for problem in result.problems]


def refused_with(body: bytes) -> AyrshareError:
    with pytest.raises(AyrshareError) as caught:
        parsed(body)
    return caught.value


# What was recorded


def test_the_sample_of_2021_is_read_in_full() -> None:
    zeros: dict[str, Any] = dict.fromkeys(COLUMNS, 0)
    result = parsed(recorded("analytics_social_2021"))
    assert result == AccountAnalytics(
        window=Metrics(
            impression=17,
            engagement=2,
            engagement_rate=0.11764705882352941,
            save=1,
            save_rate=0.058823529411764705,
            pin_click=1,
            pin_click_rate=0.058823529411764705,
            outbound_click=0,
            outbound_click_rate=0.0,
        ),
        days=(DayMetrics(day=date(2021, 9, 28), metrics=Metrics(**zeros)),),
        digest=result.digest,
    )


def test_an_account_with_video_keeps_every_number_that_has_no_column() -> None:
    result = parsed(recorded("analytics_social_video_account"))
    assert result.followers == 1204
    assert result.problems == ()
    assert result.last_updated == datetime(2024, 9, 2, 8, tzinfo=UTC)
    assert result.next_update == datetime(2024, 9, 2, 9, tzinfo=UTC)
    video = {
        "quartile_95_percent_view": 180,
        "video_10s_view": 0,
        "video_avg_watch_time": 5310.4064417177915,
        "video_mrc_view": 422,
        "video_start": 652,
        "video_v50_watch_time": 3462385,
    }
    assert json.loads(result.extra or "") == video | {"board_follower_count": 1204, "board_pin_count": 88}
    assert result.days[0].data_status == "READY"
    assert result.days[0].metrics.impression == result.window.impression == 1368
    assert result.days[0].extra == json.dumps(video, separators=(",", ":"), sort_keys=True)


def test_every_oddity_costs_only_itself() -> None:
    result = parsed(recorded("analytics_social_oddities"))
    assert result.window == Metrics(impression=17, save=2, pin_click_rate=0.25)
    assert result.followers == 77
    assert result.extra == '{"account_pin_count":5,"monthly_views":9001}'
    assert result.last_updated == datetime(2026, 9, 30, 9, tzinfo=UTC)
    assert result.next_update == datetime(2026, 9, 30, 10, tzinfo=UTC)
    assert result.days == (
        DayMetrics(
            day=date(2026, 9, 1),
            data_status="READY",
            metrics=Metrics(impression=5, pin_click=2, save_rate=0.4, outbound_click_rate=0.0),
            extra='{"delta":-4,"fresh_metric":3}',
        ),
        DayMetrics(day=date(2026, 9, 2), metrics=Metrics(impression=5)),
        DayMetrics(day=date(2026, 9, 5), metrics=Metrics(impression=2)),
        DayMetrics(day=date(2026, 9, 6), data_status="BEFORE_BUSINESS_CREATED"),
    )
    assert sorted(reasons(result)) == sorted(
        [
            "warning",
            *("negative", "not_a_number", "not_whole"),  # the window
            *("negative", "not_whole", "not_a_number", "not_a_number", "not_a_number"),  # 2 September
            *("empty_day", "bad_status", "overflow", "duplicate_day", "absurd_date", "bad_date", "bad_day"),
            "bad_stamp",
        ]
    )
    assert Problem("warning", "Some metrics are delayed.") in result.problems


# Values


@pytest.mark.parametrize("others", [{}, {"IMPRESSION": "100"}, {"VIDEO_START": 1}, {"COLOUR": 1, "SAVE_RATE": "0.05"}])
def test_a_day_reads_the_same_whatever_else_is_in_it(others: dict[str, object]) -> None:
    (read,) = parsed(answer(day(NINE | others))).days
    assert [getattr(read.metrics, column) for column in COLUMNS] == list(NINE.values())
    assert all(type(getattr(read.metrics, column)) is (float if "rate" in column else int) for column in COLUMNS)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_is_found_in_every_spelling(column: str) -> None:
    first, *rest = column.split("_")
    for spelling in (column, column.upper(), first + "".join(word.title() for word in rest)):
        result = parsed(answer(day({spelling: 1}), **{spelling: 1}))
        assert getattr(result.days[0].metrics, column) == getattr(result.window, column) == 1
        assert result.days[0].extra is result.extra is None


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("video10sView", "video_10s_view"),
        ("VIDEO_10S_VIEW", "video_10s_view"),
        ("quartile95PercentView", "quartile_95_percent_view"),
        ("QUARTILE_95_PERCENT_VIEW", "quartile_95_percent_view"),
        ("videoV50WatchTime", "video_v50_watch_time"),
        ("VIDEO_V50_WATCH_TIME", "video_v50_watch_time"),
        ("video_v50_watch_time", "video_v50_watch_time"),
        ("videoMRCView", "video_mrc_view"),
        ("closeup", "closeup"),
        ("Monthly views\x00\ud800", "monthly_views"),
    ],
)
def test_an_unknown_metric_has_one_name_in_every_spelling(spelling: str, name: str) -> None:
    result = parsed(answer(day({spelling: 7}), **{spelling: 7}))
    assert result.days[0].extra == result.extra == f'{{"{name}":7}}'


@pytest.mark.parametrize(
    ("value", "stored", "problem"),
    [
        (5, 5, None),
        (5.0, 5, None),
        ("17", 17, None),
        (" 17 ", 17, None),
        ("1e3", 1000, None),
        (10**12, 10**12, None),
        (str(10**12), 10**12, None),
        (None, None, None),
        (-1, None, None),
        (-1.0, None, None),
        ("-1", None, None),
        (-2, None, "negative"),
        ("-2", None, "negative"),
        (-(10**400), None, "negative"),
        (0.5, None, "not_whole"),
        (True, None, "not_a_number"),
        ([5], None, "not_a_number"),
        ({"a": 5}, None, "not_a_number"),
        ("", None, "not_a_number"),
        ("many", None, "not_a_number"),
        ("NaN", None, "not_a_number"),
        ("1_000", None, "not_a_number"),
    ],
)
def test_a_count_that_cannot_be_used_costs_only_itself(value: object, stored: int | None, problem: str | None) -> None:
    result = parsed(answer(day(NINE | {"SAVE": value}), save=value))
    assert result.days[0].metrics.save == result.window.save == stored
    assert result.days[0].metrics.impression == 100
    assert reasons(result) == ([problem, problem] if problem else [])


@pytest.mark.parametrize(
    ("value", "stored", "problem"),
    [
        (0.25, 0.25, None),
        (0, 0.0, None),
        ("0.25", 0.25, None),
        (".5", 0.5, None),
        (3, 3.0, None),
        (-1, None, None),
        (None, None, None),
        (-0.5, None, "negative"),
        (False, None, "not_a_number"),
        ("25%", None, "not_a_number"),
    ],
)
def test_a_rate_that_cannot_be_used_costs_only_itself(value: object, stored: float | None, problem: str | None) -> None:
    result = parsed(answer(day(NINE | {"SAVE_RATE": value}), saveRate=value))
    assert result.days[0].metrics.save_rate == result.window.save_rate == stored
    assert reasons(result) == ([problem, problem] if problem else [])


BEYOND_BELIEF = [
    (math.nan, "not_finite"),
    (math.inf, "not_finite"),
    (-math.inf, "not_finite"),
    ("1e999", "not_finite"),
    (10**400, "overflow"),
    (1e301, "overflow"),
]


@pytest.mark.parametrize("key", ["SAVE", "SAVE_RATE"])
@pytest.mark.parametrize(("value", "problem"), BEYOND_BELIEF)
def test_a_number_beyond_belief_costs_its_day_but_not_the_window(key: str, value: object, problem: str) -> None:
    good = day(NINE, "2026-09-02")
    result = parsed(answer(day(NINE | {key: value}), good, impression=9, **{key: value}))
    assert [read.day for read in result.days] == [date(2026, 9, 2)]
    assert result.window == Metrics(impression=9)
    assert reasons(result) == [problem, problem]


@pytest.mark.parametrize(
    ("value", "problem"), [*BEYOND_BELIEF, (2**63, "overflow"), (2**64, "overflow"), ("red", "not_a_number")]
)
def test_an_unknown_metric_beyond_belief_costs_only_itself(value: object, problem: str) -> None:
    result = parsed(answer(day(NINE | {"WEIRD": value, "FRESH": 3}), impression=9, weird=value, fresh=3))
    assert [getattr(result.days[0].metrics, column) for column in COLUMNS] == list(NINE.values())
    assert result.days[0].extra == result.extra == '{"fresh":3}'
    # A text in the window under an unknown name is no number at all.
    assert reasons(result) == ([problem] if isinstance(value, str) else [problem, problem])


@pytest.mark.parametrize("value", [10**12 + 1, 2**63 - 1, 2**63, 2**64, 10**20])
def test_a_number_whose_sums_might_be_no_bigint_costs_its_day(value: int) -> None:
    result = parsed(answer(day(NINE | {"IMPRESSION": value})))
    assert (result.days, reasons(result)) == ((), ["overflow"])


def test_an_integer_of_five_thousand_digits_costs_its_day_only() -> None:
    body = answer(day(NINE | {"SAVE": 12345}), day(NINE, "2026-09-02"))
    result = parsed(body.replace(b"12345", b"9" * 5000))
    assert [read.day for read in result.days] == [date(2026, 9, 2)]
    assert reasons(result) == ["not_finite"]


def test_too_many_and_too_long_keys_are_left_out_and_named() -> None:
    metrics: dict[str, int] = {f"metric_{number:03}": number for number in range(150)}
    result = parsed(answer(day({**metrics, "k" * 65: 1, "": 1}), **metrics))
    for extra in (result.extra, result.days[0].extra):
        assert list(json.loads(extra or "")) == [f"metric_{number:03}" for number in range(100)]
    assert sorted(reasons(result)) == ["bad_key", "bad_key", "too_many_keys", "too_many_keys"]


def test_a_whole_float_and_an_integer_give_the_same_extra() -> None:
    (first,) = parsed(answer(day({"B": 5, "A": 0.5}))).days
    (second,) = parsed(answer(day({"A": 0.5, "B": 5.0}))).days
    assert first.extra == second.extra == '{"a":0.5,"b":5}'


# Days


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2026-09-01T00:00:00.000Z", None),
        ("2026-10-03", None),
        ("2026-10-04", "absurd_date"),
        ("2009-12-31", "absurd_date"),
        ("2010-01-01", None),
        ("20260901", "bad_date"),
        ("2026-W36-2", "bad_date"),
        ("2026-02-30", "bad_date"),
        ("2026-09-0\ud800", "bad_date"),
        (20260901, "bad_date"),
        (None, "bad_date"),
        ([], "bad_date"),
    ],
)
def test_a_date_is_an_iso_day_within_reason(value: object, problem: str | None) -> None:
    result = parsed(answer(day(NINE, value)))
    assert reasons(result) == ([problem] if problem else [])
    assert len(result.days) == (0 if problem else 1)


@pytest.mark.parametrize(
    "status", ["BEFORE_BUSINESS_CREATED", "before_pin_date", "IN_BAD_TAG_DATE", "AUDIENCE_SMALLER_THAN_THRESHOLD"]
)
def test_a_day_that_pinterest_has_no_number_for_is_kept_without_numbers(status: str) -> None:
    metrics = NINE | {"SAVE": math.nan, "VIDEO_START": 4}
    result = parsed(answer(day(metrics, dataStatus=status)))
    assert result.days == (DayMetrics(day=FIRST, data_status=status.upper()),)
    assert result.problems == ()


@pytest.mark.parametrize("key", ["dataStatus", "data_status", "DATA_STATUS"])
def test_a_status_is_upper_cased_cut_and_safe_to_store(key: str) -> None:
    result = parsed(answer(day(NINE, **{key: "processing\x00\ud800" + "ß" * 200})))
    assert result.days[0].data_status == "PROCESSING  " + "S" * 52


@pytest.mark.parametrize("metrics", [None, {}, {"IMPRESSION": None, "SAVE": -1}, {"COLOUR": None}])
def test_a_day_without_a_number_is_left_out(metrics: object) -> None:
    result = parsed(answer(day(metrics, dataStatus="PROCESSING"), {"date": "2026-09-02"}))
    assert (result.days, reasons(result)) == ((), ["empty_day", "empty_day"])


def test_days_come_in_order_and_identical_duplicates_fold() -> None:
    days = [day(NINE, "2026-09-03"), day(NINE, "2026-09-01"), day(NINE, "2026-09-03")]
    result = parsed(answer(*days))
    assert [read.day.day for read in result.days] == [1, 3]
    assert result.problems == ()


def test_a_broken_duplicate_does_not_replace_a_good_day() -> None:
    result = parsed(answer(day(NINE), day({"SAVE": math.inf}), day({})))
    assert result.days[0].metrics.impression == 100
    assert reasons(result) == ["not_finite", "empty_day"]


@pytest.mark.parametrize("analytics", [{}, {"daily": None}, {"daily": {"date": "2026-09-01"}}])
def test_sums_are_kept_when_there_is_no_list_of_days(analytics: dict[str, object]) -> None:
    body = json.dumps({"pinterest": {"analytics": {**analytics, "impression": 4}}}).encode()
    result = parsed(body)
    assert (result.window.impression, result.days, reasons(result)) == (4, (), ["no_daily"])


def test_an_empty_list_of_days_is_no_problem() -> None:
    result = parsed(answer())
    assert result == AccountAnalytics(window=Metrics(), digest=result.digest)


def test_problems_beyond_fifty_are_counted() -> None:
    result = parsed(answer(*range(60)))
    assert len(result.problems) == 51
    assert result.problems[-1] == Problem("more_problems", "10")


# The window


@pytest.mark.parametrize(
    ("analytics", "followers", "extra"),
    [
        ({"followers": 5, "followerCount": 6}, 5, '{"follower_count":6}'),
        ({"FOLLOWERS_COUNT": "7"}, 7, None),
        ({"follower_counts": 8, "board": {"followerCount": 9}}, 8, '{"board_follower_count":9}'),
        ({"followers": None, "board": {"follower_count": 9, "name": "2024"}}, 9, '{"board_follower_count":9}'),
        ({"followers": -1, "followersCount": 3}, 3, None),
        ({"board": [1, 2]}, None, None),
    ],
)
def test_followers_are_found_under_their_many_names(
    analytics: dict[str, object], followers: int | None, extra: str | None
) -> None:
    result = parsed(answer(**analytics))
    assert (result.followers, result.extra, result.problems) == (followers, extra, ())


def test_a_broken_follower_count_is_named_and_the_next_one_taken() -> None:
    result = parsed(answer(followers="many", board={"followerCount": 9}))
    assert (result.followers, reasons(result)) == (9, ["not_a_number"])


@pytest.mark.parametrize(
    ("stamp", "read"),
    [
        ("2026-09-30T10:00:00Z", True),
        ("2026-09-30T10:00:00.000Z", True),
        ("2026-09-30T12:00:00.5+02:00", True),
        ("2026-09-30T10:00:00", True),
        ("soon", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("0001-01-01T00:00:00Z", False),
        ("2009-12-31T23:59:59Z", False),
        ("9999-12-31T23:59:59-14:00", False),
        ("2999-01-01T00:00:00Z", False),
        ("\ud800", False),
        (1_700_000_000, False),
        (math.nan, False),
        (10**400, False),
        (True, False),
        ([], False),
        ({"_seconds": 5}, False),
    ],
)
@pytest.mark.parametrize("name", ["lastUpdated", "nextUpdate"])
@pytest.mark.parametrize("top", [True, False])
def test_a_stamp_is_aware_and_utc_or_nothing(stamp: object, name: str, *, read: bool, top: bool) -> None:
    block: dict[str, object] = {"analytics": {"daily": []}}
    payload: dict[str, object] = {"pinterest": block, "status": "success"}
    (payload if top else block)[name] = stamp
    body = json.dumps(payload).encode()
    result = parsed(body)
    again = parse_account_analytics(body, today=TODAY, known=result.digest)
    assert reasons(result) == ([] if read else ["bad_stamp"])
    for answered in (result, again):
        found = answered.last_updated if name == "lastUpdated" else answered.next_update
        assert (found is not None) is read
        if found is not None:
            assert found.replace(microsecond=0) == datetime(2026, 9, 30, 10, tzinfo=UTC)
            assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize("warning", [[{"code": 1, "message": "late"}], {"message": "late"}, "late", ["late"]])
def test_a_warning_is_passed_on(warning: object) -> None:
    assert parsed(answer(warning=warning)).problems == (Problem("warning", "late"),)


# Answers that are no data


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (PROXY_PAGE, "not JSON"),
        (b'{"pinterest": {"analytics": {"daily": [', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (DEEP, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[NaN," + DEEP, "nested too deeply"),
        (b"null", "null, not an object"),
        (b"[]", "a list, not an object"),
        (b"{}", "no object `pinterest`"),
        (b'{"pinterest": null}', "no object `pinterest`"),
        (b'{"pinterest": {"analytics": null}}', "no object `analytics` in `pinterest`"),
        (b'{"pinterest": {"analytics": []}}', "no object `analytics` in `pinterest`"),
    ],
)
def test_an_unreadable_answer_says_why_and_shows_its_beginning(body: bytes, why: str) -> None:
    error = refused_with(body)
    assert error.failure is Failure.PAYLOAD_INVALID
    assert why in str(error)
    assert error.excerpt is not None
    assert len(error.excerpt) <= 500
    assert not any(ord(character) < 32 for character in error.excerpt)


def test_one_broken_byte_does_not_cost_the_answer() -> None:
    body = answer(day(NINE, note="caf?")).replace(b"caf?", b"caf\xe9")
    assert parsed(b"\xef\xbb\xbf" + body).days[0].metrics.impression == 100


@pytest.mark.parametrize(
    ("name", "outcome", "code", "words"),
    [
        ("error_nested_under_network", Failure.UNLINKED, 272, "Pinterest authorization lost. Please relink."),
        ("error_analytics_187", Failure.UPSTREAM_ERROR, 187, "Error getting analytics. Please try again later."),
        ("error_flat_profile_key", Failure.KEY_INVALID, 144, "The Profile Key is invalid. Please check"),
        ("error_flat_suspended", Failure.UPSTREAM_ERROR, 106, "Your account is suspended."),
        ("post_not_linked", Failure.UNLINKED, 156, "Pinterest is not linked."),
    ],
)
def test_an_error_in_a_200_answer_is_raised_as_what_it_is(name: str, outcome: Outcome, code: int, words: str) -> None:
    error = refused_with(recorded(name))
    assert (error.failure, error.code, error.http_status, error.excerpt) == (outcome, code, 200, None)
    assert str(error).startswith(words)


def test_an_error_object_without_a_status_is_still_understood() -> None:
    error = refused_with(b'{"pinterest": {"code": 156, "message": "Pinterest is not linked."}}')
    assert (error.failure, error.code) == (Failure.UNLINKED, 156)


# Every answer's class


@pytest.mark.parametrize(
    "body",
    [
        recorded("analytics_social_2021"),
        recorded("history"),
        recorded("post_success"),
        recorded("post_success_with_profile_key"),
        recorded("profiles"),
        b'{"status": "partial", "errors": [{"status": "error", "code": 161}], "postIds": [{}]}',
        b'{"status": "partial", "posts": [{"status": "error"}, {"status": "success"}]}',
        b'{"history": [{"status": "error", "errors": [{"code": 156}]}]}',
        b"[]",
    ],
)
def test_a_success_is_no_failure(body: bytes) -> None:
    assert failure(200, body) is None


FLAT = b'{"status": "error", "code": 1, "message": "Said so"}'
NOT_LINKED = recorded("post_not_linked")
BAD_KEY = recorded("error_flat_profile_key")
RELINK = b'{"status": "error", "code": 9, "message": "x", "resolution": {"relink": true}}'


@pytest.mark.parametrize(
    ("http_status", "body", "outcome", "code"),
    [
        (429, FLAT, Failure.RATE_LIMITED, 1),
        (429, BAD_KEY, Failure.RATE_LIMITED, 144),
        (429, PROXY_PAGE, Failure.RATE_LIMITED, None),
        (401, FLAT, Failure.UNAUTHORIZED, 1),
        (401, NOT_LINKED, Failure.UNAUTHORIZED, 156),
        (401, b"", Failure.UNAUTHORIZED, None),
        (400, BAD_KEY, Failure.KEY_INVALID, 144),
        (403, BAD_KEY.upper().replace(b"MESSAGE", b"message"), Failure.KEY_INVALID, None),
        (500, BAD_KEY, Failure.UPSTREAM_ERROR, 144),
        (400, NOT_LINKED, Failure.UNLINKED, 156),
        (403, NOT_LINKED, Failure.UNLINKED, 156),
        (400, b'{"status": "error", "code": "161", "message": "x"}', Failure.UNLINKED, 161),
        (400, RELINK, Failure.UNLINKED, 9),
        (400, RELINK.replace(b"true", b"1"), Failure.UPSTREAM_ERROR, 9),
        (400, recorded("post_partial_with_profile_key"), Failure.UNLINKED, 161),
        (400, b'{"errors": [{"code": 161, "platform": "x"}, {"code": 137}]}', Failure.UPSTREAM_ERROR, 137),
        (400, recorded("history_empty_http400"), Failure.UPSTREAM_ERROR, 221),
        (403, recorded("error_flat_suspended"), Failure.SUSPENDED, 106),
        (401, b'{"message": "Unauthorized"}', Failure.UNAUTHORIZED, None),
        (401, PROXY_PAGE, Failure.UPSTREAM_ERROR, None),
        (403, b"{}", Failure.UPSTREAM_ERROR, None),
        (403, recorded("error_gateway_forbidden"), Failure.UPSTREAM_ERROR, None),
        (403, b'{"posts": [{"errors": [{"message": "User SUSPENDED"}]}]}', Failure.SUSPENDED, None),
        (400, recorded("error_flat_suspended"), Failure.UPSTREAM_ERROR, 106),
        (403, PROXY_PAGE, Failure.UPSTREAM_ERROR, None),
        (403, b"Profile Key is invalid", Failure.UPSTREAM_ERROR, None),
        (403, b'"Forbidden"', Failure.UPSTREAM_ERROR, None),
        (403, DEEP, Failure.UPSTREAM_ERROR, None),
        (404, FLAT, Failure.UPSTREAM_ERROR, 1),
        (502, PROXY_PAGE, Failure.UPSTREAM_ERROR, None),
        (503, recorded("analytics_social_2021"), Failure.UPSTREAM_ERROR, None),
        (204, b"", Failure.UPSTREAM_ERROR, None),
        (302, b"{}", Failure.UPSTREAM_ERROR, None),
        (200, PROXY_PAGE, Failure.PAYLOAD_INVALID, None),
        (200, FLAT, Failure.UPSTREAM_ERROR, 1),
        (200, recorded("post_partial_with_profile_key"), Failure.UNLINKED, 161),
        (200, b'{"status": "success", "posts": [{"status": "error", "code": 156}]}', Failure.UNLINKED, 156),
    ],
)
def test_a_failure_is_classified_by_what_to_do_next(
    http_status: int, body: bytes, outcome: Outcome, code: int | None
) -> None:
    error = failure(http_status, body)
    assert error is not None
    assert (error.failure, error.code, error.http_status) == (outcome, code, http_status)
    assert str(error)


@pytest.mark.parametrize(
    ("http_status", "body", "own"),
    [
        (403, recorded("error_flat_suspended"), True),
        (400, recorded("post_not_linked"), True),
        (400, b'{"code": 138, "message": "The image is too small."}', True),
        (422, b'{"posts": [{"status": "error", "errors": [{"message": "No."}]}]}', True),
        (403, recorded("error_gateway_forbidden"), False),
        (403, b'{"message": "Forbidden"}', False),
        (403, b'{"error": {"code": 403, "message": "Forbidden", "status": "PERMISSION_DENIED"}}', False),
        (403, b'{"success": false, "errors": [{"code": 1020, "message": "Access denied"}]}', False),
        (400, b'{"timestamp": 0, "status": 400, "error": "Bad Request", "path": "/api/post"}', False),
        (403, b'"Forbidden"', False),
        (403, PROXY_PAGE, False),
    ],
)
def test_what_a_gateway_says_is_not_taken_for_ayrshares(http_status: int, body: bytes, own: bool) -> None:
    error = failure(http_status, body)
    assert error is not None
    assert error.from_ayrshare is own
    assert (error.excerpt is None) is own


@pytest.mark.parametrize("code", [True, 2**31, -(2**31) - 1, "1e3", "9" * 5000, None, [], math.nan, 10**400])
def test_a_code_that_does_not_fit_is_dropped(code: object) -> None:
    error = failure(400, json.dumps({"status": "error", "code": code, "message": "Said so"}).encode())
    assert error is not None
    assert (error.code, str(error)) == (None, "Said so")


def test_an_answer_that_is_not_json_is_quoted() -> None:
    error = failure(502, PROXY_PAGE)
    assert error is not None
    assert str(error) == "HTTP 502, not JSON"
    assert error.excerpt == "<html>  <head><title>403 Forbidden</title></head> </html>"


def test_a_message_is_ayrshares_own_cut_and_safe_to_store() -> None:
    error = failure(400, json.dumps({"message": "No\x00\ud800\x1b[31m\u202e" + "x" * 1000}).encode())
    assert error is not None
    assert str(error) == ("No   [31m " + "x" * 1000)[:300]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("86400", 86400.0),
        ("86401", None),
        ("-1", None),
        ("nan", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        (None, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_nothing(header: str | None, seconds: float | None) -> None:
    for body in (FLAT, PROXY_PAGE):
        error = failure(429, body, retry_after=header)
        assert error is not None
        assert error.retry_after_seconds == seconds


# Profiles


def test_profiles_are_listed_with_their_links() -> None:
    page = parse_profiles(recorded("profiles"))
    assert page.entries == (
        ProfileEntry(title="client-001", ref_id="160c8700bd6ade099b242d845e268fb986130c53", linked_to_pinterest=True),
        ProfileEntry(title="client-002", ref_id="170a8700bd6ade099b242d845e268fb986130c53"),
        ProfileEntry(
            title="client-003",
            ref_id="180s8700bd6ade099b242d845e268fb986130c53",
            linked_to_pinterest=True,
            suspended=True,
        ),
    )
    assert (page.next_cursor, page.skipped) == ("eyJjcmVhdGVkIjoiMjAyNS0wNi0xNFQwMjo1", 0)


@pytest.mark.parametrize(
    ("pagination", "cursor"),
    [
        (None, None),
        ({"hasMore": False, "nextCursor": "a"}, None),
        ({"hasMore": True, "nextCursor": "a"}, "a"),
        ({"nextCursor": "a"}, "a"),
        ({"nextCursor": "a\r\nb"}, None),
    ],
)
def test_paging_ends(pagination: object, cursor: str | None) -> None:
    page = parse_profiles(json.dumps({"profiles": [], "pagination": pagination}).encode())
    assert page.next_cursor == cursor


@pytest.mark.parametrize("cursor", [None, "", 5, "a\r\nb"])
def test_a_further_page_that_cannot_be_asked_for_is_an_error(cursor: object) -> None:
    body = json.dumps({"profiles": [], "pagination": {"hasMore": True, "nextCursor": cursor}}).encode()
    with pytest.raises(AyrshareError, match="more pages"):
        parse_profiles(body)


def test_entries_that_are_no_profiles_are_counted() -> None:
    body = {"profiles": [1, {}, {"title": " "}, {"title": "a\x00", "refId": 5, "activeSocialAccounts": "pinterest"}]}
    page = parse_profiles(json.dumps(body).encode())
    assert (page.entries, page.skipped) == ((ProfileEntry(title="a "),), 3)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (FLAT, Failure.UPSTREAM_ERROR),
        (b"[]", Failure.PAYLOAD_INVALID),
        (b"{}", Failure.PAYLOAD_INVALID),
        (PROXY_PAGE, Failure.PAYLOAD_INVALID),
        (DEEP, Failure.PAYLOAD_INVALID),
    ],
)
def test_an_answer_without_a_list_of_profiles_is_an_error(body: bytes, outcome: Outcome) -> None:
    with pytest.raises(AyrshareError) as caught:
        parse_profiles(body)
    assert caught.value.failure is outcome


# Anything at all

VALID = json.loads(recorded("analytics_social_video_account"))
VALID["pinterest"]["analytics"]["daily"] = [
    day(NINE | {"VIDEO_START": 4}, (FIRST + timedelta(number)).isoformat(), dataStatus="READY") for number in range(5)
]
EXPECTED = parsed(json.dumps(VALID).encode()).days


def assert_storable(result: AccountAnalytics) -> None:
    for numbers in (result.window, *(each.metrics for each in result.days)):
        for column in COLUMNS:
            value = getattr(numbers, column)
            assert value is None or (math.isfinite(value) if "rate" in column else value in COUNTS)
    assert result.followers is None or result.followers in COUNTS
    for extra in (result.extra, *(each.extra for each in result.days)):
        assert extra is None or all(math.isfinite(value) for value in json.loads(extra).values())
        assert_text_storable(extra)
        assert "\\u0000" not in (extra or "")
    for each in result.days:
        assert_text_storable(each.data_status)
    for problem in result.problems:
        assert_text_storable(problem.detail)
    assert [each.day for each in result.days] == sorted({each.day for each in result.days})


def storable_or_refused(body: bytes) -> AccountAnalytics | None:
    try:
        result = parsed(body)
    except AyrshareError as error:
        assert_text_storable(str(error))
        assert_text_storable(error.excerpt)
        return None
    assert_storable(result)
    return result


@given(path=st.sampled_from(paths(VALID)[1:]), value=ANYTHING)
def test_any_value_in_any_place_is_parsed_or_left_out(path: tuple[Any, ...], value: object) -> None:
    storable_or_refused(substituted(VALID, path, value))


DAY_PATHS = [path for path in paths(VALID) if len(path) > 3 and path[2] == "daily"]


@given(path=st.sampled_from(DAY_PATHS), value=ANYTHING)
def test_the_good_days_beside_a_bad_one_survive(path: tuple[Any, ...], value: object) -> None:
    result = storable_or_refused(substituted(VALID, path, value))
    assert result is not None
    good = [each for position, each in enumerate(EXPECTED) if position != path[3]]
    assert [each for each in result.days if each in good] == good


@given(key=KEYS, value=ANYTHING)
def test_an_unknown_key_takes_no_day_but_its_own(key: str, value: object) -> None:
    payload = copy.deepcopy(VALID)
    payload["pinterest"]["analytics"]["daily"][2]["metrics"][f"X{key}"] = value
    payload["pinterest"]["analytics"][f"X{key}"] = value
    result = storable_or_refused(json.dumps(payload).encode())
    assert result is not None
    assert [each for each in result.days if each.day != EXPECTED[2].day] == [*EXPECTED[:2], *EXPECTED[3:]]


# Answers seen before

STAMPS = {"lastUpdated": "2026-09-30T10:00:00.000Z", "nextUpdate": "2026-09-30T11:00:00.000Z"}


def test_an_answer_that_is_known_comes_back_unread() -> None:
    first = parsed(answer(day(NINE)))
    again = parse_account_analytics(answer(day(NINE)), today=TODAY, known=first.digest)
    assert again == SeenAnswer(last_updated=None, next_update=None)
    assert parsed(answer(day(NINE | {"SAVE": 6}))).digest != first.digest
    stamped = {"pinterest": {"analytics": VALID["pinterest"]["analytics"], **STAMPS}, "status": "success"}
    body = json.dumps(stamped).encode()
    again = parse_account_analytics(body, today=TODAY, known=parsed(body.replace(b"T11", b"T12")).digest)
    assert isinstance(again, SeenAnswer)
    assert again.next_update == datetime(2026, 9, 30, 11, tzinfo=UTC)


# Any answer at all


@given(body=st.one_of(st.binary(), ANYTHING.map(lambda value: json.dumps(value).encode())))
def test_any_bytes_are_a_result_or_an_ayrshare_error(body: bytes) -> None:
    storable_or_refused(body)
    try:
        parse_profiles(body)
    except AyrshareError as error:
        assert_text_storable(str(error))


@given(
    http_status=st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500]),
    body=st.one_of(st.binary(), ANYTHING.map(lambda value: json.dumps(value).encode())),
    retry_after=st.none() | st.text(),
)
def test_any_answer_is_classified(http_status: int, body: bytes, retry_after: str | None) -> None:
    error = failure(http_status, body, retry_after=retry_after)
    assert error is not None or http_status == 200
    if error is not None:
        assert_text_storable(str(error))
        assert len(str(error)) <= 300


@given(listed=st.lists(st.one_of(ANYTHING, st.fixed_dictionaries({"title": TEXTS, "refId": ANYTHING}))))
def test_any_list_of_profiles_is_survived(listed: list[object]) -> None:
    page = parse_profiles(json.dumps({"profiles": listed}).encode())
    assert len(page.entries) + page.skipped == len(listed)
    for entry in page.entries:
        assert_text_storable(entry.title)
        assert_text_storable(entry.ref_id)


@pytest.mark.parametrize(
    ("stamp", "day_of_numbers", "problem"),
    [
        ("2021-09-28T00:00:00.000Z", "2021-09-28", None),
        ("2021-09-27T23:59:59.999Z", "2021-09-28", "stale_stamp"),
        ("2021-09-28T01:00:00+02:00", "2021-09-28", "stale_stamp"),
        ("2021-09-27T23:59:59.999Z", "2021-09-27", None),
    ],
)
@pytest.mark.parametrize("metrics", [{"SAVE": 3}, {"CLOSEUP": 4}, {"SAVE": "3"}])
def test_a_stamp_older_than_a_number_is_not_believed(
    stamp: str, day_of_numbers: str, problem: str | None, metrics: dict[str, object]
) -> None:
    days = [day(metrics, "2021-09-20"), day(metrics, day_of_numbers)]
    without = {**day(metrics, "2021-09-29"), "dataStatus": "BEFORE_DATA_START"}
    body = {"pinterest": {"analytics": {"daily": [*days, without]}, "lastUpdated": stamp}, "status": "success"}
    read = parsed(json.dumps(body).encode())
    assert reasons(read) == ([problem] if problem else [])
    assert len(read.days) == 3
    assert (read.last_updated is None) == (problem is not None)


def days_back(count: int) -> list[dict[str, object]]:
    return [day({"SAVE": 3}, (TODAY - timedelta(days=age)).isoformat()) for age in reversed(range(count))]


@pytest.mark.parametrize("listed", [days_back(5000), days_back(5000)[::-1]])
@pytest.mark.parametrize("filler", [[], [0] * 50_000, [{"date": "x"}] * 50_000, [{"date": "9999-12-31"}] * 50_000])
def test_of_very_many_days_the_newest_are_read(
    listed: list[object], filler: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []
    read_one = days_module._day

    def counted(item: object, latest: date, problems: Problems) -> DayMetrics:
        looked_at.append(item)
        return read_one(item, latest, problems)

    monkeypatch.setattr(days_module, "_day", counted)
    read = parsed(answer(*filler, *listed))
    assert [each.day for each in read.days] == [TODAY - timedelta(days=age) for age in reversed(range(400))]
    assert (read.problems[0].reason, read.problems[0].detail) == ("too_many_days", str(5000 + len(filler)))
    assert len(looked_at) == 400


@pytest.mark.parametrize("value", [1, "x", {"a": 1}, -5])
def test_of_very_many_keys_the_nine_metrics_and_the_first_others_are_read(value: object) -> None:
    many = {f"KEY_{number}": value for number in range(20_000)}
    read = parsed(answer(day({**many, "SAVE": 3}), **many, save=7, board=many))
    assert [each.metrics.save for each in read.days if each.metrics.save] == [3]
    assert read.window.save == 7
    assert "too_many_keys" in reasons(read)
    assert len(json.loads(read.extra or "{}")) <= 100
    assert len(read.problems) <= 51


def test_very_many_warnings_are_not_all_looked_at() -> None:
    read = parsed(answer(day({"SAVE": 3}), warning=[{"message": "x"}] * 20_000))
    assert reasons(read) == ["warning"] * 50


def test_a_large_answer_that_is_not_json_is_not_mended() -> None:
    error = refused_with(b'{"pinterest": {"analytics": {"daily": [NaN' + b", 1" * 400_000 + b"]}}}")
    assert (error.failure, str(error)) == (Failure.PAYLOAD_INVALID, "HTTP 200, not JSON")
