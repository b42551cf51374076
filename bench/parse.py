"""The parser: microseconds for an answer of 30 days, plain, with video metrics, and with oddities."""

import json
import statistics
import time
from datetime import date, timedelta

from collector.ayrshare.analytics import parse_account_analytics
from collector.models.analytics import AccountAnalytics

FIRST = date(2026, 9, 1)
TODAY = FIRST + timedelta(30)
ROUNDS = 1000
NINE: dict[str, object] = {
    "IMPRESSION": 1368,
    "ENGAGEMENT": 65,
    "ENGAGEMENT_RATE": 0.04751461988304093,
    "SAVE": 6,
    "SAVE_RATE": 0.0043859649122807015,
    "PIN_CLICK": 58,
    "PIN_CLICK_RATE": 0.04239766081871345,
    "OUTBOUND_CLICK": 1,
    "OUTBOUND_CLICK_RATE": 0.0007309941520467836,
}
VIDEO: dict[str, object] = {
    "VIDEO_START": 652,
    "VIDEO_MRC_VIEW": 422,
    "VIDEO_10S_VIEW": 0,
    "QUARTILE_95_PERCENT_VIEW": 180,
    "VIDEO_V50_WATCH_TIME": 3462385,
    "VIDEO_AVG_WATCH_TIME": 5310.4064417177915,
}
ODD: dict[str, object] = {"SAVE": "17", "PIN_CLICK": -1, "SAVE_RATE": None, "COLOUR": "red", "FRESH": 10**20}


def answer(metrics: dict[str, object]) -> bytes:
    days = [
        {"date": (FIRST + timedelta(number)).isoformat(), "dataStatus": "READY", "metrics": metrics}
        for number in range(30)
    ]
    window = {(words := name.title().replace("_", ""))[0].lower() + words[1:]: value for name, value in metrics.items()}
    stamps = {"lastUpdated": "2026-09-30T10:00:00.000Z", "nextUpdate": "2026-09-30T11:00:00.000Z"}
    return json.dumps(
        {"pinterest": {"analytics": {**window, "daily": days}, **stamps}, "status": "success"}, separators=(",", ":")
    ).encode()


def microseconds(body: bytes, known: int | None = None) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        parse_account_analytics(body, today=TODAY, known=known)
        times.append(time.perf_counter() - started)
    return 1e6 * statistics.median(times)


def main() -> None:
    for name, metrics in (("plain", NINE), ("with video", NINE | VIDEO), ("with oddities", NINE | ODD)):
        body = answer(metrics)
        read = parse_account_analytics(body, today=TODAY)
        assert isinstance(read, AccountAnalytics)
        assert len(read.days) == 30
        fresh, known = microseconds(body), microseconds(body, read.digest)
        print(f"{name}: {len(body) / 1000:.1f} kB, {fresh:.0f} us; seen before {known:.0f} us")


if __name__ == "__main__":
    main()
