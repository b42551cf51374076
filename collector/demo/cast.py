"""Names the demo's clients and profiles. Pure."""

import re
from collections.abc import Iterator
from itertools import count, islice
from typing import Final

import msgspec

_BRANDS: Final = {
    "Alder & Oak": ("oak tables", ("us", "uk", "de", "fr")),
    "Bergamot Tea": ("loose-leaf teas", ("us", "uk", "au")),
    "Cobalt Kitchens": ("kitchen fronts", ("us", "ca", "uk", "de", "nl")),
    "Dune Swimwear": ("one-pieces", ("us", "br", "es")),
    "Ember Candles": ("scented candles", ("us", "uk")),
    "Fable Nursery": ("nursery prints", ("us", "uk", "de", "fr", "se")),
    "Granite Outdoor": ("day packs", ("us", "ca")),
    "Hollis Paper": ("notebooks", ("us", "uk", "au")),
    "Indigo Yarns": ("merino yarns", ("us", "uk", "de", "dk")),
    "Juniper Home": ("linen throws", ("us", "ca", "uk", "fr")),
    "Kestrel Bikes": ("city bikes", ("us", "nl")),
    "Lumen Lighting": ("pendant lamps", ("us", "de", "it")),
    "Marlow Bakery": ("sourdough recipes", ("us", "uk")),
    "Nell's Garden": ("raised beds", ("us", "uk", "nl", "be")),
    "Orchard Ceramics": ("stoneware mugs", ("us", "pt", "es")),
    "Pine Street": ("reading chairs", ("us", "ca")),
    "Quill Stationery": ("letter sets", ("us", "uk", "jp")),
    "Rosewater Weddings": ("table settings", ("us", "uk", "in", "ae")),
}


class Member(msgspec.Struct, frozen=True):
    """A profile: its name, its client, the client's market, and what the client sells."""

    name: str
    client: str
    market: str
    goods: str


def cast(profiles: int) -> list[Member]:
    """Return so many profiles; after the last brand the first comes again, with a number."""
    return list(islice(_everybody(), profiles))


def _everybody() -> Iterator[Member]:
    for round_ in count(1):
        for brand, (goods, markets) in _BRANDS.items():
            client = brand if round_ == 1 else f"{brand} {round_}"
            slug = re.sub(r"[^a-z0-9]+", "-", client.lower().replace("'", ""))
            yield from (Member(f"{slug}-{market}", client, market, goods) for market in markets)
