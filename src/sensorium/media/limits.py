"""What an input may cost, and where it may come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What an input may cost. The defaults suit a person's own files; a server sets smaller ones.

    Attributes:
        max_bytes: Largest file on disk, or data given directly, in bytes.
        max_download_bytes: Largest file fetched from an address or read from a stream, in bytes.
        max_image_bytes: Largest encoded picture, in bytes: pictures are read whole.
        max_pixels: Most pixels in a picture or film frame. The default is just above the largest phone sensors
            (16384×12288); such a picture takes 0.8 GB of memory, and twice that while it is converted. JPEG 2000, whose
            decoder takes more, may have a quarter of it.
        max_side: Longest side of a picture or film frame, in pixels; the default is the longest that JPEG has.
        max_duration: Longest recording or film, in seconds.
        max_frames: Most frames that are taken from one film.
        allow_files: Whether text may name a file on this machine. A server that gets text from its clients says no.
        allow_urls: Whether http and https addresses are fetched.
        allowed_hosts: The only hosts that addresses may name; ``"*.example.org"`` stands for all below it.
            None allows every public host.
        allowed_ports: The only ports that addresses may name.
        allow_private: Whether addresses inside the local network, and this machine itself, are fetched.
        connect_timeout: Longest wait for a connection and for each piece of an answer, in seconds.
        download_timeout: Longest time for a whole download, in seconds.
    """

    max_bytes: int = 64 << 30
    max_download_bytes: int = 2 << 30
    max_image_bytes: int = 512 << 20
    max_pixels: int = 16384 * 12288
    max_side: int = 65_535
    max_duration: float = 24 * 3600.0
    max_frames: int = 100_000
    allow_files: bool = True
    allow_urls: bool = True
    allowed_hosts: frozenset[str] | None = None
    allowed_ports: frozenset[int] = frozenset({80, 443})
    allow_private: bool = False
    connect_timeout: float = 10.0
    download_timeout: float = 600.0


DEFAULT_LIMITS = Limits()
