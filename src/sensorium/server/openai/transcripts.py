"""What is said in a recording, in the documents that OpenAI's clients and those of whisper-asr-webservice read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sensorium.engine.job import Job, JobEvent
from sensorium.server.operations import ended_well
from sensorium.speech.transcription import Segment, Transcription
from sensorium.text.languages import LANGUAGES
from sensorium.text.phrase_breaks import join_texts

_LEAST = 1e-4
"""Probabilities of words are rounded to this."""


def language_name(code: str) -> str:
    """Return the English name of a language in small letters, as OpenAI writes it; "" for ""."""
    return LANGUAGES.get(code, code).lower()


def plain(said: Transcription, *, logprobs: bool = False) -> dict[str, Any]:
    """Return a transcription in the format ``json``.

    Args:
        said: With words, if log probabilities are wanted.
        logprobs: Whether to tell how sure the model is of each word.
    """
    return {
        "text": said.text,
        "languages": _languages(said),
        **({"logprobs": log_probabilities(said)} if logprobs else {}),
        "usage": usage(said),
        **_warnings(said),
    }


def verbose(said: Transcription, *, words: bool = False) -> dict[str, Any]:
    """Return a transcription in the format ``verbose_json``.

    Args:
        said: With words, if they are wanted.
        words: Whether to list all words with their times.
    """
    return {
        "task": said.task,
        "language": language_name(_written_language(said, said.language)),
        "duration": said.duration,
        "text": said.text,
        "segments": [
            {**segment(each), "language": language_name(_written_language(said, each.language))}
            for each in said.segments
        ],
        **({"words": [_word(each) for part in said.segments for each in part.words]} if words else {}),
        "usage": usage(said),
        **_warnings(said),
    }


def diarized(said: Transcription) -> dict[str, Any]:
    """Return a transcription with speakers in the format ``diarized_json``."""
    return {
        "task": "transcribe",
        "duration": said.duration,
        "text": said.text,
        "segments": [diarized_segment(each.to_dict()) for each in said.segments],
        "usage": usage(said),
        **_warnings(said),
    }


def diarized_segment(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a `Segment` as it stands in ``diarized_json``; it is also an event of the stream."""
    told = {name: part[name] for name in ("start", "end", "text", "speaker")}
    return {"type": "transcript.text.segment", "id": f"seg_{part['id']}", **told}


def segment(part: Segment) -> dict[str, Any]:
    """Return a segment. Tokens aren't kept, so there are none; the temperature is always 0: the likeliest is taken."""
    return {
        "id": part.id,
        "seek": round(part.start * 100),
        "start": part.start,
        "end": part.end,
        "text": part.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": part.average_log_probability,
        "compression_ratio": part.compression_ratio,
        "no_speech_prob": part.no_speech_probability,
    }


def of_web_service(said: Transcription) -> dict[str, Any]:
    """Return a transcription as whisper-asr-webservice writes it in JSON."""
    segments = [
        {
            **segment(part),
            "language": part.language,
            "words": [{**_word(each), "probability": each.probability} for each in part.words],
        }
        for part in said.segments
    ]
    return {"text": said.text, "language": said.language, "segments": segments, **_warnings(said)}


def log_probabilities(said: Transcription) -> list[dict[str, Any]]:
    """Return how sure the model is, word by word: each stands for its tokens."""
    return [
        {
            "token": word.text,
            "bytes": list(word.text.encode("utf-8", "replace")),
            "logprob": math.log(max(word.probability, _LEAST)),
        }
        for part in said.segments
        for word in part.words
    ]


def usage(said: Transcription) -> dict[str, Any]:
    """Return what a transcription has cost: seconds of sound."""
    return {"type": "duration", "seconds": said.duration}


class TranscriptEvents:
    """Shapes the events of a job as ``transcript.text.delta`` and ``transcript.text.done``.

    Args:
        logprobs: Whether to tell how sure the model is of each word.
        speakers: Whether to tell who says it: then there are ``transcript.text.segment``, too.
    """

    def __init__(self, *, logprobs: bool, speakers: bool = False) -> None:
        self._logprobs = logprobs
        self._speakers = speakers
        self._texts: list[str] = []
        self._sent = ""

    def __call__(self, event: JobEvent) -> Iterator[dict[str, Any]]:
        """Yield what is sent for an event.

        Raises:
            SensoriumError: The job has ended without being done.
        """
        kind = event.document["type"]
        if kind == "restarted":
            self._texts.clear()
        elif kind == "finished":
            yield from self._delta(event.document["result"])
        elif kind == "ended":
            said = Transcription.from_dict(ended_well(Job.from_dict(event.document["job"])).result or {})
            yield {"type": "transcript.text.done", **plain(said, logprobs=self._logprobs)}

    def _delta(self, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self._texts.append(str(document["text"]))
        whole = join_texts(self._texts)
        delta = whole[len(self._sent) :]  # empty while a job that began again says what was sent already
        if delta:
            self._sent = whole
            part = diarized_segment(document)
            yield {
                "type": "transcript.text.delta",
                "delta": delta,
                **({"segment_id": part["id"]} if self._speakers else {}),
            }
            if self._speakers:
                yield part


def _warnings(said: Transcription) -> dict[str, Any]:
    """Return what was missing or damaged in the recording; OpenAI's own answers have no such field."""
    return {"warnings": list(said.warnings)} if said.warnings else {}


def _languages(said: Transcription) -> list[dict[str, str]]:
    """Return the languages that are spoken, the one that is spoken most first."""
    codes = dict.fromkeys([said.language, *(part.language for part in said.segments)])
    return [{"code": code} for code in codes if code]


def _written_language(said: Transcription, spoken: str) -> str:
    return "en" if said.task == "translate" and said.text else spoken


def _word(word: Any) -> dict[str, Any]:
    return {"word": word.text.strip(), "start": word.start, "end": word.end}
