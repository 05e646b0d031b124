"""``/asr`` and ``/detect-language``: what Bazarr and other subtitle programs ask of whisper-asr-webservice."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel

from sensorium.errors import InputError
from sensorium.operations.speech_to_text import DetectLanguage, Subtitle, SubtitleFile, Transcribe, Translate
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.answering import MODEL, answered, model_of
from sensorium.server.openai.recordings import kept_stream, spoken_language
from sensorium.server.openai.transcripts import language_name, of_web_service
from sensorium.speech.speech_to_text import DetectedLanguage, Transcription

_FILE = "audio_file"
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {_FILE: {"type": "string", "format": "binary"}},
                    "required": [_FILE],
                }
            }
        },
    }
}

Encode = Annotated[
    bool, Query(description="False if the file is bare samples: mono, 16 bits, little-endian, at 16 kHz.")
]


class SpokenLanguage(BaseModel):
    """Which language is spoken."""

    detected_language: str
    language_code: str
    confidence: float


def subtitles_router() -> APIRouter:
    """Return the endpoints of whisper-asr-webservice."""
    router = APIRouter(tags=["subtitles"])

    @router.post(
        "/asr",
        response_class=Response,
        responses={
            200: {
                "description": "In the format that was asked for.",
                "content": {"text/plain": {}, "application/json": {}},
            },
        },
        openapi_extra=_FORM,
    )
    async def write_down(
        request: Request,
        engine: TheEngine,
        owner: TheOwner,
        encode: Encode = True,
        task: Literal["transcribe", "translate"] = "transcribe",
        language: str | None = None,
        initial_prompt: str | None = None,
        output: Literal["txt", "vtt", "srt", "tsv", "json"] = "txt",
        word_timestamps: Annotated[bool, Query(description="Whether JSON lists words with their times.")] = False,
    ) -> Response:
        """Write subtitles for a film of any length, or what is said in it as text, table or JSON."""
        common: dict[str, Any] = {
            "language": spoken_language(language),
            "initial_prompt": initial_prompt or None,
        }
        audio = await kept_stream(request, engine, owner, _FILE, bare=not encode)
        headers = {
            "asr-engine": "sensorium",
            "content-disposition": f'attachment; filename="subtitles.{output}"',
        }
        if output == "json":
            kind = Translate if task == "translate" else Transcribe
            operation = kind(audio=audio, **common, word_timestamps=word_timestamps)
            with blaming(_FILE):
                job = await answered(request, engine, operation, owner, passing=[audio])
            document = of_web_service(Transcription.from_dict(job.result or {}))
            return JSONResponse(document, headers={**headers, MODEL: model_of(job)})
        subtitle = Subtitle(audio=audio, **common, format=output, translate=task == "translate")
        with blaming(_FILE):
            job = await answered(request, engine, subtitle, owner, passing=[audio])
        made = SubtitleFile.from_dict(job.result or {})
        path, _ = await engine.artifact(job.id, made.artifact.name, owner=owner)
        text = await asyncio.to_thread(path.read_text, encoding="utf-8")
        return PlainTextResponse(text, headers={**headers, MODEL: made.transcription.model})

    @router.post("/detect-language", response_model=SpokenLanguage, openapi_extra=_FORM)
    async def detect_language(
        request: Request, engine: TheEngine, owner: TheOwner, encode: Encode = True
    ) -> JSONResponse:
        """Tell which language is spoken, judged by the first two minutes of speech."""
        audio = await kept_stream(request, engine, owner, _FILE, bare=not encode)
        with blaming(_FILE):
            job = await answered(request, engine, DetectLanguage(audio=audio), owner, passing=[audio])
            found = DetectedLanguage.from_dict(job.result or {})
            if not found.language:
                raise InputError("Nobody speaks in the recording", "Send one in which somebody does")
        document = SpokenLanguage(
            detected_language=language_name(found.language),
            language_code=found.language,
            confidence=found.probability,
        )
        return JSONResponse(document.model_dump(), headers={MODEL: found.model})

    return router
