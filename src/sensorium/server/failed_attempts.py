"""Guessing keys: whoever shows wrong ones waits longer each time, and nobody else does."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 4.0
_FORGOTTEN_SECONDS = 300.0
_REMEMBERED = 4096
_MOST_WAITING = 256


class FailedAttempts:
    """How often wrong keys came from where; bounded, and forgotten after five minutes."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return len(self._last)

    async def slow_down(self, address: str) -> None:
        """Wait because a wrong key came from an address: a tenth of a second at first, up to four seconds later."""
        seconds = self.note(address)
        if self._waiting >= _MOST_WAITING:
            return  # who sends hundreds of attempts at once learns nothing sooner, but mustn't fill the memory either
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

    def note(self, address: str) -> float:
        """Note an attempt; return how long it has to wait, in seconds."""
        now = asyncio.get_running_loop().time()
        network = _network(address)
        count, before = self._last.pop(network, (0, now))
        count = 1 if now - before > _FORGOTTEN_SECONDS else count + 1
        self._last[network] = (count, now)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return float(min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(count - 1, 16)))


def _network(address: str) -> str:
    """Return what one client has: an IPv4 address, or the 64 bits of an IPv6 network."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    return str(known.ipv4_mapped or ipaddress.ip_network((known, 64), strict=False))
