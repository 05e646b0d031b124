"""Fetching addresses: from a real local server, and all the ways in which a stranger's address could do harm."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sensorium.errors import CancelledError, InputError
from sensorium.media import fetch as fetching
from sensorium.media.fetch import is_public
from sensorium.media.image import read_image
from sensorium.media.limits import Limits
from sensorium.media.source import resolve
from tests import real_media

_CERTIFICATE = Path(__file__).with_name("pictures.example.pem")


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path that was asked for."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
        data = real_media.photo("coffee").read_bytes()
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            self._answer(302, location=self.path.removeprefix("/to/"))
        elif path.startswith("/count/"):
            left = int(path.removeprefix("/count/"))
            self._answer(307, location=f"/count/{left - 1}") if left else self._answer(200, data)
        elif path == "/utf-8":
            self._answer(301, location="/Kätzchen und Hund.png".encode().decode("latin-1"))
        elif path.startswith("/status/"):
            self._answer(int(path.removeprefix("/status/")), b"nothing here")
        elif path == "/page.jpg":
            self._answer(200, b"<!DOCTYPE html><p>Please sign in", kind="image/jpeg")
        elif path == "/gzip":
            self._answer(200, data, encoding="gzip")
        elif path == "/empty":
            self._answer(200, b"")
        elif path == "/short":
            self._answer(200, data, length=len(data) + 1)
        elif path == "/claims-too-much":
            self._answer(200, data, length=1 << 40)
        elif path == "/endless":
            self._answer(200, length=None)
            while True:
                self.wfile.write(bytes(1 << 16))
        elif path == "/slow-body":
            self._answer(200, length=1000)
            self._drip(bytes(1000))
        elif path == "/slow-head":
            self._drip(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 90)
        elif path == "/silent":
            self.server.stop.wait(20)  # type: ignore[attr-defined]
        elif path == "/nonsense":
            self.wfile.write(b"\0\1\2 this is no HTTP\r\n\r\n")
        elif path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for place in range(0, len(data), 50_000):
                part = data[place : place + 50_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif path == "/chunked-short":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ffff\r\n" + data[:100])
        else:
            self._answer(200, data)

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        *,
        location: str = "",
        kind: str = "image/png",
        encoding: str = "",
        length: int | None = -1,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in (("Location", location), ("Content-Encoding", encoding)):
            if value:
                self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.stop.wait(0.05):  # type: ignore[attr-defined]
                return


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.stop = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what half of these tests are about."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.stop.set()
        running.shutdown()


@pytest.fixture
def limits(server: _Server) -> Limits:
    """What lets the local server through, and nothing else."""
    return Limits(allow_private=True, allowed_ports=frozenset({server.port}), connect_timeout=2, download_timeout=5)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Host names and the addresses that they stand for, one after the other at each look-up; the last one stays."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: str, port: int, **options: Any) -> Any:
        answers = known.get(host)
        if answers is None:
            return real(host, port, **options)
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for part in address.split() for entry in real(part, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def _refusal(address: str, limits: Limits | None = None, within: float = 3.0) -> str:
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        resolve(address, limits=limits or Limits())
    assert time.monotonic() - started < within
    assert caught.value.remedy
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert str(caught.value).isprintable()
    return str(caught.value)


# What is let in


def test_a_picture_is_fetched(server: _Server, limits: Limits) -> None:
    media = resolve(f"http://127.0.0.1:{server.port}/a%20b.png?x=1&y=ä", limits=limits)
    assert media.data == real_media.photo("coffee").read_bytes()
    assert media.kind == "image"
    assert media.name == f"http://127.0.0.1:{server.port}/a%20b.png?…"
    [(path, headers)] = server.seen
    assert path == "/a%20b.png?x=1&y=%C3%A4"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers
    assert "Authorization" not in headers
    assert read_image(f"HTTP://127.0.0.1:{server.port}/a.png", limits=limits).size == (600, 400)


@pytest.mark.parametrize("path", ["chunked", "to//a.png", "to/../a.png", "count/5", "utf-8"])
def test_chunks_and_redirects(server: _Server, limits: Limits, path: str) -> None:
    media = resolve(f"http://localhost:{server.port}/{path}", limits=limits)
    assert media.read() == real_media.photo("coffee").read_bytes()


def test_a_large_film_goes_to_disk_and_can_be_cancelled(server: _Server, limits: Limits) -> None:
    cancel = threading.Event()
    seen: list[float] = []

    def watch(progress: Any) -> None:
        seen.append(progress.done)
        if progress.done > 40 << 20:
            cancel.set()

    with pytest.raises(CancelledError):
        resolve(f"http://127.0.0.1:{server.port}/endless", limits=limits, progress=watch, cancel=cancel)
    assert 40 << 20 < seen[-1] < 44 << 20


def test_the_host_name_is_what_the_server_and_its_certificate_are_asked_for(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to the checked address, but name and certificate are those of the host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    names["pictures.example"] = names["other.example"] = ["127.0.0.1"]
    with _Server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        limits = Limits(allow_private=True, allowed_ports=frozenset({server.port}), connect_timeout=2)
        address = f"https://pictures.example:{server.port}/a.png"
        assert "certificate" in _refusal(address, limits)
        monkeypatch.setenv("SSL_CERT_FILE", str(_CERTIFICATE))
        assert resolve(address, limits=limits).kind == "image"
        assert asked == ["pictures.example"] * 2
        assert server.seen[-1][1]["Host"] == f"pictures.example:{server.port}"
        assert "certificate" in _refusal(f"https://other.example:{server.port}/a.png", limits)
        assert "without encryption" in _refusal(
            f"https://pictures.example:{server.port}/to/http://pictures.example:{server.port}/a.png", limits
        )
        server.shutdown()


# Where it may not go


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
        "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str, names: dict[str, list[str]]) -> None:
    assert not is_public(address)
    names["somewhere.example"] = [address.partition("%")[0]]
    assert "private network or this machine" in _refusal("http://somewhere.example/a.png")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1111"]
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "0",
    ],
)
def test_other_spellings_of_this_machine(host: str) -> None:
    assert "private network or this machine" in _refusal(f"http://{host}/latest/meta-data")


def test_no_connection_is_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(fetching._TimedSocket, "connect", connect)
    _refusal("http://127.0.0.1/a.png")
    _refusal("http://192.168.0.1/a.png")


def test_a_name_that_changes_its_meaning(server: _Server, names: dict[str, list[str]]) -> None:
    """DNS rebinding: public when it is checked, this machine when it is connected to, if one asked twice."""
    names["rebinding.example"] = ["192.0.2.200", "127.0.0.1"]
    public: Callable[[str], bool] = lambda address: address == "192.0.2.200" or is_public(address)  # noqa: E731
    connected: list[Any] = []
    limits = Limits(allowed_ports=frozenset({server.port}), connect_timeout=0.3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fetching, "is_public", public)
        patched.setattr(
            fetching._TimedSocket,
            "connect",
            lambda self, address, target: connected.append(address) or _raise(OSError()),
        )
        assert "can't be reached" in _refusal(f"http://rebinding.example:{server.port}/a.png", limits)
    assert connected == [("192.0.2.200", server.port)]
    assert not server.seen


def _raise(error: BaseException) -> None:
    raise error


def test_a_host_with_a_public_and_a_private_address_gets_the_public_one(
    server: _Server, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names["both.example"] = ["10.0.0.1 127.0.0.1 8.8.8.8"]
    connected: list[Any] = []
    monkeypatch.setattr(
        fetching._TimedSocket, "connect", lambda self, address, target: connected.append(address) or _raise(OSError())
    )
    _refusal("http://both.example/a.png")
    assert connected == [("8.8.8.8", 80)]


def test_a_redirect_into_the_local_network(
    server: _Server, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first host passes for public; where it sends us to is checked all the same."""
    names["public.example"] = ["127.0.0.1"]
    names["inside.example"] = ["127.0.0.2"]
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    limits = Limits(allowed_ports=frozenset({server.port}), connect_timeout=2)
    start = f"http://public.example:{server.port}"
    assert resolve(f"{start}/a.png", limits=limits).kind == "image"
    for inside in (
        f"http://inside.example:{server.port}/a.png",
        f"//127.0.0.2:{server.port}/a.png",
    ):
        assert "private network" in _refusal(f"{start}/to/{inside}", limits)
    assert "port 80 is not allowed" in _refusal(f"{start}/to/http://127.0.0.2/", limits)
    assert [path for path, _ in server.seen if not path.startswith("/to/")] == ["/a.png"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/", "gopher://x/", "data:,x"])
def test_a_redirect_to_something_else(server: _Server, limits: Limits, target: str) -> None:
    assert "not a complete http or https address" in _refusal(f"http://127.0.0.1:{server.port}/to/{target}", limits)


def test_too_many_redirects(server: _Server, limits: Limits) -> None:
    assert "more than 5 times" in _refusal(f"http://127.0.0.1:{server.port}/count/6", limits)
    assert len(server.seen) == 6


def test_ports_hosts_and_user_names(server: _Server, names: dict[str, list[str]]) -> None:
    assert "port 22 is not allowed" in _refusal("http://example.org:22/")
    assert "port 6379 is not allowed" in _refusal("https://example.org:6379/")
    assert "user name" in _refusal("http://me:secret@example.org/")
    assert "secret" not in _refusal("http://me:secret@example.org/")
    some = Limits(allowed_hosts=frozenset({"pictures.example", "*.photos.example"}))
    names.update({name: ["127.0.0.1"] for name in ("pictures.example", "a.photos.example")})
    for host in (
        "example.org",
        "evil-pictures.example",
        "photos.example.evil.org",
        "photos.example",
        "xphotos.example",
    ):
        assert "not among those allowed" in _refusal(f"http://{host}/", some)
    for host in ("pictures.example", "PICTURES.example", "a.photos.example"):
        assert "private network" in _refusal(f"http://{host}/", some)


@pytest.mark.parametrize(
    "address",
    [
        "http://", "http:///a.png", "http://a b/", "http://a\nb/", "http://a\r\nHost: b/", "http://a\\@b/", "http://[::1",
        "http://a:b/", "http://a:99999/", "http://" + "a" * 300 + "/", "http://a/\x00", "http://exa$mple/", "http://ex..ample/",
    ],
)  # fmt: skip
def test_addresses_that_are_none(address: str) -> None:
    sentence = _refusal(address, within=15)
    assert "not a complete http or https address" in sentence or "is not known" in sentence


def test_a_host_that_does_not_exist() -> None:
    assert "not known" in _refusal("http://does-not-exist.invalid/a.png", within=15)


def test_nobody_listens(limits: Limits) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert "can't be reached" in _refusal(
        f"http://127.0.0.1:{port}/", Limits(allow_private=True, allowed_ports=frozenset({port}))
    )


@pytest.mark.parametrize("name", ["SENSORIUM_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_means_no_request_at_all(
    server: _Server, limits: Limits, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert "offline" in _refusal(f"http://127.0.0.1:{server.port}/a.png", limits)
    assert not server.seen


def test_proxies_of_the_environment_are_not_asked(
    server: _Server, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert resolve(f"http://127.0.0.1:{server.port}/a.png", limits=limits).kind == "image"


# What servers send


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("status/404", "no such file"),
        ("status/403", "doesn't allow it"),
        ("status/401", "asks for a password"),
        ("status/418", "refused (status 418)"),
        ("status/503", "failed (status 503)"),
        ("status/204", "refused (status 204)"),
        ("empty", "is empty"),
        ("gzip", "compressed form"),
        ("short", "ended early"),
        ("chunked-short", "can't be reached or answers nonsense"),
        ("nonsense", "can't be reached or answers nonsense"),
        ("claims-too-much", "1.1 TB"),
    ],
)
def test_answers_that_are_no_file(server: _Server, limits: Limits, path: str, said: str) -> None:
    assert said in _refusal(f"http://127.0.0.1:{server.port}/{path}", limits)


def test_a_page_in_place_of_a_picture(server: _Server, limits: Limits) -> None:
    with pytest.raises(InputError, match=r"page\.jpg is not a picture that can be read: it is a web page"):
        read_image(f"http://127.0.0.1:{server.port}/page.jpg", limits=limits)


def test_a_body_without_an_end(server: _Server) -> None:
    limits = Limits(allow_private=True, allowed_ports=frozenset({server.port}), max_download_bytes=3_000_000)
    assert "larger than the 3 MB allowed" in _refusal(f"http://127.0.0.1:{server.port}/endless", limits)


@pytest.mark.parametrize("path", ["slow-body", "slow-head", "silent"])
def test_a_server_that_takes_its_time(server: _Server, path: str) -> None:
    """One byte every twentieth of a second never lets a single wait run out: the whole has a deadline too."""
    limits = Limits(
        allow_private=True, allowed_ports=frozenset({server.port}), connect_timeout=0.5, download_timeout=0.8
    )
    assert "too slowly" in _refusal(f"http://127.0.0.1:{server.port}/{path}", limits, within=1.6)


def test_a_listener_that_never_answers_the_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        limits = Limits(allow_private=True, allowed_ports=frozenset({port}), connect_timeout=0.3)
        assert "too slowly" in _refusal(f"https://127.0.0.1:{port}/", limits, within=1.5)
