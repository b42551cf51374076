import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from collector.emulator import EMULATOR, Emulator, EmulatorConfig, make_app, profile_identity, serve
from collector.emulator.config import DAY_SECONDS, day_of
from collector.emulator.traffic import PIN_METRICS, Metrics, character, final_counts, shown_counts, with_rates

NOON = 1_790_000_000.0 // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS / 2  # a fixed noon, UTC
API_KEY = "secret"
SOCIAL = "/analytics/social"
PINTEREST = {"platforms": ["pinterest"]}
PIN: dict[str, Any] = {"post": "A pin", "platforms": ["pinterest"], "mediaUrls": ["https://example.com/a.jpg"]}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass
class Client:
    """Speaks to an emulator as the daemon would, for the profile with the given index unless told otherwise."""

    url: str
    session: aiohttp.ClientSession
    app: web.Application
    config: EmulatorConfig
    index: int = 0
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def emulator(self) -> Emulator:
        return self.app[EMULATOR]

    def key(self, index: int) -> str:
        return profile_identity(index, seed=self.config.seed, profiles=self.config.profiles).profile_key

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        index: int | None = 0,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        if headers is None:
            headers = {"Authorization": f"Bearer {API_KEY}"}
            if index is not None:
                headers["Profile-Key"] = self.key(index)
        async with self.session.request(method, self.url + path, json=body, headers=headers) as response:
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, lowered, await response.read())

    async def social(self, index: int = 0) -> Answer:
        return await self.call("POST", SOCIAL, PINTEREST, index=index)

    async def publish(self, index: int | None = 0, **changes: object) -> Answer:
        return await self.call("POST", "/post", PIN | changes, index=index)

    async def fault(self, name: str, **options: object) -> Answer:
        answer = await self.call("POST", "/_emulator/faults", {"fault": name, **options})
        assert answer.status == 200, answer.body
        return answer

    async def shift(self, seconds: float) -> None:
        await self.call("POST", "/_emulator/clock", {"offset_seconds": seconds})


def make_config(**changes: Any) -> EmulatorConfig:
    usual: dict[str, Any] = {"profiles": 12, "api_key": API_KEY, "now": lambda: NOON}
    return EmulatorConfig(**usual | changes)


@pytest.fixture
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    config = make_config(**getattr(request, "param", {}))
    app = make_app(config)
    timeout = aiohttp.ClientTimeout(total=10)
    async with serve(app) as url, aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(url, session, app, config)


def configured(**changes: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", [changes], indirect=True, ids=[",".join(changes)])


def analytics_of(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    analytics = answer.json()["pinterest"]["analytics"]
    assert isinstance(analytics, dict)
    return analytics


def assert_rates(metrics: Metrics) -> None:
    assert metrics["ENGAGEMENT"] == metrics["SAVE"] + metrics["PIN_CLICK"] + metrics["OUTBOUND_CLICK"]
    for name in ("ENGAGEMENT", "SAVE", "PIN_CLICK", "OUTBOUND_CLICK"):
        expected = metrics[name] / metrics["IMPRESSION"] if metrics["IMPRESSION"] else 0
        assert metrics[f"{name}_RATE"] == expected
        assert 0 <= metrics[f"{name}_RATE"] <= 1


# Numbers


def day_metrics(seed: int, index: int, day: int, age: int) -> Metrics:
    return with_rates(shown_counts(seed, index, day, age, character(seed, index)))


def test_numbers_depend_on_seed_profile_day_and_age_only() -> None:
    day = date(2026, 9, 1).toordinal()
    assert day_metrics(1, 3, day, 5) == day_metrics(1, 3, day, 9)
    variants = [day_metrics(2, 3, day, 5), day_metrics(1, 5, day, 5), day_metrics(1, 3, day + 1, 5)]
    assert all(day_metrics(1, 3, day, 5) != other for other in variants)


def test_rates_obey_pinterests_identities() -> None:
    day = date(2026, 9, 1).toordinal()
    for index, offset, age in itertools.product(range(40), range(10), range(4)):
        assert_rates(day_metrics(1, index, day + offset, age))


def test_a_day_only_grows_until_it_is_final() -> None:
    day = date(2026, 9, 1).toordinal()
    for index in range(40):
        by_age = [day_metrics(1, index, day, age) for age in range(5)]
        for name in PIN_METRICS:
            values = [metrics[name] for metrics in by_age]
            assert values == sorted(values)
        assert by_age[3] == by_age[4]
        assert by_age[0]["IMPRESSION"] < by_age[3]["IMPRESSION"]


def test_volumes_spread_from_tens_to_thousands_and_weeks_have_a_rhythm() -> None:
    volumes = sorted(character(1, index).volume for index in range(2_000))
    assert volumes[0] < 40
    assert 400 < volumes[1_000] < 900
    assert volumes[-1] > 10_000
    index = next(index for index in range(50) if character(1, index).weekend < 0.8)
    monday = date(2026, 1, 5).toordinal()
    days = [final_counts(1, index, monday + day, character(1, index))["IMPRESSION"] for day in range(70)]
    weekend = sum(value for day, value in enumerate(days) if day % 7 >= 5) / 20
    assert weekend < sum(value for day, value in enumerate(days) if day % 7 < 5) / 50


async def test_two_emulators_with_one_seed_answer_alike() -> None:
    bodies = []
    for _ in range(2):
        async with serve(make_config()) as url, aiohttp.ClientSession() as session:
            key = profile_identity(4, seed=1, profiles=12).profile_key
            headers = {"Authorization": f"Bearer {API_KEY}", "Profile-Key": key}
            async with session.post(url + SOCIAL, json=PINTEREST, headers=headers) as response:
                bodies.append(await response.read())
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("index", "video", "board"), [(0, False, False), (1, True, False), (2, False, True), (3, True, True)]
)
async def test_accounts_differ_in_video_and_board(client: Client, index: int, video: bool, board: bool) -> None:
    analytics = analytics_of(await client.social(index))
    names = {"videoStart", "videoMrcView", "video10sView", "quartile95PercentView", "videoV50WatchTime"}
    assert (names <= analytics.keys()) == video
    assert ("VIDEO_AVG_WATCH_TIME" in analytics["daily"][0]["metrics"]) == video
    assert ("board" in analytics) == ("followerCount" in analytics) == board


@pytest.mark.parametrize(
    ("client", "days"),
    [({}, 30), ({"days": 90}, 90), ({"days": 7, "include_today": True}, 7)],
    indirect=["client"],
)
async def test_the_window_ends_yesterday_or_today_and_sums_its_days(client: Client, days: int) -> None:
    analytics = analytics_of(await client.social(3))
    daily = analytics["daily"]
    today = day_of(NOON)
    end = today if client.config.include_today else today - 1
    assert [date.fromisoformat(day["date"]).toordinal() for day in daily] == list(range(end - days + 1, end + 1))
    for camel, upper in {"impression": "IMPRESSION", "save": "SAVE", "video10sView": "VIDEO_10S_VIEW"}.items():
        assert analytics[camel] == sum(day["metrics"][upper] for day in daily)
    assert analytics["saveRate"] == analytics["save"] / analytics["impression"]
    ages = {0: "ESTIMATE", 1: "PROCESSING", 2: "PROCESSING"}
    for day in daily:
        age = today - date.fromisoformat(day["date"]).toordinal()
        assert day["dataStatus"] == ages.get(age, "READY")
        assert_rates(day["metrics"])


async def test_yesterday_is_restated_as_days_pass(client: Client) -> None:
    seen = []
    yesterday = analytics_of(await client.social())["daily"][-1]["date"]
    for days in range(4):
        await client.shift(days * DAY_SECONDS)
        daily = {day["date"]: day for day in analytics_of(await client.social())["daily"]}
        seen.append((daily[yesterday]["metrics"]["IMPRESSION"], daily[yesterday]["dataStatus"]))
    assert [status for _, status in seen] == ["PROCESSING", "PROCESSING", "READY", "READY"]
    assert seen[0][0] < seen[1][0] < seen[2][0] == seen[3][0]


async def test_within_the_cache_period_the_same_bytes_come(client: Client) -> None:
    first = await client.social()
    block = first.json()["pinterest"]
    assert block["lastUpdated"].endswith("12:00:00.000Z")
    assert block["nextUpdate"].endswith("12:15:00.000Z")
    await client.shift(899)
    assert (await client.social()).body == first.body
    await client.shift(900)
    assert (await client.social()).body != first.body


# Profiles and keys


def test_identities_are_distinct_and_shaped_like_ayrshares() -> None:
    identities = [profile_identity(index, seed=1, profiles=1_000) for index in range(1_000)]
    assert identities[0].title == "client-0001"
    assert len({identity.profile_key for identity in identities}) == 1_000
    for _, ref_id, key in identities:
        assert len(ref_id) == 40
        assert [len(part) for part in key.split("-")] == [8, 8, 8, 8]


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 401, "API Key not valid"),
        ({"Authorization": "Bearer wrong"}, 401, "API Key not valid"),
        ({"Authorization": f"Bearer {API_KEY}", "Profile-Key": ""}, 400, "The Profile Key is invalid"),
        ({"Authorization": f"Bearer {API_KEY}", "Profile-Key": "nonsense"}, 403, "The Profile Key is invalid"),
        (
            {"Authorization": f"Bearer {API_KEY}", "Profile-Key": profile_identity(12, seed=1, profiles=12)[2]},
            403,
            "The Profile Key is invalid",
        ),
    ],
    ids=["no authorization", "wrong api key", "empty key", "unknown key", "key of nobody"],
)
async def test_bad_keys_are_refused(client: Client, headers: dict[str, str], status: int, message: str) -> None:
    answer = await client.call("POST", SOCIAL, PINTEREST, headers=headers)
    assert answer.status == status
    assert answer.json().keys() == {"action", "status", "code", "message"}
    assert message in answer.json()["message"]


@pytest.mark.parametrize("body", [None, [], {}, {"platforms": ["x"]}, {"platforms": "pinterest"}])
async def test_a_body_without_pinterest_is_refused(client: Client, body: object) -> None:
    answer = await client.call("POST", SOCIAL, body)
    assert (answer.status, answer.json()["code"]) == (400, 101)


@configured(unlinked_titles=frozenset({"client-002"}), suspended_titles=frozenset({"client-003"}))
async def test_profiles_are_paged_and_never_show_keys(client: Client) -> None:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        query = f"?limit=5&cursor={cursor}"
        page = (await client.call("GET", f"/profiles{query}", index=None)).json()
        assert page["count"] == len(page["profiles"])
        rows += page["profiles"]
        if not page["pagination"]["hasMore"]:
            break
        cursor = page["pagination"]["nextCursor"]
    assert [row["title"] for row in rows] == [f"client-{number:03d}" for number in range(1, 13)]
    assert not any("profileKey" in row for row in rows)
    assert "activeSocialAccounts" not in rows[1]
    assert rows[2]["suspended"] is True
    assert rows[0]["activeSocialAccounts"] == ["pinterest"]
    assert rows[0]["refId"] == profile_identity(0, seed=1, profiles=12).ref_id


@pytest.mark.parametrize("query", ["limit=0", "limit=5001", "limit=x", "cursor=zzz", "cursor=YWZ0ZXI6eA=="])
async def test_bad_paging_is_refused(client: Client, query: str) -> None:
    assert (await client.call("GET", f"/profiles?{query}", index=None)).status == 400


async def test_a_created_profile_shows_its_key_once_and_starts_unlinked(client: Client) -> None:
    created = (await client.call("POST", "/profiles", {"title": "New"}, index=None)).json()
    headers = {"Authorization": f"Bearer {API_KEY}", "Profile-Key": created["profileKey"]}
    assert (await client.call("POST", SOCIAL, PINTEREST, headers=headers)).status == 400
    await client.call("POST", "/_emulator/profiles", {"profile": "New", "linked": True})
    assert (await client.call("POST", SOCIAL, PINTEREST, headers=headers)).status == 200
    for title in ("New", "client-001"):
        refused = await client.call("POST", "/profiles", {"title": title}, index=None)
        assert (refused.status, refused.json()["code"]) == (400, 146)
    listed = (await client.call("GET", "/profiles?title=New", index=None)).json()["profiles"]
    assert [row["refId"] for row in listed] == [created["refId"]]


# Limits


@configured(rate_limit=3)
async def test_the_limit_is_counted_per_profile_and_window(client: Client) -> None:
    answers = [await client.social() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-count"] for answer in answers] == ["1", "2", "3", "4"]
    assert {answer.headers["x-ratelimit-max"] for answer in answers} == {"3"}
    assert (await client.social(1)).status == 200
    await client.shift(300)
    assert (await client.social()).status == 200


@configured(rate_limit=1, refusals_until_suspended=3)
async def test_too_many_refusals_suspend_the_profile_until_it_is_lifted(client: Client) -> None:
    assert [(await client.social()).status for _ in range(5)] == [200, 429, 429, 429, 403]
    await client.shift(2 * DAY_SECONDS)
    assert (await client.social()).status == 403
    listed = (await client.call("GET", "/profiles?title=client-001", index=None)).json()["profiles"]
    assert listed[0]["suspended"] is True
    await client.call("POST", "/_emulator/profiles", {"profile": "client-001", "suspended": False})
    assert (await client.social()).status == 200


@configured(rate_limit=1, refusals_until_suspended=3)
async def test_refusals_are_forgotten_after_a_day(client: Client) -> None:
    for days in range(3):
        await client.shift(days * DAY_SECONDS)
        assert [(await client.social()).status for _ in range(3)] == [200, 429, 429]


# Posts


async def test_a_pin_is_published_in_the_shape_of_its_headers(client: Client) -> None:
    wrapped = (await client.publish(notes="token-1")).json()
    assert wrapped["status"] == "success"
    inner = wrapped["posts"][0]
    assert inner["profileTitle"] == "client-001"
    plain = (await client.publish(index=None)).json()
    for answer in (inner, plain):
        assert answer["errors"] == []
        assert len(answer["id"]) == 20
        assert answer["id"].isalnum()
        assert answer["postIds"][0]["id"].isdigit()
        assert answer["postIds"][0]["postUrl"].endswith(f"/pin/{answer['postIds'][0]['id']}/")


async def test_a_pin_sent_twice_is_published_twice_and_recorded(client: Client) -> None:
    await client.publish(notes="same")
    await client.publish(notes="same", idempotencyKey="k")
    record = (await client.call("GET", "/_emulator/record")).json()
    assert [(post["profile"], post["notes"], post["idempotencyKey"], post["post"]) for post in record["posts"]] == [
        ("client-001", "same", None, "A pin"),
        ("client-001", "same", "k", "A pin"),
    ]
    assert len({post["id"] for post in record["posts"]}) == 2


async def test_an_idempotency_key_is_used_up_whatever_becomes_of_the_post(client: Client) -> None:
    await client.fault("post_error", times=1)
    assert (await client.publish(idempotencyKey="failed")).status == 400
    assert (await client.publish(idempotencyKey="invalid", mediaUrls=[])).status == 400
    assert (await client.publish(idempotencyKey="fine")).status == 200
    await client.shift(400 * DAY_SECONDS)
    for key in ("failed", "invalid", "fine"):
        answer = await client.publish(idempotencyKey=key)
        assert answer.status == 400
        assert "idempotencyKey" in answer.json()["posts"][0]["errors"][0]["message"]
        assert (await client.publish(index=1, idempotencyKey=key)).status == 200
    assert len(client.emulator.record.posts) == 4


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"post": "x" * 501}, "500"),
        ({"platforms": []}, "platforms"),
        ({"platforms": ["tiktok"]}, "pinterest"),
        ({"mediaUrls": []}, "mediaUrls"),
        ({"mediaUrls": ["http://example.com/a.jpg"]}, "https"),
        ({"mediaUrls": ["https://example.com/a.pdf"]}, ".pdf"),
        ({"mediaUrls": ["https://example.com/a.mp4"]}, "thumbNail"),
        ({"mediaUrls": ["https://example.com/a"], "isVideo": True}, "thumbNail"),
        ({"mediaUrls": ["https://example.com/a.jpg"] * 6}, "5 images"),
        ({"scheduleDate": "tomorrow"}, "scheduleDate"),
        ({"pinterestOptions": {"title": "x" * 101}}, "title"),
        ({"pinterestOptions": {"link": "x" * 2049}}, "link"),
        ({"pinterestOptions": {"note": "x" * 1001}}, "note"),
        ({"pinterestOptions": {"altText": ["x" * 501]}}, "altText"),
        ({"pinterestOptions": {"altText": ["a", "b"]}}, "altText"),
        ({"pinterestOptions": {"carouselOptions": [{"title": "one"}]}}, "carouselOptions"),
    ],
)
@pytest.mark.parametrize("path", ["/post", "/validate/post"])
async def test_limits_of_a_post_are_checked(client: Client, path: str, changes: dict[str, Any], complaint: str) -> None:
    answer = await client.call("POST", path, PIN | changes)
    assert answer.status == 400
    assert complaint in answer.json()["posts"][0]["errors"][0]["message"]
    assert client.emulator.record.posts == []


async def test_validating_publishes_nothing(client: Client) -> None:
    body = PIN | {
        "mediaUrls": ["https://a.example/v.mp4"],
        "pinterestOptions": {"thumbNail": "https://a.example/t.jpg"},
    }
    assert (await client.call("POST", "/validate/post", body)).status == 200
    assert (await client.call("GET", "/history")).status == 400


async def test_a_scheduled_pin_waits_for_its_time(client: Client) -> None:
    answer = (await client.publish(scheduleDate="2099-01-01T00:00:00Z")).json()["posts"][0]
    assert (answer["status"], answer["postIds"]) == ("scheduled", [])
    row = (await client.call("GET", "/history")).json()["history"][0]
    assert (row["status"], row["postIds"], row["type"]) == ("pending", [], "scheduled")


async def test_a_processing_pin_becomes_a_success(client: Client) -> None:
    await client.fault("processing", seconds=60, times=1)
    assert (await client.publish()).json()["posts"][0]["status"] == "processing"
    for seconds, status, pins in ((59, "processing", 0), (60, "success", 1)):
        await client.shift(seconds)
        row = (await client.call("GET", "/history")).json()["history"][0]
        assert (row["status"], len(row["postIds"])) == (status, pins)


async def test_other_networks_fail_while_the_pin_is_published(client: Client) -> None:
    answer = (await client.publish(platforms=["pinterest", "instagram"])).json()["posts"][0]
    assert answer["status"] == "error"
    assert len(answer["errors"]) == len(answer["postIds"]) == 1


async def test_history_returns_the_accounts_own_notes_newest_first(client: Client) -> None:
    for number in range(3):
        await client.shift(number)
        await client.publish(notes=f"token-{number}")
    await client.publish(index=1, notes="foreign")
    answer = (await client.call("GET", "/history?platforms[0]=pinterest&lastDays=2&limit=2")).json()
    assert [row["notes"] for row in answer["history"]] == ["token-2", "token-1"]
    assert answer["count"] == 2
    assert answer["history"][0]["profileTitle"] == "client-001"


@pytest.mark.parametrize("query", ["?lastDays=2", "?platforms[0]=facebook", "?status=deleted"])
async def test_an_empty_history_is_an_error_nested_under_history(client: Client, query: str) -> None:
    await client.publish()
    await client.shift(3 * DAY_SECONDS)
    answer = await client.call("GET", f"/history{query}")
    assert answer.status == 400
    assert answer.json()["history"]["code"] == 221
    assert answer.json()["count"] == 0


async def test_a_long_history_is_a_minute_old(client: Client) -> None:
    await client.publish()
    seen = {}
    for seconds in (0, 59, 60):
        await client.shift(seconds)
        seen[seconds] = (await client.call("GET", "/history?limit=100")).json()["count"]
        await client.publish()
    assert seen == {0: 1, 59: 1, 60: 3}
    assert (await client.call("GET", "/history?limit=25")).json()["count"] == 4


async def test_a_deleted_post_stays_in_the_history(client: Client) -> None:
    post_id = (await client.publish()).json()["posts"][0]["id"]
    assert (await client.call("DELETE", "/post", {"id": post_id}, index=1)).status == 404
    assert (await client.call("DELETE", "/post", {"id": post_id})).status == 200
    again = await client.call("DELETE", "/post", {"id": post_id})
    assert (again.status, again.json()["code"]) == (404, 114)
    assert (await client.call("GET", "/history")).json()["history"][0]["status"] == "deleted"


async def test_a_pins_numbers_grow_with_its_age(client: Client) -> None:
    inner = (await client.publish()).json()["posts"][0]
    by_id = PINTEREST | {"id": inner["id"]}
    by_pin = PINTEREST | {"id": inner["postIds"][0]["id"], "searchPlatformId": True}
    impressions = []
    for days in (0, 1, 2, 30, 60, 90):
        await client.shift(days * DAY_SECONDS)
        answer = (await client.call("POST", "/analytics/post", by_id)).json()
        assert answer == (await client.call("POST", "/analytics/post", by_pin)).json()
        impressions.append(answer["pinterest"]["analytics"].get("impression"))
    assert impressions[0] is None
    assert impressions[1] < impressions[2] < impressions[3] < impressions[4] == impressions[5]
    unknown = await client.call("POST", "/analytics/post", PINTEREST | {"id": "nobody"})
    assert (unknown.status, unknown.json()["code"]) == (404, 186)


async def test_a_pending_pin_has_no_numbers(client: Client) -> None:
    post_id = (await client.publish(scheduleDate="2099-01-01T00:00:00Z")).json()["posts"][0]["id"]
    answer = await client.call("POST", "/analytics/post", PINTEREST | {"id": post_id})
    assert answer.status == 200
    assert answer.json()["pinterest"]["code"] == 187


# Faults


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"fault": "status", "status": 503}, 503, 503),
        ({"fault": "status", "status": 400, "code": 169, "message": "plan"}, 400, 169),
        ({"fault": "suspended"}, 403, 276),
        ({"fault": "bad_key"}, 403, 144),
        ({"fault": "unauthorized"}, 401, 102),
        ({"fault": "rate_limited"}, 429, 429),
    ],
    ids=lambda value: value["fault"] if isinstance(value, dict) else None,
)
async def test_error_faults_answer_with_their_code(
    client: Client, fault: dict[str, Any], status: int, code: int
) -> None:
    await client.fault(**{"name": fault.pop("fault"), "profile": "client-001", **fault})
    answer = await client.social()
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert (await client.social(1)).status == 200


async def test_rate_limited_may_say_when_to_come_back(client: Client) -> None:
    await client.fault("rate_limited", retry_after=7)
    assert (await client.social()).headers["retry-after"] == "7"


@pytest.mark.parametrize(("name", "code"), [("unlinked", 156), ("relink", 161)])
async def test_a_lost_link_has_each_endpoints_shape(client: Client, name: str, code: int) -> None:
    await client.fault(name, profile="client-001")
    social = await client.social()
    assert (social.status, social.json()["pinterest"]["code"]) == (400, code)
    post = await client.publish()
    error = post.json()["posts"][0]["errors"][0]
    assert (post.status, error["code"]) == (400, code)
    assert error.get("resolution", {}).get("relink", False) == (name == "relink")
    row = (await client.call("GET", "/history")).json()["history"][0]
    assert (row["status"], row["postIds"]) == ("error", [])
    assert client.emulator.record.posts == []
    listed = (await client.call("GET", "/profiles?limit=2", index=None)).json()["profiles"]
    assert ["activeSocialAccounts" in row for row in listed] == [False, True]


@pytest.mark.parametrize(
    ("shape", "path"),
    [
        ("flat", ["code"]),
        ("network", ["pinterest", "code"]),
        ("history", ["history", "code"]),
        ("errors", ["errors", 0, "code"]),
        ("posts", ["posts", 0, "errors", 0, "code"]),
    ],
)
async def test_an_error_can_come_in_every_shape(client: Client, shape: str, path: list[Any]) -> None:
    await client.fault("status", status=418, shape=shape)
    value: Any = (await client.social()).json()
    for step in path:
        value = value[step]
    assert value == 418


@pytest.mark.parametrize("status", [None, 200])
async def test_html_looks_like_a_proxys_page(client: Client, status: int | None) -> None:
    await client.fault("html", **({} if status is None else {"status": status}))
    answer = await client.social()
    assert answer.status == (status or 502)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.body.startswith(b"<html>")


async def test_truncated_json_does_not_parse_but_the_work_is_done(client: Client) -> None:
    await client.fault("truncated")
    for answer in (await client.social(), await client.publish()):
        assert answer.status == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.body)
    assert len(client.emulator.record.posts) == 1


async def test_wrong_json_parses_but_is_no_answer(client: Client) -> None:
    await client.fault("wrong_json")
    assert "pinterest" not in (await client.social()).json()


@pytest.mark.parametrize(
    ("fault", "published"),
    [
        ({"name": "reset_before"}, 0),
        ({"name": "reset_after"}, 1),
        ({"name": "hang", "seconds": 0.01}, 0),
        ({"name": "hang", "seconds": 0.01, "after_work": True}, 1),
    ],
    ids=str,
)
async def test_a_dropped_connection_leaves_the_work_undone_or_done(
    client: Client, fault: dict[str, Any], published: int
) -> None:
    await client.fault(**fault, endpoint="POST /post", times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.publish()
    assert len(client.emulator.record.posts) == published
    assert (await client.publish()).status == 200


async def test_a_hang_ends_when_the_client_leaves(client: Client) -> None:
    await client.fault("hang", times=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.social(), 0.1)
    async with asyncio.timeout(5):
        while client.emulator.record.statuses[200] == 0:  # the emulator counts the request once it has ended
            await asyncio.sleep(0.01)
    assert (await client.social()).status == 200


async def test_latency_delays_and_lets_the_answer_through(client: Client) -> None:
    await client.fault("latency", seconds=0.05)
    started = asyncio.get_running_loop().time()
    assert (await client.social()).status == 200
    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_huge_streams_a_very_large_answer(client: Client) -> None:
    await client.fault("huge", size_bytes=3_000_000)
    assert len((await client.social()).body) > 3_000_000


async def test_a_drop_changes_the_numbers_from_its_day_on(client: Client) -> None:
    before = analytics_of(await client.social())["daily"]
    since = before[20]["date"]
    await client.fault("drop", profile="client-001", since=since, factor=0.5, metrics=["SAVE", "PIN_CLICK"])
    after = analytics_of(await client.social())["daily"]
    assert after[:20] == before[:20]
    for old, new in zip(before[20:27], after[20:27], strict=True):
        assert new["metrics"]["PIN_CLICK"] == old["metrics"]["PIN_CLICK"] // 2
        assert new["metrics"]["IMPRESSION"] == old["metrics"]["IMPRESSION"]
        assert_rates(new["metrics"])
    await client.call("DELETE", "/_emulator/faults?profile=client-001")
    assert analytics_of(await client.social())["daily"] == before


async def test_a_drop_ends_after_its_last_day(client: Client) -> None:
    before = analytics_of(await client.social())["daily"]
    await client.fault("drop", since=before[10]["date"], until=before[11]["date"], factor=3.0)
    after = analytics_of(await client.social())["daily"]
    changed = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert changed == [10, 11]


async def test_days_of_a_gap_are_not_shown(client: Client) -> None:
    before = analytics_of(await client.social())["daily"]
    await client.fault("gap", until=before[4]["date"])
    await client.fault("gap", since=before[7]["date"], until=before[8]["date"])
    after = analytics_of(await client.social())["daily"]
    assert after == [*before[5:7], *before[9:]]
    await client.fault("gap")
    assert analytics_of(await client.social())["daily"] == []


async def test_times_and_endpoint_bound_a_fault(client: Client) -> None:
    await client.fault("status", status=500, endpoint=SOCIAL, times=2)
    assert (await client.publish()).status == 200
    assert [(await client.social()).status for _ in range(3)] == [500, 500, 200]
    listed = (await client.call("GET", "/_emulator/faults")).json()["faults"]
    assert (listed[0]["hits"], listed[0]["left"]) == (2, 0)
    assert (await client.call("DELETE", "/_emulator/faults")).json() == {"cleared": 1}


@configured(rate_limit=0)
async def test_a_fault_with_a_probability_hits_some_requests(client: Client) -> None:
    await client.fault("status", probability=0.3)
    statuses = [(await client.social()).status for _ in range(100)]
    assert 10 < statuses.count(500) < 60


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (None, "Known faults"),
        ({"fault": "explode"}, "explode"),
        ({"fault": "hang", "secnods": 1}, "secnods"),
        ({"fault": "hang", "probability": 2}, "probability"),
        ({"fault": "hang", "times": 0}, "times"),
        ({"fault": "hang", "endpoint": "/nowhere"}, "/nowhere"),
        ({"fault": "hang", "profile": "nobody"}, "nobody"),
        ({"fault": "latency"}, "seconds"),
        ({"fault": "drop", "times": 1}, "times"),
        ({"fault": "drop", "metrics": ["ENGAGEMENT"]}, "metrics"),
    ],
)
async def test_invalid_faults_are_refused(client: Client, body: object, complaint: str) -> None:
    answer = await client.call("POST", "/_emulator/faults", body)
    assert answer.status == 400
    assert complaint in answer.json()["message"]
    assert (await client.call("GET", "/_emulator/faults")).json() == {"faults": []}


@pytest.mark.parametrize(
    ("path", "body"),
    [("clock", {}), ("clock", {"offset": 1}), ("profiles", {"profile": "nobody"}), ("profiles", {"linked": True})],
)
async def test_invalid_control_requests_are_refused(client: Client, path: str, body: object) -> None:
    assert (await client.call("POST", f"/_emulator/{path}", body)).status == 400


# The record, and the program


async def test_the_record_counts_requests_and_concurrency(client: Client) -> None:
    await client.fault("latency", seconds=0.05)
    await asyncio.gather(client.social(), client.social(), client.social(1))
    record = (await client.call("GET", "/_emulator/record")).json()
    assert record["requests"] == {"POST /analytics/social": 3}
    assert record["profiles"] == {"client-001": 2, "client-002": 1}
    assert record["max_in_flight"] == 3
    assert record["max_in_flight_by_profile"] == {"client-001": 2, "client-002": 1}
    await client.call("DELETE", "/_emulator/record")
    assert client.emulator.record.as_json()["requests"] == {}


async def test_control_shows_the_keys_that_ayrshare_hides(client: Client) -> None:
    shown = (await client.call("GET", "/_emulator/profiles?start=2&count=1")).json()
    assert shown["count"] == 12
    assert shown["profiles"][0]["profileKey"] == client.key(2)


async def test_control_is_reachable_at_the_root_too(client: Client) -> None:
    root = client.url.removesuffix("/api")
    async with client.session.get(f"{root}/_emulator/clock") as response:
        assert response.status == 200


async def test_ten_thousand_profiles_cost_nothing_until_they_call() -> None:
    app = make_app(make_config(profiles=10_000))
    last = profile_identity(9_999, seed=1, profiles=10_000)
    account = app[EMULATOR].accounts.by_key(last.profile_key)
    assert account is not None
    assert account.title == "client-10000"
    assert len(app[EMULATOR].accounts._by_key) == 1
