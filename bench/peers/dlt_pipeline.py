"""dlt: a resource that reads in parallel, merged into its table by `upsert`. Runs in the environment of dlt.txt."""

import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import dlt
from dlt.destinations import postgres
from dlt.extract import DltResource
from dlt.sources.helpers import requests

from bench.peers.days import BODY, COLUMNS, PATH, headers, rows
from bench.peers.protocol import Conversation, Job

_WORKERS = 16
# What dlt recommends for speed, and nothing that calls out.
_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__WORKERS": str(_WORKERS),
    "EXTRACT__MAX_PARALLEL_ITEMS": str(4 * _WORKERS),
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "RESTORE_FROM_DESTINATION": "false",
    "ENABLE_RUNTIME_TRACE": "false",
}


def daily_metric(job: Job) -> DltResource:
    """Return the resource: pages of one profile's days each."""
    session = requests.Client(max_connections=_WORKERS).session

    def profiles() -> Iterator[tuple[int, str]]:
        yield from enumerate(job.keys, 1)

    def days(profile: tuple[int, str]) -> list[dict[str, Any]]:
        number, key = profile
        answer = session.post(job.url + PATH, data=BODY, headers=headers(job.api_key, key))
        answer.raise_for_status()
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows(number, answer.json())]

    return dlt.transformer(
        dlt.defer(days),
        data_from=dlt.resource(profiles, name="profiles"),
        name="daily_metric",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        primary_key=("profile_id", "day"),
    )


def credentials(dsn: str) -> dict[str, Any]:
    """Return the parts of the address; dlt insists on a host and a password, the socket in the query overrules them."""
    url = urlsplit(dsn)
    return {
        "host": url.hostname or "localhost",
        "port": url.port or 5432,
        "username": url.username,
        "password": url.password or "none",
        "database": url.path.removeprefix("/"),
        "query": dict(parse_qsl(url.query)),
    }


def main() -> None:
    conversation = Conversation()
    job = conversation.job
    os.environ.update(_SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench_peers",
            pipelines_dir=folder,
            destination=postgres(credentials(job.dsn), create_indexes=False),
            dataset_name="dlt_pipeline",
        )
        while conversation.wants_pass():
            started = time.perf_counter()
            loaded = pipeline.run(daily_metric(job), loader_file_format="csv")
            seconds = time.perf_counter() - started
            loaded.raise_on_failed_jobs()
            conversation.report(seconds)


if __name__ == "__main__":
    main()
