"""What was missing, damaged or unsure in an input, gathered while it is read, for the result that is made of it."""

from __future__ import annotations


class InputWarnings:
    """A `WarningCallback` that remembers each sentence once, however often the input is read.

    Whoever reads media passes it as ``on_warning=`` and puts ``told()`` into the result's ``warnings``.
    """

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}

    def __call__(self, sentence: str) -> None:
        """Remember a sentence."""
        self._sentences[sentence] = None

    def told(self) -> tuple[str, ...]:
        """Return the sentences, in the order in which they were told."""
        return tuple(self._sentences)
