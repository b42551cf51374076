"""What the console is given to ask others than the database."""

from collections.abc import Awaitable, Callable

import msgspec

from collector.models.pin import Board
from collector.publish.media import LookAtMedia
from collector.publish.operator import Check
from collector.report.pictures import PicturesOf


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that only the composition root can make; all raise ``CollectorError`` where they cannot be made.

    ``check_pins`` looks for pins in Ayrshare's history, ``look_at_media`` at images where they are, and ``boards_of``
    returns the boards of a profile's account. ``pictures_of`` has the pictures of a report's pins that can be had.
    """

    check_pins: Check
    look_at_media: LookAtMedia
    boards_of: Callable[[str], Awaitable[list[Board]]]
    pictures_of: PicturesOf
