"""The npm packages that the pictures come from, at fixed versions, and where in them a concept's picture is."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSIONS = {
    "@iconify-json/fluent-emoji-flat": "1.2.6",
    "@iconify-json/fluent-emoji": "1.2.7",
    "@iconify-json/noto": "1.2.9",
    "@iconify-json/noto-v1": "1.2.5",
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "@resvg/resvg-js": "2.6.2",
    "emojibase-data": "17.0.0",
}
SOURCES = {
    "flat": "@iconify-json/fluent-emoji-flat",
    "glossy": "@iconify-json/fluent-emoji",
    "cartoon": "@iconify-json/noto",
    "clip art": "@iconify-json/noto-v1",
    "3d": "@lobehub/fluent-emoji-3d",
}
"""The package that draws a style."""

_NAMED_LIKE = {"@iconify-json/fluent-emoji": "fluent-emoji-flat", "@iconify-json/noto-v1": "noto"}
"""Collections without a table of characters, and the one whose names they share."""

_VARIATION = "fe0f"


@dataclass(frozen=True)
class Source:
    """Where a picture comes from.

    Attributes:
        package: npm package with version.
        licence: SPDX name.
        icon: Name of the icon in an Iconify collection, or "" for a file.
        file: Path inside the package, or "".
    """

    package: str
    licence: str
    icon: str
    file: str


def fetch(cache: Path) -> Path:
    """Install the packages into ``cache`` unless they are there in these versions; return their folder."""
    modules = cache / "node_modules"
    missing = [f"{name}@{version}" for name, version in VERSIONS.items() if _version(modules / name) != version]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--save-exact"]
        subprocess.run(["npm", "install", *quiet, "--prefix", str(cache), *missing], check=True)
    return modules


class Drawings:
    """What the packages hold.

    Args:
        modules: The folder from `fetch`.
    """

    def __init__(self, modules: Path) -> None:
        self._modules = modules
        self._licences = {name: read(modules / name / "package.json")["license"] for name in SOURCES.values()}
        self._icons: dict[str, set[str]] = {}
        self._names: dict[str, dict[str, str]] = {}
        for package in SOURCES.values():
            if package.startswith("@iconify-json/"):
                folder = modules / package
                self._icons[package] = set(read(folder / "icons.json")["icons"])
                like = _NAMED_LIKE.get(package)
                table = read((modules / "@iconify-json" / like if like else folder) / "chars.json")
                self._names[package] = {_plain(character): name for character, name in table.items()}

    def find(self, hexcode: str, style: str) -> Source | None:
        """Return where an emoji's picture in a style is, or None."""
        package = SOURCES[style]
        named = f"{package}@{VERSIONS[package]}"
        if package in self._icons:
            icon = self._names[package].get(_plain(hexcode), "")
            return Source(named, self._licences[package], icon, "") if icon in self._icons[package] else None
        for code in (hexcode.lower(), _plain(hexcode), f"{_plain(hexcode)}-{_VARIATION}"):
            if (self._modules / package / "assets" / f"{code}.webp").is_file():
                return Source(named, self._licences[package], "", f"assets/{code}.webp")
        return None

    def emoji(self) -> list[dict[str, Any]]:
        """Return emojibase's records: label, hexcode, tags, group."""
        return read(self._modules / "emojibase-data" / "en" / "data.json")


def hexcode_of(emoji: str) -> str:
    """Return the code points of an emoji as the packages write them."""
    return "-".join(f"{ord(character):04x}" for character in emoji)


def read(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _version(folder: Path) -> str:
    return read(folder / "package.json")["version"] if (folder / "package.json").is_file() else ""


def _plain(hexcode: str) -> str:
    """Return code points without the sign for "as a picture", which the packages handle differently."""
    return "-".join(part for part in hexcode.lower().split("-") if part != _VARIATION)
