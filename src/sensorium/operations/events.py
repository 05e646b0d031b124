"""Events of running operations as plain JSON, on their way to another process or over a network."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from sensorium.errors import InputError
from sensorium.progress import Event, Finished, Note, Piece, Preview, Progress, Sound
from sensorium.record import plain

_PREVIEW_QUALITY = 80


def event_document(event: Event) -> dict[str, Any]:
    """Return an event ready for ``json.dumps``; pictures and sound are written in base64."""
    match event:
        case Progress(stage, done, total, unit):
            return {"type": "progress", "stage": stage, "done": done, "total": total, "unit": unit}
        case Preview(image, step):
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=_PREVIEW_QUALITY)
            data = {"image": _base64(buffer.getvalue()), "media_type": "image/jpeg"}
            return {"type": "preview", "step": step, "width": image.width, "height": image.height, **data}
        case Finished(result):
            return {"type": "finished", "result": plain(result)}
        case Piece(text):
            return {"type": "piece", "text": text}
        case Sound(data, media_type):
            return {"type": "sound", "data": _base64(data), "media_type": media_type}
        case Note(text):
            return {"type": "note", "text": text}


def event_from(document: Mapping[str, Any]) -> Event:
    """Return the event that `event_document` made a document of; the result of a `Finished` stays a document.

    Raises:
        InputError: It is no such document.
    """
    try:
        match document["type"]:
            case "progress":
                return Progress(document["stage"], document["done"], document["total"], document["unit"])
            case "preview":
                import PIL.Image

                image = PIL.Image.open(io.BytesIO(base64.b64decode(document["image"])), formats=["JPEG"])
                return Preview(image, document["step"])
            case "finished":
                return Finished(document["result"])
            case "piece":
                return Piece(document["text"])
            case "sound":
                return Sound(base64.b64decode(document["data"]), document["media_type"])
            case "note":
                return Note(document["text"])
    except (KeyError, TypeError, ValueError, OSError):
        pass
    raise InputError("This document holds no event", "Give one that was made by event_document, as it was")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
