"""The Singer tap: reads with sixteen threads, and writes the days as RECORD messages.

It runs in the environment of singer.txt. It waits for a line before it starts, so that its imports do not count as
polling, and ends by writing what it used to standard error.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from bench.peers.days import BODY, COLUMNS, METRICS, PATH, headers, rows
from bench.peers.protocol import Job, usage

_WORKERS = 16
_STREAM = "daily_metric"
_SCHEMA = {
    "type": "SCHEMA",
    "stream": _STREAM,
    "key_properties": ["profile_id", "day"],
    "schema": {
        "type": "object",
        "properties": {
            "profile_id": {"type": "integer"},
            "day": {"type": "string", "format": "date"},
            **{name: {"type": ["number" if name.endswith("_rate") else "integer", "null"]} for name in METRICS},
        },
    },
}


def main() -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=_WORKERS))

    def days(profile: tuple[int, str]) -> list[tuple[Any, ...]]:
        number, key = profile
        answer = session.post(job.url + PATH, data=BODY, headers=headers(job.api_key, key))
        answer.raise_for_status()
        return list(rows(number, answer.json()))

    print("ready", file=sys.stderr, flush=True)
    sys.stdin.readline()
    print(json.dumps(_SCHEMA))
    before = usage()
    with ThreadPoolExecutor(_WORKERS) as threads:
        for found in threads.map(days, enumerate(job.keys, 1)):
            for row in found:
                record = dict(zip(COLUMNS, row, strict=True))
                print(json.dumps({"type": "RECORD", "stream": _STREAM, "record": record}, default=str))
    sys.stdout.flush()
    after = usage()
    print(json.dumps([after.cpu_seconds - before.cpu_seconds, after.peak_bytes]), file=sys.stderr)


if __name__ == "__main__":
    main()
