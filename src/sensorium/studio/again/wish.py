"""A job as something to be done again: its fields, and files under names that anybody may have on a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sensorium import settings
from sensorium.engine.job import Job
from sensorium.operations.media import ARTIFACT, UPLOAD, Media, with_media
from sensorium.operations.operation import ModelOperation, Operation
from sensorium.operations.registry import operation_named

_USUAL = {"mask": "mask.png", "audio": "recording.wav", "reference": "reference.wav", "film": "film.mp4"}
_PICTURE = "photo.jpg"
_ONLY_FOR_THE_PAGE = ("previews", "stream")


@dataclass(frozen=True)
class Wish:
    """What is to be done again.

    Attributes:
        operation: Name of the operation.
        fields: Those that aren't as they are by default, with the names of files where media were.
        sent: The same with the media as the server knows them.
        names: From the media that are no addresses to the names of files that stand for them.
        artifacts: The names of the files that the job made.
    """

    operation: str
    fields: Mapping[str, Any]
    sent: Mapping[str, Any]
    names: Mapping[str, str]
    artifacts: Sequence[str]


def wish_of(job: Job, names: Mapping[str, str]) -> Wish:
    """Return what a job did.

    Args:
        job: The job. If it is done, what was left to chance is what it was.
        names: What its uploads are called, as far as that is known.
    """
    operation = _as_it_was(operation_named(job.operation).of(dict(job.arguments)), job.result or {})
    given = _given(operation)
    files = _files(given, names)
    if isinstance(operation, ModelOperation) and not operation.model and not operation.profile:
        # Where the page isn't served with the usual profile, others may not have it either.
        profile = settings.profile()
        given |= {"profile": profile} if profile != "starter" else {}
    fields = {name: with_media(value, files) for name, value in given.items()}
    sent = {name: with_media(value, {}) for name, value in given.items()}
    made = tuple(artifact.name for artifact in job.artifacts) if job.state == "done" else ()
    return Wish(job.operation, fields, sent, files, made)


def _as_it_was(operation: Operation, result: Mapping[str, Any]) -> Operation:
    """Return an operation with the numbers that were chosen for it."""
    pictures = result.get("pictures") or ()
    chosen = pictures[0]["settings"] if pictures else result
    numbers = ("seed", "steps") if operation.name == "control" else ("seed",)
    drawn = {
        name: chosen[name]
        for name in numbers
        if name in type(operation).model_fields and getattr(operation, name) is None and chosen.get(name) is not None
    }
    return operation.model_copy(update=drawn)


def _given(operation: Operation) -> dict[str, Any]:
    return {
        name: getattr(operation, name)
        for name, field in type(operation).model_fields.items()
        if name not in _ONLY_FOR_THE_PAGE
        and (field.is_required() or getattr(operation, name) != field.get_default(call_default_factory=True))
    }


def _files(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    from sensorium.operations.media import media_in

    files: dict[str, str] = {}
    for field, value in given.items():
        for media in media_in(value):
            if media not in files and media.startswith((UPLOAD, ARTIFACT, "data:")):
                files[media] = _unlike(_name_for(media, field, names), files)
    return files


def _name_for(media: Media, field: str, names: Mapping[str, str]) -> str:
    if media.artifact is not None:
        return PurePath(media.artifact[1]).name
    name = PurePath(names.get(media, "")).name
    if not PurePath(name).suffix:
        return _USUAL.get(field, _PICTURE)
    return f"./{name}" if name.startswith("-") else name


def _unlike(name: str, taken: Mapping[str, str]) -> str:
    number, found = 1, name
    while found in taken.values():
        number += 1
        path = PurePath(name)
        found = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
    return found
