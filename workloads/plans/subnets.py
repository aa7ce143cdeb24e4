"""Which address range a network gets: small ones, since Docker by itself gives out only thirty, and large. Pure."""

import hashlib
import ipaddress
from collections.abc import Iterator
from typing import Final

# RFC 6598's shared range. The host has no address on these networks, so they take none from what it knows.
MADE_BY_CONTROLLERS: Final = ipaddress.IPv4Network("100.64.0.0/11")
MADE_BY_PULUMI: Final = ipaddress.IPv4Network("100.96.0.0/11")
PREFIX: Final = 26
TRIES: Final = 64


def candidates(name: str, within: ipaddress.IPv4Network) -> Iterator[str]:
    """Subnets to try for a network of this name, the same ones each time."""
    count = 2 ** (PREFIX - within.prefixlen)
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % count
    for step in range(TRIES):
        offset = (start + step) % count * 2 ** (32 - PREFIX)
        yield f"{within.network_address + offset}/{PREFIX}"
