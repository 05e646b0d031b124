"""What a server may be called: a page whose own name was made to point to it mustn't be let in."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from sensorium.server.options import ServerOptions

_EVERYWHERE = ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    """Return whether a host, without its port, is this machine seen from itself."""
    if host.lower().rstrip(".") == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


class Hosts:
    """The names under which a server may be asked.

    Args:
        options: Say where it listens, and what else it is called.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._names = {_plain(name) for name in (options.host, *options.hosts)}
        self._everywhere = options.host.strip("[]") in _EVERYWHERE

    def __contains__(self, header: str) -> bool:
        """Return whether a ``Host`` header names this server, with or without a port."""
        host = _plain(_name_in(header))
        if not host:
            return False
        if is_loopback(host) or host in self._names:
            return True
        if self._everywhere and _address(host) is not None:
            return True  # an address is no name that anybody could point to another machine
        return any(name.startswith("*.") and host.endswith(name[1:]) for name in self._names)


def _plain(host: str) -> str:
    return host.strip("[]").lower().rstrip(".")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _name_in(header: str) -> str:
    try:
        parts = urlsplit(f"//{header}")
        return "" if "@" in header or parts.path or parts.query or parts.fragment else parts.hostname or ""
    except ValueError:
        return ""
