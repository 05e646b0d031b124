"""``/v1/audio/speech``: a text read aloud, sent while it is spoken."""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from pydantic import AfterValidator, BeforeValidator, Field

from sensorium.engine.custom_voices import Consent, CustomVoice, is_custom_voice
from sensorium.engine.growing_sound import GrowingSound
from sensorium.engine.interface import Engine
from sensorium.engine.job import Job, JobEvent
from sensorium.errors import InputError
from sensorium.media.audio_encoder import SOUND_FORMATS
from sensorium.models.catalog import names_only
from sensorium.operations.media import UPLOAD, Media
from sensorium.operations.text_to_speech import Clone, Speak
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.aliases import model_for
from sensorium.server.openai.answering import MODEL, Told, answered, as_events, model_of, streamed
from sensorium.server.openai.documented import described
from sensorium.server.openai.fields import Fields, read_json
from sensorium.server.openai.voice_choice import chosen_voice
from sensorium.server.operations import ended_well
from sensorium.speech.reference_recording import LONGEST
from sensorium.speech.speed_and_seed import MAX_SEED, MAX_SPEED, MIN_SPEED, require_seed, require_speed

VOICE = "x-sensorium-voice"
"""The header that says in which voice the model has answered."""

_STATEMENT = 300


def _speed(speed: float) -> float:
    with blaming("speed"):
        return require_speed(speed)


def _seed(seed: int | None) -> int | None:
    with blaming("seed"):
        return require_seed(seed)


class SpeechFields(Fields):
    """What is asked of a voice."""

    input: Annotated[str, Field(min_length=1)]
    """What to say, of any length."""
    model: str | None = None
    """An alias, a catalog name or a hub id; the profile's own if left out."""
    voice: str | dict[str, Any] | None = None
    """One of OpenAI's names, a voice of the model, or the id of a custom voice, also as {"id": …}."""
    response_format: Annotated[
        Literal["mp3", "opus", "aac", "flac", "wav", "pcm"], BeforeValidator(lambda sent: sent or "mp3")
    ] = "mp3"
    """Of the sound; pcm is 16 bits, mono, little-endian, 24 kHz."""
    speed: Annotated[
        float, AfterValidator(_speed), Field(json_schema_extra={"minimum": MIN_SPEED, "maximum": MAX_SPEED})
    ] = 1.0
    """1 is natural, 2 twice as fast."""
    stream_format: Literal["audio", "sse"] | None = None
    """sse sends events with base64; audio sends WAV while it is spoken too, with a head that can't say its length."""
    language: str | None = None
    """The language of the text; judged by its words if left out."""
    seed: Annotated[int | None, AfterValidator(_seed), Field(json_schema_extra={"minimum": 0, "maximum": MAX_SEED})] = (
        None
    )
    """Makes the voice say it another way; the same one each time if left out."""

    @property
    def voice_name(self) -> str | None:
        """The name or id of the voice.

        Raises:
            InputError: It is an object without an id.
        """
        if not isinstance(self.voice, dict):
            return self.voice
        name = self.voice.get("id")
        if not isinstance(name, str):
            with blaming("voice"):
                raise InputError("The voice has no id", 'Send {"id": "voice_…"}, or a name alone')
        return name


def speech_router() -> APIRouter:
    """Return the endpoint of speech."""
    router = APIRouter(prefix="/v1/audio", tags=["audio"])

    @router.post(
        "/speech",
        response_class=Response,
        responses={
            200: {
                "description": "The sound.",
                "content": {
                    **{form.media_type: {} for name, form in SOUND_FORMATS.items() if name != "m4a"},
                    "text/event-stream": {},
                },
            },
        },
        openapi_extra=described(SpeechFields),
    )
    async def speak(request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Read a text aloud."""
        fields = SpeechFields.of(await read_json(request), "Speech")
        whole = fields.response_format == "wav" and fields.stream_format is None
        operation, voice = await _operation(request, engine, owner, fields, stream=not whole)
        headers = {VOICE: voice.encode("ascii", "replace").decode(), **fields.headers}
        if whole:
            return await _whole(request, engine, owner, operation, headers)
        as_sse = fields.stream_format == "sse"
        return await streamed(
            engine,
            operation,
            owner,
            as_events(SpeechEvents()) if as_sse else _sound,
            media_type="text/event-stream" if as_sse else SOUND_FORMATS[fields.response_format].media_type,
            headers=headers,
            request=request,
            begins_with=("sound",),
        )

    return router


class SpeechEvents:
    """Shapes the events of a job as ``speech.audio.delta`` and ``speech.audio.done``."""

    def __init__(self) -> None:
        self._pieces = GrowingSound()

    def __call__(self, event: JobEvent) -> Iterator[dict[str, Any]]:
        """Yield what is sent for an event.

        Raises:
            SensoriumError: The job has ended without being done.
        """
        piece = self._pieces.new(event)
        if piece:
            yield {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode("ascii")}
        if event.document["type"] == "ended":
            job = ended_well(Job.from_dict(event.document["job"]))
            seconds = (job.result or {}).get("duration", 0.0)
            yield {"type": "speech.audio.done", "usage": {"type": "duration", "seconds": seconds}}


async def _sound(job: Job, told: Told) -> AsyncIterator[bytes]:
    """Yield the sound as it is made; a failure breaks the connection off, for sound can't tell it in another way."""
    pieces = GrowingSound()
    async for event in told:
        if piece := pieces.new(event):
            yield piece
        if event.document["type"] == "ended":
            ended_well(Job.from_dict(event.document["job"]))


async def _whole(
    request: Request, engine: Engine, owner: str, operation: Speak | Clone, headers: dict[str, str]
) -> Response:
    """Return the whole file: its head says exactly how long it is."""
    job = await answered(request, engine, operation, owner)
    path, media_type = await engine.artifact(job.id, job.artifacts[0].name, owner=owner)
    return FileResponse(path, media_type=media_type, headers={MODEL: model_of(job), **headers})


async def _operation(
    request: Request, engine: Engine, owner: str, fields: SpeechFields, *, stream: bool
) -> tuple[Speak | Clone, str]:
    """Return what is to be done, and the name of the voice that does it."""
    name = fields.voice_name
    seed = zlib.crc32((name or "").strip().lower().encode("utf-8", "replace")) if fields.seed is None else fields.seed
    common: dict[str, Any] = {
        "text": fields.input,
        "model": model_for(request, fields.model, Speak.task),
        "profile": request.app.state.options.profile,
        "format": fields.response_format,
        "speed": fields.speed,
        "language": fields.language or None,
        "seed": seed,
        "stream": stream,
    }
    if name is not None and is_custom_voice(name):
        with blaming("voice"):
            voice = await engine.voices.voice(name, owner)
            consent = await engine.voices.consent(voice.consent, owner)
        with blaming("input"):
            return Clone(**common, **_cloning(voice, consent)), voice.id
    with blaming("input"):
        spoken = Speak(**common)
    with blaming("model"), names_only():
        checkpoint = spoken.checkpoints()[0]
    own = await asyncio.to_thread(chosen_voice, name, checkpoint)
    return spoken.model_copy(update={"voice": own}), own or checkpoint.name


def _cloning(voice: CustomVoice, consent: Consent) -> dict[str, Any]:
    """Return what `Clone` takes of a voice: its recording, and who agreed to it, when, and in which words."""
    day = datetime.fromtimestamp(consent.created, UTC).date().isoformat()
    said = consent.statement if len(consent.statement) <= _STATEMENT else f"{consent.statement[:_STATEMENT]}…"
    return {
        "reference": Media(UPLOAD + voice.recording),
        "reference_text": voice.text if voice.seconds <= LONGEST else None,
        "consent": f"{consent.id} ({consent.name[:80]}, {consent.language}, recorded on {day}): {said}",
    }
