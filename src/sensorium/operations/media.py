"""How an operation names a picture, a recording or a film."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

UPLOAD = "upload:"
ARTIFACT = "artifact:"


class Media(str):
    """A reference to a medium; whoever runs the operation finds what it stands for (`Tasks.media`).

    ``upload:ID`` is a file that was sent to a server before, ``artifact:JOB/NAME`` a file that an earlier job made;
    besides, there are ``data:`` URIs and http(s) addresses. Only the command line and batches may name files by their
    paths; ``-`` is the command line's standard input. A server refuses both.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._read)

    @classmethod
    def _read(cls, value: Any) -> Media:
        # Not pydantic's own check of texts, which refuses names of files that are no valid Unicode.
        if not isinstance(value, str) or not value:
            raise ValueError("input should be a text that names a medium")
        return cls(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "format": "media",
            "description": "upload:ID, artifact:JOB/NAME, a data: URI, or an http(s) address",
        }

    @property
    def upload(self) -> str | None:
        """The id of the upload that it refers to, or None."""
        return self.removeprefix(UPLOAD) if self.startswith(UPLOAD) else None

    @property
    def artifact(self) -> tuple[str, str] | None:
        """The id of the job and the name of its artifact, or None."""
        job, slash, name = self.removeprefix(ARTIFACT).partition("/")
        return (job, name) if self.startswith(ARTIFACT) and slash else None


def _as_path(value: Any) -> str:
    # As for `Media`: names of folders need be no valid Unicode.
    if not isinstance(value, str) or not value:
        raise ValueError("input should be a text that names a folder")
    return value


PathText: TypeAlias = Annotated[
    str, PlainValidator(_as_path, json_schema_input_type=Annotated[str, Field(min_length=1)])
]
"""The path of a folder of the command line's own machine."""


@dataclass(frozen=True)
class Origin:
    """What a file is called by those who may not know where it lies.

    Attributes:
        reference: How an operation names it.
        name: What its owner calls it.
    """

    reference: Media
    name: str


def media_in(value: Any) -> Iterator[Media]:
    """Yield every `Media` inside an operation, a list, a mapping …, each as often as it is there."""
    if isinstance(value, Media):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from media_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from media_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from media_in(item)


def with_media(value: Any, replacements: Mapping[str, str]) -> Any:
    """Return the plain form (JSON) of a value with its media replaced, such as paths by uploads.

    Args:
        value: An operation, a list, a mapping …
        replacements: Which reference stands for which; others stay.
    """
    if isinstance(value, Media):
        return str(replacements.get(value, value))
    if isinstance(value, BaseModel):
        return {name: with_media(getattr(value, name), replacements) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {name: with_media(item, replacements) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [with_media(item, replacements) for item in value]
    return value
