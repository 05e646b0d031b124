"""Where on the hub the weights of a checkpoint are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHOWN = 12


@dataclass(frozen=True)
class HubSource:
    """A repository at one revision.

    Attributes:
        repository: Hub id.
        revision: Commit, branch or reference; "" for the main branch.
        sha256: The sum that its only file of weights must have; "" if it isn't known.
        pickle: The name of pickled weights, which are fetched and converted only after the user said so; "" for a
            repository with weights that can be opened as they are.
    """

    repository: str
    revision: str = ""
    sha256: str = ""
    pickle: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether the same files are there for ever."""
        return _COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        revision = self.revision[:_SHOWN] if self.is_pinned else self.revision
        return f"{self.repository} at {revision}" if revision else self.repository
