"""Renders the open drops: a line each, with the sentence that explains it as a label."""

from collections.abc import Iterable

from collector.fleet.page import Part, escaped
from collector.store.drop_list import ListedDrop
from collector.store.fleet_drop import FleetDrop

_INFO = (
    "# HELP pinterest_engagement_drop_info 1 for each open drop of a client; the sentence says what came.\n"
    "# TYPE pinterest_engagement_drop_info gauge\n"
)
_FLEET = (
    "# HELP pinterest_fleet_drop 1 while the whole fleet is in a drop.\n"
    "# TYPE pinterest_fleet_drop gauge\n"
    "pinterest_fleet_drop {}\n"
    "# HELP pinterest_fleet_drop_info 1 for an open drop of the fleet; the sentence says how large.\n"
    "# TYPE pinterest_fleet_drop_info gauge\n"
)


def render_drops(drops: Iterable[ListedDrop], fleet: Iterable[FleetDrop], part: Part) -> bytes:
    """Return the lines of a part's drops that are told; clients' drops that are the fleet's are left to the fleet's."""
    lines = [_INFO]
    for drop in drops:
        if drop.told and part.has(drop.profile_id, drop.client):
            labels = {"client": drop.client, "profile": drop.profile, "metric": drop.metric, "sentence": drop.sentence}
            text = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
            lines.append(f"pinterest_engagement_drop_info{{{text}}} 1\n")
    if part.tells_of_the_fleet:
        open_ = [drop for drop in fleet if drop.open]
        lines.append(_FLEET.format(int(bool(open_))))
        lines += [f'pinterest_fleet_drop_info{{sentence="{escaped(drop.sentence)}"}} 1\n' for drop in open_]
    return "".join(lines).encode()
