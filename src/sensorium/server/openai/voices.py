"""``/v1/audio/voices`` and ``/v1/audio/voice_consents``: voices made of recordings, and the lists that clients read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from sensorium.engine.custom_voices import Consent, CustomVoice
from sensorium.engine.interface import Engine
from sensorium.errors import InputError, UnsupportedError
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.operations.media import Media
from sensorium.operations.speech_to_text import Transcribe
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.aliases import aliases, model_for
from sensorium.server.openai.answering import answered
from sensorium.server.openai.documented import described
from sensorium.server.openai.fields import Fields, Form, is_form, kept, read_form, read_json
from sensorium.server.openai.recordings import spoken_language
from sensorium.server.openai.voice_choice import voices_of
from sensorium.speech.speaking_checkpoints import VOICE_TASK
from sensorium.speech.transcription import Transcription

_LARGEST = 10 * 1024 * 1024
_SHORTEST = 3.0

Name = Annotated[str, Field(min_length=1, max_length=256)]


class ConsentFields(Fields):
    """What is asked of a statement of consent."""

    name: Name
    """What you call it."""
    language: Annotated[str, Field(min_length=1)]
    """The language of the statement, such as "en-US"."""


class NameFields(Fields):
    """Another name."""

    name: Name
    """What you call it."""


class VoiceFields(Fields):
    """What is asked of a new voice."""

    name: Name
    """What you call it."""
    consent: str | None = None
    """The id of the statement in which the person agrees."""
    type: str | None = None
    """audio_sample; voices can't be made of descriptions here."""


def voices_router() -> APIRouter:
    """Return the endpoints of voices and of statements of consent."""
    router = APIRouter(prefix="/v1/audio", tags=["voices"])
    _add_consents(router)
    _add_voices(router)
    _add_lists(router)
    return router


def _add_consents(router: APIRouter) -> None:
    recording = {"recording": "The person says that they agree; at most 10 MiB."}

    @router.post("/voice_consents", openapi_extra=described(ConsentFields, as_json=False, files=recording))
    async def add_consent(request: Request, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Keep a recorded statement of consent; its words are written down."""
        form = await _form(request)
        fields = ConsentFields.of(form.fields, "A statement of consent")
        language = spoken_language(fields.language)
        async with _received(request, engine, owner, form, "recording", language) as (media, said):
            consent = await engine.voices.add_consent(
                owner=owner, name=fields.name, language=fields.language, statement=said.text, recording=media
            )
        return _consent(consent)

    @router.get("/voice_consents")
    async def list_consents(
        engine: TheEngine,
        owner: TheOwner,
        after: Annotated[str | None, Query(description="Only those older than this one.")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> dict[str, Any]:
        """List statements of consent, the newest first."""
        with blaming("after"):
            found = await engine.voices.consents(owner, after=after, limit=limit + 1)
        shown = found[:limit]
        return {
            "object": "list",
            "data": [_consent(each) for each in shown],
            "first_id": shown[0].id if shown else None,
            "last_id": shown[-1].id if shown else None,
            "has_more": len(found) > limit,
        }

    @router.get("/voice_consents/{consent}")
    async def show_consent(consent: str, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Show a statement of consent."""
        return _consent(await engine.voices.consent(consent, owner))

    @router.post("/voice_consents/{consent}", openapi_extra=described(NameFields))
    async def rename_consent(consent: str, request: Request, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Call a statement of consent something else."""
        fields = NameFields.of(await read_json(request), "A statement of consent")
        return _consent(await engine.voices.rename_consent(consent, owner, fields.name))

    @router.delete("/voice_consents/{consent}")
    async def delete_consent(consent: str, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Delete a statement of consent, its recording, and the voices that rest on it."""
        await engine.voices.delete_consent(consent, owner)
        return {"id": consent, "object": "audio.voice_consent", "deleted": True}


def _add_voices(router: APIRouter) -> None:
    sample = {"audio_sample": "3 to 30 seconds of speech of one person; at most 10 MiB."}

    @router.post("/voices", openapi_extra=described(VoiceFields, files=sample))
    async def add_voice(request: Request, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Make a voice of a recording, with the consent of the person whose voice it is."""
        form = await read_form(request) if is_form(request) else Form(await read_json(request), {})
        fields = VoiceFields.of(form.fields, "A voice")
        if (fields.type or "audio_sample") != "audio_sample":
            error = UnsupportedError(
                f"Voices can't be made from {str(fields.type)[:40]!r} here",
                'Send a recording, with type "audio_sample"',
            )
            error.param = "type"
            raise error
        with blaming("consent"):
            if not fields.consent:
                raise InputError(
                    "A voice needs the consent of the person whose voice it is",
                    "Send their statement to /v1/audio/voice_consents, and its id as 'consent'",
                )
            await engine.voices.consent(fields.consent, owner)
        async with _received(request, engine, owner, form, "audio_sample", None) as (media, said):
            voice = await engine.voices.add_voice(
                owner=owner,
                name=fields.name,
                consent=fields.consent,
                recording=media,
                text=said.text,
                seconds=said.duration,
            )
        return _voice(voice)

    @router.get("/voices/{voice}")
    async def show_voice(voice: str, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Show a voice that was made of a recording."""
        return _voice(await engine.voices.voice(voice, owner))

    @router.delete("/voices/{voice}")
    async def delete_voice(voice: str, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """Delete a voice and its recording."""
        await engine.voices.delete_voice(voice, owner)
        return {"id": voice, "object": "audio.voice.deleted", "deleted": True}


def _add_lists(router: APIRouter) -> None:
    @router.get("/voices")
    async def list_voices(request: Request, engine: TheEngine, owner: TheOwner) -> dict[str, Any]:
        """List the voices of the model that speaks by default, and those that were made of recordings."""
        found = await asyncio.to_thread(_own, _checkpoint(request, None))
        found += [
            {**_voice(each), "type": "custom", "language": None, "model": None}
            for each in await engine.voices.voices(owner)
        ]
        return {"object": "list", "voices": found, "data": found}

    @router.get("/speech/voices", response_class=Response)
    async def list_voices_of_a_model(request: Request, model_id: str | None = None) -> JSONResponse:
        """List the voices of a model."""
        return JSONResponse(await asyncio.to_thread(_own, _checkpoint(request, model_id)))

    @router.get("/models")
    async def list_models(request: Request) -> dict[str, Any]:
        """List the models that speak: those on this machine, and the names that stand for one of them."""
        found = await asyncio.to_thread(_speaking, sorted(aliases(request.app.state.options).get(VOICE_TASK, {})))
        return {"object": "list", "models": found, "data": found}


def _checkpoint(request: Request, model: str | None) -> Checkpoint:
    profile = request.app.state.options.profile or catalog.current_profile()
    with blaming("model"), catalog.names_only():
        return catalog.resolve(model_for(request, model, VOICE_TASK), task=VOICE_TASK, profile=profile)


def _own(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    language = checkpoint.languages[0] if checkpoint.languages else None
    return [
        {
            "id": name,
            "object": "audio.voice",
            "name": name,
            "type": "own",
            "language": language,
            "model": checkpoint.name,
            "model_id": checkpoint.name,
        }
        for name in voices_of(checkpoint)
    ]


def _speaking(names: list[str]) -> list[dict[str, Any]]:
    here = [entry.name for entry in catalog.entries(VOICE_TASK) if store.is_present(entry)]
    return [{"id": name, "object": "model", "created": 0, "owned_by": "sensorium"} for name in (*here, *names)]


def _consent(consent: Consent) -> dict[str, Any]:
    return {
        "id": consent.id,
        "object": "audio.voice_consent",
        "name": consent.name,
        "language": consent.language,
        "created_at": int(consent.created),
        "statement": consent.statement,
    }


def _voice(voice: CustomVoice) -> dict[str, Any]:
    return {
        "id": voice.id,
        "object": "audio.voice",
        "name": voice.name,
        "created_at": int(voice.created),
        "type": "audio_sample",
        "consent": voice.consent,
    }


async def _form(request: Request) -> Form:
    if not is_form(request):
        raise InputError("The request is no form", "Send multipart/form-data with the recording as a file")
    return await read_form(request)


@asynccontextmanager
async def _received(
    request: Request, engine: Engine, owner: str, form: Form, name: str, language: str | None
) -> AsyncIterator[tuple[Media, Transcription]]:
    """Keep a recording of a form, and write down what is said in it; it is deleted if the block fails.

    Raises:
        InputError: It is missing, too large or too short, or nobody speaks in it.
    """
    with blaming(name):
        file = next(iter(form.files.get(name, ())), None)
        if file is None:
            raise InputError("There is no recording", f"Send it as the file {name!r} of the form")
        if (file.size or 0) > _LARGEST:
            raise InputError("The recording is larger than 10 MiB", "Send a shorter one")
        media = await kept(engine, file, owner)
        try:
            asked = Transcribe(audio=media, language=language, segment_timestamps=False)
            job = await answered(request, engine, asked, owner)
            said = Transcription.from_dict(job.result or {})
            if not said.text:
                raise InputError("Nobody speaks in the recording", "Send one in which the person speaks")
            if name == "audio_sample" and said.duration < _SHORTEST:
                raise InputError(
                    f"The recording lasts {said.duration:.1f} seconds", f"Send one of at least {_SHORTEST:.0f}"
                )
            yield media, said
        except BaseException:
            await engine.discard(media.upload or "")
            raise
