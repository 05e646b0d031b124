"""A transcription as the cues of subtitles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from sensorium.media.subtitles import Cue, layout_cues
from sensorium.speech.transcription import Segment, Transcription
from sensorium.text.phrase_breaks import join_texts


def subtitle_cues(result: Transcription, format: str, *, words: bool = False) -> list[Cue]:
    """Return a transcription as cues: laid out for the screen in SRT and VTT, whole sentences elsewhere.

    In plain text, where it is known who speaks, a cue is all that somebody says until somebody else does.

    Args:
        result: With word timestamps; for plain text they aren't needed.
        format: One of the subtitle formats.
        words: A cue for each word instead.
    """
    english = result.task == "translate"
    segments = [replace(segment, language="en") for segment in result.segments] if english else result.segments
    if words:
        return [
            Cue(word.start, word.end, word.text.strip(), part.language, _known(word.speaker))
            for part in segments
            for word in part.words
        ]
    if format in {"srt", "vtt"}:
        return layout_cues(segments, names=format == "srt")  # VTT marks voices itself
    if format == "txt" and result.speakers:
        return [_turn(list(said)) for _, said in groupby(segments, key=lambda segment: segment.speaker)]
    return [_turn([segment]) for segment in segments]


def _turn(said: Sequence[Segment]) -> Cue:
    text = join_texts([segment.text for segment in said])
    return Cue(said[0].start, said[-1].end, text, said[0].language, _known(said[0].speaker))


def _known(speaker: str) -> tuple[str, ...]:
    return (speaker,) if speaker else ()
