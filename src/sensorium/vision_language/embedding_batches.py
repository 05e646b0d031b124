"""Pictures, sound and passages on their way through an encoder, in batches: reading overlaps with computing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sensorium.errors import SensoriumError
from sensorium.media.limits import Limits
from sensorium.progress import Cancellation, ProgressCallback, report
from sensorium.vision_language.embeddable import Passage, SoundWindow
from sensorium.vision_language.read_ahead import read_ahead

if TYPE_CHECKING:
    from sensorium.vision_language.dual_encoder import DualEncoder, Rows
    from sensorium.vision_language.embeddable import Embeddable


def encode_in_batches(
    backend: DualEncoder,
    sources: Iterable[Embeddable],
    *,
    size: int,
    limits: Limits,
    on_error: Callable[[int, SensoriumError], None] | None,
    progress: ProgressCallback | None,
    cancel: Cancellation | None,
) -> Iterator[tuple[int, Rows]]:
    """Encode any number of sources in constant memory.

    Args:
        backend: The encoder; it takes all kinds of the sources.
        sources: Taken as they are needed.
        size: How many go through the network at once.
        limits: For pictures that are files.
        on_error: Called with the index of a source that can't be read, which is then skipped; None to raise the error.
        progress: Told how many are done.
        cancel: Stops after the batch at hand.

    Yields:
        The index of the source and its row: float32 ``[d]`` of length 1. In order, but for skipped ones.
    """
    from sensorium.media.image import read_image

    total = len(sources) if isinstance(sources, Sequence) else None

    def read(source: Embeddable) -> Any:
        if isinstance(source, SoundWindow):
            return backend.prepare_sound(source.samples)
        if isinstance(source, Passage):
            return backend.prepare_passage(source.text)
        # Twice the side that the encoder sees: JPEG's own halving is coarser than a good resize.
        return backend.prepare(read_image(source, minimum_side=2 * backend.image_side, limits=limits))

    done = 0
    batch: list[tuple[int, Any]] = []
    for item in read_ahead(read, sources, ahead=2 * size, on_error=on_error, cancel=cancel):
        batch.append(item)
        if len(batch) == size:
            yield from _encode_batch(backend, batch)
            done += len(batch)
            batch = []
            report(progress, "encoding images", done, total, "images")
    if batch:
        yield from _encode_batch(backend, batch)
        report(progress, "encoding images", done + len(batch), total, "images")


def _encode_batch(backend: DualEncoder, batch: list[tuple[int, Any]]) -> Iterator[tuple[int, Rows]]:
    rows = backend.encode_prepared([prepared for _, prepared in batch])
    for (index, _), row in zip(batch, rows, strict=True):
        yield index, row
