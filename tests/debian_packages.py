"""Files out of Debian packages without root: downloaded with apt-get, opened with dpkg-deb, never installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that keeps what tests fetch: ``SENSORIUM_TEST_MEDIA``, or one in the user's cache."""
    chosen = os.environ.get("SENSORIUM_TEST_MEDIA")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sensorium-test-media"


@contextmanager
def fetching(name: str) -> Iterator[Path]:
    """Give one process at a time a temporary folder in the cache: two test runs may start at once."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=cache_folder()) as temporary:
            yield Path(temporary)


def open_package(package: str, folder: Path, *, with_missing_dependencies: bool = False) -> Path:
    """Download a package and open it.

    Args:
        package: Its name.
        folder: A folder for the download.
        with_missing_dependencies: Open the packages that it needs and that this machine lacks as well.

    Returns:
        The folder that stands for ``/``.
    """
    assert shutil.which("apt-get"), f"tests need the Debian package {package!r}, and this machine has no apt-get"
    root = folder / "root"
    root.mkdir()
    for archive in _download(package, folder / "apt", with_missing_dependencies):
        subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
    return root


def _download(package: str, apt: Path, with_missing_dependencies: bool) -> list[Path]:
    archives = apt / "cache" / "archives"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    options = [
        f"Dir::State={apt}/state",
        f"Dir::Cache={apt}/cache",
        "Dir::State::status=/var/lib/dpkg/status",
        "APT::Sandbox::User=root",
        "Debug::NoLocking=true",
    ]
    own_lists = ["apt-get", "-qq", *(part for option in options for part in ("-o", option))]
    action = ["install", "--download-only", "--yes", "--no-install-recommends"]
    get = [*(action if with_missing_dependencies else ["download"]), package]
    # The machine's package lists do where there are any and they are fresh; else own ones, which need no root either.
    for command in ([*own_lists, "-o", "Dir::State::lists=/var/lib/apt/lists"], own_lists):
        if command is own_lists:
            subprocess.run([*command, "update"], check=True, capture_output=True)
        ran = subprocess.run([*command, *get], cwd=archives, capture_output=True, text=True, check=False)
        found = list(archives.glob("*.deb"))
        if ran.returncode == 0 and found:
            return found
    raise AssertionError(f"apt-get could not download {package}: {ran.stderr.strip()}")
