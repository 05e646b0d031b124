"""The words in which a model that sees frames is told about a film, and the moments that the model's answer names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sensorium.answer import Evidence
from sensorium.media.video import VideoFrame
from sensorium.video.video_story import Sentence, clock, span, times_in

DESCRIBE = "Describe what happens in this film, in the order of time. Name the time of each event like this: [00:12]."
_SECONDS = re.compile(r"\b(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)\b", re.IGNORECASE)


def times_told(frames: Sequence[VideoFrame], duration: float, what: str) -> str:
    """Return a sentence that tells a model the times of the frames.

    Args:
        frames: In the order of time.
        duration: Length of the film, in seconds.
        what: The word for the frames in the text: "frames" or "pictures".
    """
    times = ", ".join(f"{frame.time:.1f}" for frame in frames)
    return f"The film is {duration:.1f} seconds long. Its {len(frames)} {what} are from these seconds: {times}."


def words_told(sentences: Sequence[Sentence]) -> str:
    """Return what is said in a film, with times; "" if nothing is said."""
    lines = [f"[{span(item.start, item.end)}] {item.text}" for item in sentences]
    return "\n".join(["This is said in the film:", *lines]) if lines else ""


def moments_named(answer: str, duration: float) -> tuple[Evidence, ...]:
    """Return the moments of the film that an answer names, in the order of time."""
    named = {*times_in(answer), *(float(seconds) for seconds in _SECONDS.findall(answer))}
    return tuple(
        Evidence("frame", f"The answer names {clock(time)}", None, time, time)
        for time in sorted(named)
        if time <= duration
    )
