"""What ``make soak`` calls level, and what it does not."""

from typing import Any

import msgspec
import pytest

from tests.chaos.soak import Sample, problems

LEVEL = [
    Sample(seconds=float(place), resident_mib=110.0, descriptors=34, connections=13, threads=7, lag_seconds=1.0)
    for place in range(30)
]


def _with(samples: list[Sample], **changes: Any) -> list[Sample]:
    return [msgspec.structs.replace(each, **changes) for each in samples]


def test_a_daemon_that_only_warms_up_is_level() -> None:
    assert problems(_with(LEVEL[:10], resident_mib=80.0, descriptors=20, lag_seconds=90.0) + LEVEL[10:]) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resident_mib": 117.0}, "memory grew from 110 to 117 MiB"),
        ({"descriptors": 60}, "descriptors grew from 34 to 60"),
        ({"connections": 22}, "connections grew from 13 to 22"),
        ({"threads": 20}, "threads grew from 7 to 20"),
        ({"lag_seconds": 61.0}, "a profile was polled 61 s late"),
    ],
)
def test_what_grows_in_the_last_third_is_named(changes: dict[str, float], words: str) -> None:
    assert problems(LEVEL[:20] + _with(LEVEL[20:], **changes)) == [words]
