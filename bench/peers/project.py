"""This project: one pass of its poller over all profiles, claimed, read, stored and logged as the daemon does."""

import uvloop

from bench.peers.protocol import Conversation
from bench.polls import polled
from collector.store.pool import open_database


async def main() -> None:
    conversation = Conversation()
    job = conversation.job
    async with open_database(job.dsn) as database:
        while conversation.wants_pass():
            conversation.report(len(job.keys) / await polled(job.url, database, job.concurrency))


if __name__ == "__main__":
    uvloop.run(main())
