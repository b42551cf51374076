"""Looks at the images of pins before they are queued, and says what is wrong with them and what could not be known."""

from collections.abc import Sequence
from functools import partial

import click

from collector.models.pin import NewPin, PinContent
from collector.publish.media import Media, WhichMedia, findings, insist_on_media, open_media_check, to_look_at

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


async def media_problems(pins: Sequence[tuple[int, NewPin]], which: str) -> list[tuple[int, str]]:
    """Return the lines of pins whose images would be refused; what could not be known is printed."""
    if which == WhichMedia.NONE:
        return []
    urls = [url for _, pin in pins for url in to_look_at(pin.content, WhichMedia(which))]
    seen = await _look(urls, _TABLE_SECONDS)
    found = [(line, *findings(pin.content, seen)) for line, pin in pins]
    _say_unknown(list(dict.fromkeys(each for _, _, unknown in found for each in unknown)))
    return [(line, "; ".join(problems)) for line, problems, _ in found if problems]


async def look_first(content: PinContent, which: str) -> None:
    """Refuse a pin whose images would be refused; what could not be known is printed. Raises ``PinError``."""
    _say_unknown(await insist_on_media(content, WhichMedia(which), partial(_look, seconds=_ONE_SECONDS)))


async def _look(urls: Sequence[str], seconds: float) -> dict[str, Media]:
    async with open_media_check() as check:
        return await check.look(urls, seconds=seconds)


def _say_unknown(unknown: list[str]) -> None:
    for each in unknown[:_MOST_SAID]:
        click.echo(f"not checked: {each}", err=True)
    if len(unknown) > _MOST_SAID:
        click.echo(f"not checked: {len(unknown) - _MOST_SAID} more images", err=True)
