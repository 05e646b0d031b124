"""Rows of the texts and media of many operations, encoded together; one that is bad costs its own operation only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from sensorium.errors import CancelledError, SensoriumError
from sensorium.operations.media import Media
from sensorium.operations.tasks import Tasks
from sensorium.operations.together import attempted
from sensorium.progress import Cancellation, ProgressCallback

if TYPE_CHECKING:
    from sensorium.media.image import ImageSource
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows
    from sensorium.vision_language.embeddable import Role
    from sensorium.vision_language.text_embedder import TextEmbedder

Item = TypeVar("Item")
Result = TypeVar("Result")
Outcome: TypeAlias = "Rows | SensoriumError"
"""The rows of one operation, float32 ``[n, d]``, or why there are none."""


def text_rows(
    encoder: CLIP | TextEmbedder,
    texts: Sequence[Sequence[str]],
    *,
    role: Role | None = None,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> list[Outcome]:
    """Encode the texts of several operations together.

    Args:
        encoder: The encoder.
        texts: The texts of each operation.
        role: What they are.
        progress: Told how many texts are done.
        cancel: Stops after the batch at hand.

    Returns:
        For each operation its rows, or why one of its texts can't be encoded.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    flat = [text for some in texts for text in some]
    if not flat:
        return [_no_rows(encoder)] * len(texts)
    try:
        rows = encoder.text_rows(flat, role=role, progress=progress, cancel=cancel)
    except CancelledError:
        raise
    except SensoriumError as error:
        if len(texts) == 1:
            return [error]
        # One by one, it shows whose text it is; what was encoded comes from memory.
        return [text_rows(encoder, [some], role=role, progress=progress, cancel=cancel)[0] for some in texts]
    return [rows[start:end] for start, end in _spans(texts)]


def image_rows(
    clip: CLIP,
    tasks: Tasks,
    images: Sequence[Sequence[Media]],
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> list[Outcome]:
    """Encode the pictures of several operations together.

    Args:
        clip: The encoder.
        tasks: Finds the pictures.
        images: The pictures of each operation.
        progress: Told how many pictures are done.
        cancel: Stops after the batch at hand.

    Returns:
        For each operation its rows, or why the first of its bad pictures can't be read.

    Raises:
        CancelledError: ``cancel`` was set.
    """
    found = [attempted(_sources, tasks, some) for some in images]
    sources: list[list[ImageSource]] = [[] if isinstance(each, SensoriumError) else each for each in found]
    rows, unreadable = _encoded(clip, [source for some in sources for source in some], progress, cancel)
    outcomes: list[Outcome] = []
    for each, (start, end) in zip(found, _spans(sources), strict=True):
        errors = [unreadable[number] for number in range(start, end) if number in unreadable]
        outcomes.append(each if isinstance(each, SensoriumError) else errors[0] if errors else rows[start:end])
    return outcomes


def sound_rows(
    clip: CLIP,
    tasks: Tasks,
    sounds: Sequence[Sequence[Media]],
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> list[Outcome]:
    """Encode the recordings of several operations, one after the other: each fills a pass with its own windows.

    Args:
        clip: The encoder.
        tasks: Finds the recordings.
        sounds: The recordings of each operation.
        progress: Told how many windows are done.
        cancel: Stops after the batch at hand.

    Returns:
        For each operation its rows, or why one of its recordings can't be encoded.

    Raises:
        CancelledError: ``cancel`` was set.
    """

    def rows(some: Sequence[Media]) -> Rows:
        return clip.sound_rows([tasks.media(each) for each in some], progress=progress, cancel=cancel)

    return [attempted(rows, some) if some else _no_rows(clip) for some in sounds]


def made_of(rows: Sequence[Outcome], make: Callable[..., Result | SensoriumError]) -> Result | SensoriumError:
    """Return what is made of the kinds of rows of an operation, or why one of them isn't there."""
    return next((each for each in rows if isinstance(each, SensoriumError)), None) or make(*rows)


def _sources(tasks: Tasks, images: Sequence[Media]) -> list[ImageSource]:
    return [tasks.media(image) for image in images]


def _encoded(
    clip: CLIP, sources: list[ImageSource], progress: ProgressCallback | None, cancel: Cancellation | None
) -> tuple[Rows, dict[int, SensoriumError]]:
    rows = _no_rows(clip, len(sources))
    unreadable: dict[int, SensoriumError] = {}
    if sources:
        images = clip.encode_images(sources, on_error=unreadable.__setitem__, progress=progress, cancel=cancel)
        for number, row in images:
            rows[number] = row
    return rows, unreadable


def _no_rows(encoder: CLIP | TextEmbedder, count: int = 0) -> Rows:
    import numpy as np

    return np.zeros((count, encoder.embedding_size), np.float32)


def _spans(groups: Sequence[Sequence[Item]]) -> Iterator[tuple[int, int]]:
    """Yield where each group begins and ends in all of them one after the other."""
    start = 0
    for group in groups:
        yield start, start + len(group)
        start += len(group)
