"""What an agent gets for a job: the result as text it can read at once, pictures to look at, links to all files."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from sensorium.operations.artifact import Artifact

_JOBS = "sensorium://jobs/"
_RESULT = "result.json"
_READ_AT_ONCE = 24_000
"""Characters of a result that an agent reads at once; more would crowd out what it was doing."""
_SHOWN_OF_MANY = 20
_SHOWN_OF_TEXT = 8_000
_LARGEST_INLINE = 700_000
"""Bytes of a picture that is shown as it is; a larger one is shown smaller."""
_INLINE_SIDE = 1024
_PICTURES_INLINE = 4


def artifact_uri(job: str, name: str) -> str:
    """Return the address of a job's file as a resource."""
    return f"{_JOBS}{quote(job, safe='')}/{quote(name, safe='')}"


def result_uri(job: str) -> str:
    """Return the address of all of a job's result as a resource."""
    return f"{_JOBS}{quote(job, safe='')}/{_RESULT}"


def named_by(uri: str) -> tuple[str, str | None] | None:
    """Return the job and the name of its file that an address means: None for the result, and for another's address."""
    job, slash, name = uri.removeprefix(_JOBS).partition("/")
    if not uri.startswith(_JOBS) or not slash or not name:
        return None
    return unquote(job), None if name == _RESULT else unquote(name)


def answer(job: Mapping[str, Any], files: Mapping[str, Path], where: Mapping[str, str]) -> CallToolResult:
    """Return what a tool answers.

    Args:
        job: The job that has ended well, as its document.
        files: The artifacts' files that can be looked at, by name.
        where: What a user can open to see an artifact, by name: a path or an address.
    """
    artifacts = [Artifact.from_dict(each) for each in job["artifacts"]]
    result = {"result": job["result"], "job": job["id"], "model": job["model"]}
    if artifacts:
        result["files"] = [
            {
                "use_as": f"artifact:{job['id']}/{each.name}",
                **({"open": where[each.name]} if each.name in where else {}),
            }
            for each in artifacts
        ]
    whole = json.dumps(result, ensure_ascii=False)
    content: list[ContentBlock] = []
    if len(whole) <= _READ_AT_ONCE:
        content.append(TextContent(text=whole))
    else:
        content.append(TextContent(text=_fitting(result)))
        content.append(
            ResourceLink(
                uri=result_uri(job["id"]), name=_RESULT, mime_type="application/json", description="All of the result."
            )
        )
    for each in artifacts:
        uri = artifact_uri(job["id"], each.name)
        content.append(ResourceLink(uri=uri, name=each.name, mime_type=each.media_type, size=each.size))
    pictures = [each for each in artifacts if each.media_type.startswith("image/") and each.name in files]
    content += [_picture(files[each.name], each) for each in pictures[:_PICTURES_INLINE]]
    return CallToolResult(content=content, structured_content=result if len(whole) <= _READ_AT_ONCE else None)


def _fitting(result: dict[str, Any]) -> str:
    """Return the JSON of a long result with its long lists and texts cut, and a word about what was left out."""
    shown = _SHOWN_OF_MANY
    while shown > 1:
        text = json.dumps(_cut(result, shown, _SHOWN_OF_TEXT), ensure_ascii=False)
        if len(text) <= _READ_AT_ONCE:
            return text
        shown //= 2
    return json.dumps(_cut(result, 1, _SHOWN_OF_TEXT // 8), ensure_ascii=False)[:_READ_AT_ONCE]


def _cut(value: Any, most: int, characters: int) -> Any:
    if isinstance(value, Mapping):
        return {name: _cut(each, most, characters) for name, each in value.items()}
    if isinstance(value, list):
        shown = [_cut(each, most, characters) for each in value[:most]]
        return shown if len(value) <= most else [*shown, f"… and {len(value) - most} more in {_RESULT}"]
    if isinstance(value, str) and len(value) > characters:
        return f"{value[:characters]}… and {len(value) - characters} more characters in {_RESULT}"
    return value


def _picture(file: Path, artifact: Artifact) -> ImageContent:
    """Return a picture for an agent to look at; a large one smaller, the file itself stays what it is."""
    data, media_type = file.read_bytes(), artifact.media_type
    if len(data) > _LARGEST_INLINE:
        import PIL.Image

        with PIL.Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as picture:
            picture.thumbnail((_INLINE_SIDE, _INLINE_SIDE))
            small = io.BytesIO()
            picture.convert("RGB").save(small, "JPEG", quality=85)
        data, media_type = small.getvalue(), "image/jpeg"
    return ImageContent(data=base64.b64encode(data).decode("ascii"), mime_type=media_type)
