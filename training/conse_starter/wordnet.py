"""Reads the nouns of WordNet 3.0 from its own files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Synset:
    """A meaning: its words and the offsets of the meanings above it."""

    words: tuple[str, ...]
    parents: tuple[int, ...]
    gloss: str


def read_nouns(path: Path) -> dict[int, Synset]:
    """Read ``data.noun``: from a synset's offset (the number in an ImageNet id) to the synset."""
    nouns = {}
    with path.open(encoding="latin-1") as lines:
        for line in lines:
            if line.startswith(" "):
                continue
            data, _, gloss = line.partition("|")
            fields = data.split()
            count = int(fields[3], 16)
            words = tuple(fields[4 + 2 * i].replace("_", " ") for i in range(count))
            pointers = fields[5 + 2 * count :]
            parents = tuple(int(pointers[i + 1]) for i in range(0, len(pointers) - 3, 4) if pointers[i] in ("@", "@i"))
            nouns[int(fields[0])] = Synset(words, parents, gloss.strip())
    return nouns


def ancestors(nouns: dict[int, Synset], offset: int) -> dict[int, int]:
    """Return every meaning above ``offset`` with its distance in steps."""
    found: dict[int, int] = {}
    level, distance = [offset], 0
    while level:
        distance += 1
        level = [parent for child in level for parent in nouns[child].parents if parent not in found]
        found.update(dict.fromkeys(level, distance))
    return found
