"""Recordings as rows of an encoder's space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from sensorium.errors import UnsupportedError
from sensorium.media.limits import Limits
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.vision_language.embeddable import sound_windows
from sensorium.vision_language.embedding_batches import encode_in_batches

if TYPE_CHECKING:
    from sensorium.vision_language.dual_encoder import DualEncoder, Rows
    from sensorium.vision_language.embeddable import SoundSource


def sound_rows(
    backend: DualEncoder,
    sound: SoundSource | Sequence[SoundSource],
    *,
    model: str,
    limits: Limits,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Rows:
    """Encode recordings: of one that is longer than the encoder takes at once, the mean of its windows' rows.

    Args:
        backend: The encoder.
        sound: A recording or a list of recordings.
        model: Its name, for the message.
        limits: What a recording may cost.
        progress: Told how many windows are done.
        cancel: Stops after the batch at hand.

    Returns:
        float32 ``[n, d]``, each row of length 1.

    Raises:
        InputError: A recording can't be read.
        UnsupportedError: The checkpoint takes no sound.
    """
    import numpy as np

    from sensorium.vision_language.dual_encoder import unit_length

    recordings: list[SoundSource] = list(sound) if isinstance(sound, (list, tuple)) else [cast("SoundSource", sound)]
    if "audio" not in backend.kinds:
        raise UnsupportedError(
            f"{model!r} makes no vectors of sound", "Choose a checkpoint that does, such as EmbeddingGemma 2"
        )
    rows = np.empty((len(recordings), backend.embedding_size), np.float32)
    for index, recording in enumerate(recordings):
        seconds, rate = backend.window_seconds, backend.sample_rate
        windows = sound_windows(recording, seconds, rate, limits=limits, cancel=cancel)
        total = np.zeros(backend.embedding_size, np.float32)
        size = backend.batch_size
        for _, row in encode_in_batches(
            backend, windows, size=size, limits=limits, on_error=None, progress=progress, cancel=cancel
        ):
            total += row
        rows[index] = unit_length(total)
    return rows
