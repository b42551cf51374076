"""`python -m collector.emulator`: prints the base URL as its first line, and serves until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from collector.emulator.app import serve
from collector.emulator.config import EmulatorConfig


async def serve_until_signalled(config: EmulatorConfig, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve an emulator, print its base URL, and return after SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with serve(config, host, port) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await ended.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    config = EmulatorConfig(
        profiles=options.profiles,
        seed=options.seed,
        days=options.days,
        include_today=options.include_today,
        cache_seconds=options.cache_seconds,
        api_key=options.api_key,
        rate_limit=options.rate_limit,
    )
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve_until_signalled(config, options.host, options.port))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.Loop


def _parser() -> argparse.ArgumentParser:
    usual = EmulatorConfig()
    parser = argparse.ArgumentParser(prog="python -m collector.emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 finds a free one")
    parser.add_argument("--profiles", type=int, default=usual.profiles)
    parser.add_argument("--days", type=int, default=usual.days, help="length of the analytics window")
    parser.add_argument("--include-today", action="store_true", help="end the window today instead of yesterday")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--cache-seconds", type=float, default=usual.cache_seconds, help="lastUpdated to nextUpdate")
    parser.add_argument("--api-key", default=usual.api_key)
    parser.add_argument("--rate-limit", type=int, default=usual.rate_limit, help="a profile's requests in 5 minutes")
    return parser


if __name__ == "__main__":
    main()
