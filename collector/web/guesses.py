"""Bounds how often an address may guess at tokens. Pure but for the clock that it is given."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

MOST_FAILURES = 20
PERIOD_SECONDS = 60.0
# More would be an attack from so many places that counting them by address is of no use.
_MOST_ADDRESSES = 10_000


class Guesses:
    """Failures by address, which are forgotten after `PERIOD_SECONDS`; ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def seconds_to_wait(self, address: str) -> float:
        """Return for how long nothing more from this address is looked at; 0 where it may go on."""
        since, count = self._failures.get(_network(address), (0.0, 0))
        if count < MOST_FAILURES:
            return 0.0
        return max(0.0, since + PERIOD_SECONDS - self._clock())

    def failed(self, address: str) -> None:
        key, now = _network(address), self._clock()
        since, count = self._failures.pop(key, (now, 0))
        self._failures[key] = (since, count + 1) if now < since + PERIOD_SECONDS else (now, 1)
        if len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)


def _network(address: str) -> str:
    """Return what one client cannot change at will: of IPv6, the first half."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or int(parsed) >> 64)
    return str(parsed)
