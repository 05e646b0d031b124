"""Which files came to an index from another place of the same disk, or of another one: moved, not copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sensorium.retrieval.mounts import is_gone
from sensorium.retrieval.table import MediaTable


@dataclass(frozen=True)
class Moves:
    """Files that are at another place than before.

    Attributes:
        readable: How many of those that can be found.
        broken: How many of those that can't be read.
        left: The places where they, and other files of the same contents, are no more.
    """

    readable: int = 0
    broken: int = 0
    left: frozenset[str] = frozenset()


def find_moves(
    readable: Mapping[str, str], broken: Mapping[str, str], gone: Collection[str], table: MediaTable
) -> Moves:
    """Compare the contents of new files with those of files that are gone, wherever those were.

    Args:
        readable: The contents of files that are new in the index, by path.
        broken: The same of files that can't be read.
        gone: Files that are known to be gone.
        table: The index, with the new files in it.
    """
    came = {kind: Counter(files.values()) for kind, files in (("readable", readable), ("broken", broken))}
    earlier = {
        content: [path for path in paths if path not in readable and path not in broken]
        for content, paths in table.holders(list(came["readable"] | came["broken"])).items()
    }
    mounts = table.mounts([path for paths in earlier.values() for path in paths])
    moved, left = Counter[str](), set[str]()
    for content, paths in earlier.items():
        lost = [path for path in paths if path in gone or is_gone(path, mounts[path])]
        left.update(lost)
        for kind, files in came.items():
            moved[kind] += min(files[content], len(lost))
    return Moves(moved["readable"], moved["broken"], frozenset(left))
