"""The moments of a film that match a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensorium.errors import InputError
from sensorium.progress import Cancellation
from sensorium.video.frame_embeddings import FrameEmbeddings
from sensorium.video.results import FoundMoment, VideoSearch

if TYPE_CHECKING:
    from sensorium.vision_language.clip import CLIP

_NEARLY_AS_GOOD = 0.85


def find_moments(
    embeddings: FrameEmbeddings, clip: CLIP, text: str, *, limit: int, cancel: Cancellation | None = None
) -> VideoSearch:
    """Return the moments that match a text best. A moment is a best frame, with neighbours that match nearly as well.

    Args:
        embeddings: The film's frames.
        clip: The encoder that made them.
        text: What to look for.
        limit: How many moments to return, at most.
        cancel: Stops while the text is encoded.

    Raises:
        InputError: The text can't be used.
    """
    scores = (embeddings.rows @ clip.text_rows(text, role="query", cancel=cancel)[0]).tolist()
    taken = [False] * len(scores)
    moments: list[FoundMoment] = []
    for best in sorted(range(len(scores)), key=lambda index: -scores[index]):
        if len(moments) == limit:
            break
        if taken[best]:
            continue
        least = scores[best] - (1 - _NEARLY_AS_GOOD) * abs(scores[best])
        first = last = best
        while first > 0 and not taken[first - 1] and scores[first - 1] >= least:
            first -= 1
        while last + 1 < len(scores) and not taken[last + 1] and scores[last + 1] >= least:
            last += 1
        # The frames next to a moment belong to it, though they match less: found again, they would only repeat it.
        for index in range(max(0, first - 1), min(len(scores), last + 2)):
            taken[index] = True
        start, end = embeddings.stretch(first, last)
        moments.append(FoundMoment(start, end, round(scores[best], 4)))
    return VideoSearch(text, tuple(moments), clip.model)


def require_search(text: str, limit: int) -> None:
    """Refuse an empty text and a limit below 1.

    Raises:
        InputError: The text is empty, or the limit is below 1.
    """
    if not text.strip():
        raise InputError("The text to search for is empty", "Write what to find in the film")
    if limit < 1:
        raise InputError(f"The limit is {limit}", "Ask for at least one moment")
