"""`meltanolabs-target-postgres` at the end of a pipe from the tap. Runs in the environment of singer.txt."""

import json
import logging
import subprocess
import sys
import time
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import URL
from target_postgres.target import TargetPostgres

from bench.peers.protocol import Conversation, Job, Usage


def settings(job: Job) -> dict[str, object]:
    """Return the target's fastest: COPY, one batch for all, and no second check of each record."""
    url = urlsplit(job.dsn)
    return {
        "sqlalchemy_url": URL.create(
            "postgresql+psycopg",
            username=url.username,
            password=url.password,
            host=url.hostname,
            port=url.port,
            database=url.path.removeprefix("/"),
            query=dict(parse_qsl(url.query)),
        ).render_as_string(hide_password=False),
        "default_target_schema": "singer_target",
        "use_copy": True,
        "batch_size_rows": 100_000,
        "validate_records": False,
        "add_record_metadata": False,
        "activate_version": False,
    }


def piped(job: Job) -> tuple[float, Usage]:
    """Run one sync, and return its seconds and what the tap used."""
    tap = subprocess.Popen(
        [sys.executable, "-m", "bench.peers.singer_tap"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert tap.stdin is not None
    assert tap.stdout is not None
    assert tap.stderr is not None
    with tap:
        tap.stdin.write(json.dumps(job._asdict()) + "\n")
        tap.stdin.flush()
        assert tap.stderr.readline() == "ready\n"
        started = time.perf_counter()
        tap.stdin.write("go\n")
        tap.stdin.flush()
        TargetPostgres(config=settings(job)).listen(tap.stdout)
        seconds = time.perf_counter() - started
        return seconds, Usage(*json.loads(tap.stderr.readline()))


def main() -> None:
    logging.disable()
    conversation = Conversation()
    while conversation.wants_pass():
        seconds, tap = piped(conversation.job)
        conversation.report(seconds, tap)


if __name__ == "__main__":
    main()
