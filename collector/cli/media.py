"""Looks at the images of pins before they are queued, and says what is wrong with them and what could not be known."""

from collections.abc import Sequence

import click

from collector.errors import PinError
from collector.models.pin import NewPin, PinContent
from collector.publish.media import WhichMedia, findings, open_media_check, to_look_at

# One pin is waited for by somebody; a table may have thousands.
_ONE_SECONDS = 10.0
_TABLE_SECONDS = 60.0
_MOST_SAID = 10


check_media = click.option(
    "--check-media",
    "media",
    type=click.Choice([each.value for each in WhichMedia]),
    default=WhichMedia.CAROUSELS.value,
    show_default=True,
    help="Whose images are looked at first. A pin is refused that Pinterest would refuse for its images.",
)


async def media_problems(
    pins: Sequence[tuple[int, NewPin]], which: str, *, seconds: float = _TABLE_SECONDS
) -> list[tuple[int, str]]:
    """Return the lines of pins whose images would be refused; what could not be known is printed."""
    if which == WhichMedia.NONE:
        return []
    urls = [url for _, pin in pins for url in to_look_at(pin.content, WhichMedia(which))]
    async with open_media_check() as check:
        seen = await check.look(urls, seconds=seconds)
    found = [(line, *findings(pin.content, seen)) for line, pin in pins]
    _say_unknown(list(dict.fromkeys(each for _, _, unknown in found for each in unknown)))
    return [(line, "; ".join(problems)) for line, problems, _ in found if problems]


async def insist_on_media(content: PinContent, which: str) -> None:
    """Refuse a pin whose images would be refused. Raises ``PinError``."""
    pin = NewPin(profile="", client_ref="", content=content)
    for _, reason in await media_problems([(0, pin)], which, seconds=_ONE_SECONDS):
        raise PinError(f"{reason}; nothing was changed; --check-media none queues it all the same")


def _say_unknown(unknown: list[str]) -> None:
    for each in unknown[:_MOST_SAID]:
        click.echo(f"not checked: {each}", err=True)
    if len(unknown) > _MOST_SAID:
        click.echo(f"not checked: {len(unknown) - _MOST_SAID} more images", err=True)
