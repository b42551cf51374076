"""Questions to others that somebody waits for: of a profile key, images, boards, a pin whose fate is unknown."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from collector.app.storage import key_ring
from collector.app.upstream import make_gate, open_ayrshare
from collector.app.workers import make_reconciler
from collector.config import Settings
from collector.models.history import HistoryCheck, UnknownPins
from collector.models.pin import Board
from collector.publish.media import Media, open_media_check
from collector.registry.trial import Standing, Trial, try_key
from collector.store.pool import Database
from collector.store.profile import ProfileStore

_TRIAL_SECONDS = 10.0
_MEDIA_SECONDS = 20.0


async def try_profile_key(settings: Settings, key: SecretStr) -> Trial:
    """Ask Ayrshare whether a profile key is valid."""
    if settings.ayrshare_api_key is None:
        return Trial(Standing.UNTRIED, "COLLECTOR_AYRSHARE_API_KEY is not set")
    hasty = settings.model_copy(update={"request_timeout": min(settings.request_timeout, _TRIAL_SECONDS)})
    async with open_ayrshare(hasty, make_gate(hasty)) as client:
        return await try_key(client, key)


async def look_at_media(urls: Sequence[str]) -> Mapping[str, Media]:
    """Look at images where they are."""
    async with open_media_check() as check:
        return await check.look(urls, seconds=_MEDIA_SECONDS)


async def boards_of(settings: Settings, database: Database, profile: str) -> list[Board]:
    """Ask Ayrshare for the boards of a profile's account. Raises ``ConfigurationError`` without an API key."""
    ciphertext = await ProfileStore(database).ciphertext_of(profile)
    async with open_ayrshare(settings, make_gate(settings)) as client:
        return await client.boards(key_ring(settings).decrypt(ciphertext))


async def check_pins(settings: Settings, database: Database, group: UnknownPins) -> HistoryCheck:
    """Look for a pin in Ayrshare's history. Raises ``ConfigurationError`` without an API key."""
    gate = make_gate(settings)
    async with open_ayrshare(settings, gate) as client:
        [found] = await make_reconciler(settings, database, client, gate).check(group)
    return found
