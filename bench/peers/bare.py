"""The limit of reading: a loop that posts, reads the answer, and forgets it."""

import uvloop

from bench.bare import bare
from bench.peers.protocol import Conversation


async def main() -> None:
    conversation = Conversation()
    job = conversation.job
    while conversation.wants_pass():
        conversation.report(len(job.keys) / await bare(job.url, job.api_key, job.keys, job.concurrency))


if __name__ == "__main__":
    uvloop.run(main())
