"""``/v1/audio/transcriptions`` and ``/v1/audio/translations``: the words of a recording."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import AfterValidator, BeforeValidator, Field

from sensorium.errors import InputError
from sensorium.operations.media import Media
from sensorium.operations.speech_to_text import Subtitle, SubtitleFile, Transcribe, Translate
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.aliases import model_for
from sensorium.server.openai.answering import MODEL, answered, as_events, model_of, streamed
from sensorium.server.openai.documented import described
from sensorium.server.openai.fields import Fields, a_list, or_none
from sensorium.server.openai.recordings import spoken_language, with_recording
from sensorium.server.openai.transcripts import TranscriptEvents, diarized, plain, verbose
from sensorium.speech.speech_to_text import Transcription
from sensorium.speech.who_speaks import require_voices

WARNINGS = "x-sensorium-warnings"

_TASK = Transcribe.task


def _or_json(format: Any) -> Any:
    return format or "json"


def _spoken_languages(names: list[str]) -> list[str]:
    codes = (spoken_language(name, "languages") for name in names)
    return [code for code in codes if code is not None]


Text: TypeAlias = Annotated[str | None, BeforeValidator(or_none)]
WithoutSpeakers: TypeAlias = Annotated[Literal["json", "text", "srt", "verbose_json", "vtt"], BeforeValidator(_or_json)]
Format: TypeAlias = Annotated[
    Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"], BeforeValidator(_or_json)
]
Language: TypeAlias = Annotated[str | None, BeforeValidator(or_none), AfterValidator(spoken_language)]
Words: TypeAlias = Annotated[list[str], BeforeValidator(a_list)]
Granularities: TypeAlias = Annotated[list[Literal["word", "segment"]], BeforeValidator(a_list)]
Additions: TypeAlias = Annotated[list[Literal["logprobs"]], BeforeValidator(a_list)]
Candidates: TypeAlias = Annotated[list[str], BeforeValidator(a_list), AfterValidator(_spoken_languages)]


class WordFields(Fields):
    """What is asked of the words in a recording."""

    model: Text = None
    """An alias, a catalog name or a hub id; the profile's own if left out."""
    language: Language = None
    """The language that is spoken: code, locale or English name; detected if left out, "" or "auto"."""
    prompt: Text = None
    """Text in whose style and spelling the transcription goes on."""
    track: Text = None
    """Which sound track of a film is heard: its number, from 1, or its language. By default one of the language that is
    spoken, or else one in which somebody speaks."""
    aligner: Text = None
    """What times the words of models that write text alone: the name of a Whisper or a forced aligner."""
    response_format: Format = "json"
    """json, text, srt, vtt, verbose_json with times, or diarized_json with times and speakers."""
    temperature: Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(or_none)] = None
    """Only 0 is done: the likeliest words are taken."""
    input_audio: dict[str, Any] | None = None
    """In JSON, in place of a file: {"data": base64, "format": "wav"}."""

    @property
    def ignored(self) -> list[str]:
        """The names of the fields that mean nothing here."""
        return sorted([*super().ignored, *(["temperature"] if self.temperature else [])])

    @property
    def wants_words(self) -> bool:
        """Whether words are wanted with their times."""
        return False


class TranslationFields(WordFields):
    """What is asked of a translation into English."""

    response_format: WithoutSpeakers = "json"
    """json, text, srt, vtt, or verbose_json with times."""


class TranscriptionFields(WordFields):
    """What is asked of a transcription."""

    known_speaker_names: Annotated[Words, Field(default_factory=list)]
    """For diarized_json: the names of those who speak in known_speaker_references, in the same order."""
    known_speaker_references: Annotated[Words, Field(default_factory=list)]
    """For diarized_json: a data: URL for each of them, with 2 to 30 seconds of speech."""
    diarizer: Text = None
    """For diarized_json: what tells speakers apart, a catalog name or a hub id; the profile's if left out."""
    languages: Annotated[Candidates, Field(default_factory=list)]
    """The languages that may be spoken, where they are to be detected."""
    keywords: Annotated[Words, Field(default_factory=list)]
    """Names and terms to expect."""
    timestamp_granularities: Annotated[Granularities, Field(default_factory=list)]
    """Whether verbose_json lists words too."""
    include: Annotated[Additions, Field(default_factory=list)]
    """Whether json tells how sure the model is, word by word."""
    stream: Annotated[bool, BeforeValidator(lambda sent: sent or False)] = False
    """Whether sentences are sent as they are recognised (SSE)."""

    @property
    def wants_words(self) -> bool:
        """Whether words are wanted with their times."""
        return self.response_format == "verbose_json" and "word" in self.timestamp_granularities

    @property
    def ignored(self) -> list[str]:
        """The names of the fields that mean nothing here."""
        names = ("known_speaker_names", "known_speaker_references", "diarizer")
        unused = [] if self.wants_speakers else [name for name in names if getattr(self, name)]
        return sorted([*super().ignored, *unused])

    @classmethod
    def of(cls, document: Any, what: str) -> Self:
        """Return the fields; the recordings of known speakers are looked at before any other is kept."""
        known = super().of(document, what)
        _ = known.speakers
        return known

    @property
    def wants_speakers(self) -> bool:
        """Whether it is wanted who says what."""
        return self.response_format == "diarized_json"

    @property
    def speakers(self) -> dict[str, Any]:
        """The fields of the operation for that.

        Raises:
            InputError: There are not as many recordings as names.
        """
        if not self.wants_speakers:
            return {}
        names, references = self.known_speaker_names, self.known_speaker_references
        with blaming("known_speaker_references"):
            if len(names) != len(references):
                raise InputError(
                    f"There are {len(names)} known speaker names and {len(references)} references",
                    "Send a recording for each name, in the same order",
                )
            if not all(reference.startswith("data:") for reference in references):
                raise InputError("A known speaker reference is no data: URL", "Write it like data:audio/wav;base64,…")
        with blaming("known_speaker_names"):
            voices = require_voices(dict(zip(names, references, strict=True)))
            if len(voices) < len(names):
                raise InputError("A known speaker name is given twice", "Send one recording for each speaker")
        return {"speakers": True, "voices": voices, "diarizer": self.diarizer}

    @property
    def wants_logprobs(self) -> bool:
        """Whether log probabilities are wanted."""
        return "logprobs" in self.include


def transcriptions_router() -> APIRouter:
    """Return the endpoints of transcriptions and translations."""
    router = APIRouter(prefix="/v1/audio", tags=["audio"])
    answers: Mapping[int | str, dict[str, Any]] = {
        200: {
            "description": "In the format that was asked for.",
            "content": {"application/json": {}, "text/plain": {}, "text/event-stream": {}},
        },
    }
    file = {"file": "A recording or film, in any format that FFmpeg reads."}

    @router.post(
        "/transcriptions",
        response_class=Response,
        responses=dict(answers),
        openapi_extra=described(TranscriptionFields, files=file),
    )
    async def transcribe(request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Write down what is said, in the language that is spoken."""
        fields, audio = await with_recording(request, engine, owner, TranscriptionFields, "A transcription")
        common: dict[str, Any] = {
            **_common(request, fields, audio),
            "languages": tuple(fields.languages),
            "hotwords": ", ".join(fields.keywords) or None,
            **fields.speakers,
        }
        if fields.stream:
            return await streamed(
                engine,
                Transcribe(**common, word_timestamps=fields.wants_logprobs),
                owner,
                as_events(TranscriptEvents(logprobs=fields.wants_logprobs, speakers=fields.wants_speakers)),
                media_type="text/event-stream",
                headers=fields.headers,
                passing=[audio],
                request=request,
                begins_with=("finished",),
            )
        return await _answer(request, engine, owner, fields, common, audio)

    @router.post(
        "/translations",
        response_class=Response,
        responses=dict(answers),
        openapi_extra=described(TranslationFields, files=file),
    )
    async def translate(request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Write down in English what is said in another language."""
        fields, audio = await with_recording(request, engine, owner, TranslationFields, "A translation")
        return await _answer(request, engine, owner, fields, _common(request, fields, audio), audio, english=True)

    return router


def _common(request: Request, fields: WordFields, audio: Media) -> dict[str, Any]:
    """Return the fields that all operations for words have in common."""
    return {
        "audio": audio,
        "model": model_for(request, fields.model, _TASK),
        "language": fields.language,
        "initial_prompt": fields.prompt,
        "track": fields.track,
        "aligner": fields.aligner,
    }


def _warned(warnings: Sequence[str]) -> dict[str, str]:
    """Return the header that tells what was missing or damaged, as JSON: texts and subtitles have no room for it."""
    return {WARNINGS: json.dumps(list(warnings))} if warnings else {}


async def _answer(
    request: Request,
    engine: TheEngine,
    owner: str,
    fields: WordFields,
    common: dict[str, Any],
    audio: Media,
    *,
    english: bool = False,
) -> Response:
    """Run the operation for the format that was asked for, and give the whole answer."""
    logprobs = isinstance(fields, TranscriptionFields) and fields.wants_logprobs
    form = fields.response_format
    operation: Subtitle | Transcribe | Translate
    if form in ("srt", "vtt"):
        operation = Subtitle(**common, format=form, translate=english)
    else:
        operation = (Translate if english else Transcribe)(
            **common,
            word_timestamps=fields.wants_words or logprobs,
            segment_timestamps=form in ("verbose_json", "diarized_json"),
        )
    with blaming("input_audio" if fields.input_audio else "file"):
        job = await answered(request, engine, operation, owner, passing=[audio])
    headers = {MODEL: model_of(job), **fields.headers, **_warned((job.result or {}).get("warnings", ()))}
    if form in ("srt", "vtt"):
        made = SubtitleFile.from_dict(job.result or {})
        path, _ = await engine.artifact(job.id, made.artifact.name, owner=owner)
        text = await asyncio.to_thread(path.read_text, encoding="utf-8")
        return PlainTextResponse(text, headers={**headers, MODEL: made.transcription.model})
    said = Transcription.from_dict(job.result or {})
    if form == "diarized_json":
        return JSONResponse(diarized(said), headers=headers)
    if form == "text":
        return PlainTextResponse(f"{said.text}\n", headers=headers)
    document = verbose(said, words=fields.wants_words) if form == "verbose_json" else plain(said, logprobs=logprobs)
    return JSONResponse(document, headers=headers)
