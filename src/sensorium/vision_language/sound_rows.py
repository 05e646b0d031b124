"""Recordings as rows of an encoder's space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from sensorium.errors import UnsupportedError
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.vision_language.embeddable import sound_windows

if TYPE_CHECKING:
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.dual_encoder import Rows
    from sensorium.vision_language.embeddable import SoundSource


def sound_rows(
    clip: CLIP,
    sound: SoundSource | Sequence[SoundSource],
    *,
    progress: ProgressCallback | None = None,
    cancel: Cancellation | None = None,
) -> Rows:
    """Encode recordings: of one that is longer than the encoder takes at once, the mean of its windows' rows.

    Args:
        clip: The encoder.
        sound: A recording or a list of recordings.
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
    with clip.lease(progress=progress, cancel=cancel) as backend:
        if "audio" not in backend.kinds:
            raise UnsupportedError(
                f"{clip.model!r} makes no vectors of sound", "Choose a checkpoint that does, such as EmbeddingGemma 2"
            )
        rows = np.empty((len(recordings), backend.embedding_size), np.float32)
        for index, recording in enumerate(recordings):
            windows = sound_windows(
                recording, backend.window_seconds, backend.sample_rate, limits=clip.limits, cancel=cancel
            )
            total = np.zeros(backend.embedding_size, np.float32)
            for _, row in clip.encode_images(windows, progress=progress, cancel=cancel):
                total += row
            rows[index] = unit_length(total)
    return rows
