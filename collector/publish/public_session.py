"""Asks addresses that somebody else wrote down: nothing but the public internet, whatever a name resolves to.

Else a table of pins could have this machine call its neighbours.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiohttp

# All that is handed out of version 6. Outside of it there are more ways to a neighbour than Python knows of.
_HANDED_OUT: Final = ipaddress.ip_network("2000::/3")
# NAT64: the address of version 4 is in the last four bytes.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class PrivateAddressError(OSError):
    """An address was not asked, since it is no public one."""


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, also where it carries another one in it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is not None:
            return is_public(inner)
        if address not in _HANDED_OUT:
            return False
    return address.is_global and not address.is_multicast


def public_session(
    *,
    at_once: int,
    at_once_of_a_host: int,
    seconds: float,
    allowed: Callable[[Address], bool],
    tls: ssl.SSLContext | None,
) -> aiohttp.ClientSession:
    """Return a session that connects to ``allowed`` addresses only and takes bodies as they are sent.

    ``seconds`` is for how long a request may take. The caller closes it.
    """

    def make_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, peer = info
        if not allowed(ipaddress.ip_address(peer[0].partition("%")[0])):
            raise PrivateAddressError(f"{peer[0]} is no public address, so it is not asked")
        return socket.socket(family, kind, protocol)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=at_once, limit_per_host=at_once_of_a_host, ssl=tls or True, socket_factory=make_socket
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=seconds),
        auto_decompress=False,
    )
