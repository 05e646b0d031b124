"""Vectors of texts in about a hundred languages: ``TextEmbedder``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from sensorium.arguments import checked
from sensorium.errors import InputError
from sensorium.language.written_language import require_characters
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled, report
from sensorium.task import Task

if TYPE_CHECKING:
    from sensorium.vision_language.dual_encoder import Rows
    from sensorium.vision_language.starter.multilingual_encoder import MultilingualEncoder  # noqa: F401 - named below

_TEXTS_AT_ONCE = 256


class TextEmbedder(Task["MultilingualEncoder"]):
    """Turns texts into vectors whose cosine tells how close two meanings are, whichever languages they are in.

    Args:
        model: Catalog name, or None for the profile's default; the profile ``starter`` has one.
        device: ``"auto"`` or ``"cpu"``: multilingual-e5-small in 4 bits runs on the CPU.
        dtype: ``"auto"`` or ``"float32"``: its weights are stored in 4 bits, and it calculates in float32.

    Source: Wang et al. 2024, Multilingual E5 Text Embeddings: A Technical Report.
    """

    task = "text-embedding"
    families: ClassVar[dict[str, str]] = {
        "packed-e5": "sensorium.vision_language.starter.multilingual_encoder:MultilingualEncoder"
    }
    cpu_families = frozenset(families)

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return self.backend.embedding_size

    @checked
    def text_rows(
        self,
        text: str | Sequence[str],
        *,
        role: Literal["query", "document"] | None = None,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Rows:
        """Encode texts.

        Args:
            text: A text or a list of texts.
            role: What they are: ``"query"`` is what is looked for, ``"document"`` what is to be found. None for texts
                that are compared with their like, which E5 encodes as it does queries.
            progress: Told how many texts are done.
            cancel: Stops after the texts at hand.

        Returns:
            float32 ``[n, d]``, each row of length 1.

        Raises:
            InputError: A text is empty, or too long.
            CancelledError: ``cancel`` was set.
        """
        import numpy as np

        texts = _texts(text)
        with self.lease(progress=progress, cancel=cancel) as backend:
            prompted = [backend.prompted(each, role) for each in texts]
            for each, asked in zip(texts, prompted, strict=True):
                _require_room(each, len(backend.tokens(asked)), backend.maximum_tokens, self.model)
            rows = np.empty((len(texts), backend.embedding_size), np.float32)
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                check_cancelled(cancel)
                chosen = prompted[start : start + _TEXTS_AT_ONCE]
                rows[start : start + len(chosen)] = backend.encode(chosen)
                report(progress, "encoding texts", start + len(chosen), len(texts), "texts")
        return rows

    @checked
    def count_tokens(self, text: str | Sequence[str]) -> int:
        """Return how many tokens the encoder reads for a text, or for several together."""
        with self.lease() as backend:
            return sum(len(backend.tokens(backend.prompted(each, None))) for each in _texts(text))


def _texts(text: str | Sequence[str]) -> list[str]:
    """Return a list of texts, whether one or several were given.

    Raises:
        InputError: There is none, or one of them is empty or no valid Unicode.
    """
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise InputError("There is no text to embed", "Give at least one")
    for each in texts:
        if not isinstance(each, str) or not each.strip():
            raise InputError(f"{each!r} is not a text to embed", "Give words or sentences")
        require_characters(each, what="text to embed")
    return texts


def _require_room(text: str, tokens: int, most: int, model: str) -> None:
    if tokens > most:
        start = text if len(text) <= 40 else text[:40] + "…"
        raise InputError(
            f"The text {start!r} has {tokens} tokens, and {model!r} reads at most {most}",
            "Embed its parts, such as its paragraphs",
        )
