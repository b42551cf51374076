"""Reads a workbook that somebody sent, in a process of its own that gets little memory and time.

One of a kilobyte can ask for gigabytes: by a cell in the last row of the last column, or by what it unpacks to.
"""

import asyncio
import os
import resource
import sys
from typing import Final

import msgspec

from collector.errors import BadLinesError
from collector.table.sheet import Sheet, read_sheet

_SECONDS: Final = 20
_BYTES: Final = 1 << 30
# A text of a workbook is stored once for all of its cells, so five megabytes can be hundreds here.
_LARGEST_ANSWER_BYTES: Final = 30_000_000
_TOO_MUCH = "the workbook takes too much memory or time to be read; save it as `CSV UTF-8`"


class _Answer(msgspec.Struct, frozen=True):
    sheet: Sheet | None
    wrong: list[tuple[int, str]]


async def read_apart(workbook: bytes) -> Sheet:
    """Return the first sheet. Raises ``BadLinesError`` for what is no workbook, or one that takes too much."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # None of this process's secrets.
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await process.communicate(workbook)
    except TimeoutError:
        output = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not output:
        raise BadLinesError([(1, _TOO_MUCH)])
    answer = msgspec.json.decode(output, type=_Answer)
    if answer.sheet is None:
        raise BadLinesError(answer.wrong)
    return answer.sheet


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = _Answer(read_sheet(sys.stdin.buffer.read(), (), 0), [])
    except BadLinesError as error:
        answer = _Answer(None, error.lines)
    output = msgspec.json.encode(answer)
    if len(output) > _LARGEST_ANSWER_BYTES:
        output = msgspec.json.encode(_Answer(None, [(1, _TOO_MUCH)]))
    sys.stdout.buffer.write(output)


if __name__ == "__main__":
    _main()
