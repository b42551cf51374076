"""Writes a picture to a file: checks first that it can be drawn and written; leaves a whole file or none."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path

from collector.detect.panel import Panels
from collector.errors import ConfigurationError
from collector.whole_file import whole_file

_KINDS = ("png", "svg", "pdf")
Draw = Callable[[Panels, str, date | None], None]


@contextmanager
def picture_file(path: Path) -> Iterator[Draw]:
    """Yield a function that draws a replay; the picture is at ``path`` once the block has ended well.

    Raises:
        ConfigurationError: matplotlib is not installed, or ``path`` cannot be written.
        CollectorError: writing failed.

    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _KINDS:
        raise ConfigurationError([f"--plot: {path} does not end in .png, .svg or .pdf"])
    # It logs that it builds a cache of fonts, or cannot keep one, which is of no use to whoever wants a picture.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        from collector.cli.picture import draw  # noqa: PLC0415 -- matplotlib is optional, and slow to import
    except ImportError as error:
        raise ConfigurationError(
            [f"--plot needs matplotlib: pip install 'pinterest-collector[plot]' ({error})"]
        ) from error
    with whole_file(path, "--plot") as file:
        yield partial(draw, file, kind)
