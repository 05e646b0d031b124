"""Fetching an address that a stranger may have chosen, without reaching into the local network.

For each request, the host name is resolved once, and each IP address that comes back is checked. The connection goes to
exactly the IP address that was checked. So a name that is resolved differently a moment later (DNS rebinding) does no
harm. Redirects go through the same checks. Proxies from the environment are not used: they would resolve the name
again.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast
from urllib.parse import quote, urljoin, urlsplit

from sensorium import settings
from sensorium.errors import InputError
from sensorium.media.naming import display_name, size_in_words

if TYPE_CHECKING:
    from sensorium.media.limits import Limits

_CHUNK = 1 << 16
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STATUS_REASONS = {
    401: "the server asks for a password",
    403: "the server doesn't allow it",
    404: "the server has no such file",
    410: "the server has no such file any more",
    429: "the server has had too many requests",
}
_IN_ITS_PLACE = "Download the file another way and give its path"

_IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NEVER_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # shared by a provider's customers (CGNAT)
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "::/96",  # IPv4-compatible
        "64:ff9b:1::/48",  # NAT64 of a local network
        "2001::/23",  # Teredo and other protocol assignments
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)


@dataclass(frozen=True)
class _Target:
    address: str
    secure: bool
    host: str
    port: int
    path: str
    name: str


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet, and to no private, local or special network."""
    ip: _IPAddress = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if any(ip in network for network in _NEVER_PUBLIC):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local)


def fetch(address: str, *, limits: Limits) -> Generator[bytes, None, None]:
    """Fetch a file from an http or https address, piece by piece.

    Args:
        address: The address of the file, without user name and password.
        limits: Hosts, ports, size and times that are allowed.

    Yields:
        The file's bytes, in pieces of at most 64 KiB.

    Raises:
        InputError: The address isn't allowed or can't be reached; or the server refuses, is too slow, or sends a file
            that is too large or incomplete.
    """
    first = display_name(address)
    if settings.offline():
        raise InputError(
            f"{first} is not fetched: Sensorium is set to work offline",
            "Give a file, or unset SENSORIUM_OFFLINE and HF_HUB_OFFLINE",
        )
    deadline = time.monotonic() + limits.download_timeout
    target = _parse(address, limits)
    for _ in range(_MOST_REDIRECTS + 1):
        try:
            with _connect(target, limits, deadline) as connected:
                response = _request(connected, target)
                if response.status not in _REDIRECTS:
                    yield from _body(response, target, limits)
                    return
                target = _follow(response, target, limits)
        except TimeoutError:
            raise InputError(f"{target.name} answers too slowly", _IN_ITS_PLACE) from None
        except ssl.SSLCertVerificationError:
            raise InputError(
                f"{target.name} has no certificate that this machine trusts",
                "Check the address and this machine's clock",
            ) from None
        except (OSError, http.client.HTTPException, ValueError):
            raise InputError(f"{target.name} can't be reached or answers nonsense", _IN_ITS_PLACE) from None
    raise InputError(f"{first} redirects more than {_MOST_REDIRECTS} times", "Give the address of the file itself")


def _parse(address: str, limits: Limits) -> _Target:
    name = display_name(address)
    refused = InputError(f"{name} is not a complete http or https address", "Write it like https://example.org/cat.jpg")
    if re.search(r"[\x00-\x20\x7f\\]", address):
        raise refused
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:
        raise refused from None
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[a-z0-9_.:%-]+", host):
        raise refused
    if parts.username is not None:
        raise InputError(f"{name} carries a user name", "Give an address without one")
    secure = parts.scheme == "https"
    port = port or (443 if secure else 80)
    if port not in limits.allowed_ports:
        raise InputError(f"{name} is not fetched: port {port} is not allowed", _IN_ITS_PLACE)
    if limits.allowed_hosts is not None and not any(_matches(host, allowed) for allowed in limits.allowed_hosts):
        raise InputError(f"{name} is not fetched: its host is not among those allowed", _IN_ITS_PLACE)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return _Target(address, secure, host, port, f"{path}?{query}" if query else path, name)


def _matches(host: str, allowed: str) -> bool:
    allowed = allowed.lower()
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _connect(target: _Target, limits: Limits, deadline: float) -> _TimedSocket:
    """Connect to a checked IP address; if the host has several, try one after the other."""
    failure: OSError | None = None
    for family, socket_address in _checked_addresses(target, limits):
        timed = _TimedSocket(socket.socket(family, socket.SOCK_STREAM), limits.connect_timeout, deadline)
        try:
            timed.connect(socket_address, target)
            return timed
        except OSError as error:
            timed.hang_up()
            failure = error
    assert failure is not None
    raise failure


def _checked_addresses(target: _Target, limits: Limits) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(f"The host of {target.name} is not known", "Check the address and the network") from None
    allowed: list[tuple[int, Any]] = [
        (family, socket_address)
        for family, _, _, _, socket_address in found
        if family in (socket.AF_INET, socket.AF_INET6) and (limits.allow_private or is_public(str(socket_address[0])))
    ]
    if not allowed:
        raise InputError(
            f"{target.name} is not fetched: its host is inside a private network or this machine itself",
            "Give a public address, or the file itself",
        )
    return allowed


def _request(connected: _TimedSocket, target: _Target) -> http.client.HTTPResponse:
    kind = http.client.HTTPSConnection if target.secure else http.client.HTTPConnection
    connection = kind(target.host, target.port)
    connection.sock = cast(socket.socket, connected)
    headers = {"User-Agent": "sensorium", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
    connection.request("GET", target.path, headers=headers)
    return connection.getresponse()


def _follow(response: http.client.HTTPResponse, target: _Target, limits: Limits) -> _Target:
    # Servers send letters outside ASCII as UTF-8, but http.client decodes headers as Latin-1.
    location = response.headers.get("Location", "").encode("latin-1", "replace").decode("utf-8", "replace")
    following = _parse(urljoin(target.address, location.strip().replace(" ", "%20")), limits)
    if target.secure and not following.secure:
        raise InputError(
            f"{target.name} redirects to an address without encryption", "Give the address of the file itself"
        )
    return following


def _body(response: http.client.HTTPResponse, target: _Target, limits: Limits) -> Iterator[bytes]:
    if response.status != 200:
        reason = _STATUS_REASONS.get(
            response.status, "the server failed" if response.status >= 500 else "the server refused"
        )
        raise InputError(f"{target.name} can't be fetched: {reason} (status {response.status})", "Check the address")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InputError(f"{target.name} is sent in compressed form, though that was not asked for", _IN_ITS_PLACE)
    promised = response.length
    if promised is not None and promised > limits.max_download_bytes:
        allowed = size_in_words(limits.max_download_bytes)
        raise InputError(
            f"{target.name} has {size_in_words(promised)}, more than the {allowed} allowed",
            "Give a smaller file or raise the limit",
        )
    received = 0
    while chunk := response.read(_CHUNK):
        received += len(chunk)
        yield chunk
    if promised is not None and received < promised:
        raise InputError(f"{target.name} ended early: {received} of {promised} bytes arrived", "Try again")


class _TimedSocket:
    """The socket methods that `http.client` calls, with a limit for each wait and a deadline for the whole download."""

    def __init__(self, plain: socket.socket, patience: float, deadline: float) -> None:
        self._socket = plain
        self._patience = patience
        self._deadline = deadline

    def connect(self, socket_address: Any, target: _Target) -> None:
        self._wait()
        self._socket.connect(socket_address)
        if target.secure:
            self._wait()
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=target.host)

    def sendall(self, data: bytes) -> None:
        self._wait()
        self._socket.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        self._wait()
        return self._socket.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Do nothing: `http.client` calls this after the head of the answer, when the body is still to be read."""

    def hang_up(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def _wait(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, self._patience))


class _Reader(io.RawIOBase):
    def __init__(self, timed: _TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.recv_into(buffer)
