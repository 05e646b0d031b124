"""A transcription as the cues of subtitles."""

from __future__ import annotations

from dataclasses import replace

from sensorium.media.subtitles import Cue, layout_cues
from sensorium.speech.transcription import Transcription


def subtitle_cues(result: Transcription, format: str, *, words: bool = False) -> list[Cue]:
    """Return a transcription as cues: laid out for the screen in SRT and VTT, whole sentences elsewhere.

    Args:
        result: With word timestamps; for plain text they aren't needed.
        format: One of the subtitle formats.
        words: A cue for each word instead.
    """
    english = result.task == "translate"
    segments = [replace(segment, language="en") for segment in result.segments] if english else result.segments
    if words:
        return [Cue(word.start, word.end, word.text.strip(), part.language) for part in segments for word in part.words]
    if format in {"srt", "vtt"}:
        return layout_cues(segments)
    return [Cue(segment.start, segment.end, segment.text, segment.language) for segment in segments]
