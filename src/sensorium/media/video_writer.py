"""Pictures and sound become a film: MP4 with H.264 and AAC, which every player and browser shows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError
from sensorium.media.atomic_file import atomic_file
from sensorium.media.naming import display_name

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Image],
    frames_per_second: float,
    *,
    audio: NDArray[Any] | None = None,
    sample_rate: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a film that appears when it is complete.

    Args:
        path: Where to write; the name must end in .mp4.
        frames: PIL images of one size; taken one at a time. An odd side is made even by repeating its last row.
        frames_per_second: How fast they are shown.
        audio: float samples of shape [samples] in [-1, 1]; written whole, also where it is longer than the pictures.
        sample_rate: Samples a second of ``audio``.
        metadata: Tags such as title, artist, comment.

    Returns:
        The path.

    Raises:
        InputError: There is no frame, frames differ in size, or a number makes no sense.
    """
    from fractions import Fraction

    import av
    import numpy as np

    name = display_name(path)
    if Path(path).suffix.lower() != ".mp4":
        raise InputError(f"A film can't be written to {name}", "End the name in .mp4")
    if not 0 < frames_per_second <= 1000:
        raise InputError(f"{frames_per_second} frames a second make no film", "Use a rate such as 25")
    if audio is not None and sample_rate is None:
        raise InputError("The sound has no sample rate", "Give sample_rate")
    rate = Fraction(frames_per_second).limit_denominator(1001)
    with atomic_file(path) as partial:
        with av.open(str(partial.absolute()), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            container.metadata.update(metadata or {})
            video: Any = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
            video.pix_fmt = "yuv420p"
            sound: Any = None
            if audio is not None:
                sound = container.add_stream("aac", rate=sample_rate, layout="mono")
                samples = np.clip(np.asarray(audio, dtype=np.float32), -1.0, 1.0)
            written, index = 0, -1
            size: tuple[int, int] | None = None
            for index, image in enumerate(frames):
                picture = np.asarray(image.convert("RGB"))
                if size is None:
                    size = image.size
                    video.width, video.height = size[0] + size[0] % 2, size[1] + size[1] % 2
                elif image.size != size:
                    raise InputError(
                        f"Frame {index} of {name} is {image.size[0]}x{image.size[1]}, the first one {size[0]}x{size[1]}",
                        "Resize the frames to one size",
                    )
                picture = np.pad(picture, ((0, size[1] % 2), (0, size[0] % 2), (0, 0)), mode="edge")
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts = index
                frame.time_base = 1 / rate
                container.mux(video.encode(frame))
                if sound is not None:
                    stop = int((index + 1) * sample_rate / rate)
                    _write_sound(container, sound, samples, written, stop, sample_rate)
                    written = max(written, stop)
            if index < 0:
                raise InputError(f"There are no frames to write to {name}", "Give at least one picture")
            container.mux(video.encode(None))
            if sound is not None:
                _write_sound(container, sound, samples, written, len(samples), sample_rate)
                container.mux(sound.encode(None))
    return Path(path)


def _write_sound(container: Any, sound: Any, samples: Any, begin: int, stop: int, sample_rate: int | None) -> None:
    import av

    if begin >= min(stop, len(samples)):
        return
    frame = av.AudioFrame.from_ndarray(samples[None, begin:stop].copy(), format="fltp", layout="mono")
    frame.sample_rate = sample_rate
    frame.pts = begin
    container.mux(sound.encode(frame))
