"""Pictures that a model painted: PIL images that know how they were made, and say so in the files they are saved to."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import PIL.Image
from PIL.PngImagePlugin import PngInfo

from sensorium.errors import InputError
from sensorium.image_generation.picture_settings import PictureSettings, settings_of
from sensorium.media.image import read_image, write_image
from sensorium.media.limits import Limits
from sensorium.media.metadata import read_metadata
from sensorium.media.source import MediaSource
from sensorium.version import VERSION

Part = TypeVar("Part")

_SETTINGS = "sensorium"
_MARKS = {
    "Software": f"Sensorium {VERSION}",
    # The term of the press and of C2PA for "made by a generative model".
    "DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
}


class GeneratedImage(PIL.Image.Image):
    """A PIL image that a model painted. `save` writes its settings into the file, and marks it as generated."""

    @classmethod
    def of(cls, image: PIL.Image.Image, settings: PictureSettings) -> Self:
        """Return ``image`` with its settings; pixels are shared, not copied."""
        image.load()
        made = cls()
        made.im = image.im
        made._mode, made._size = image.mode, image.size
        made.info = _as_text(settings)
        return made

    @property
    def settings(self) -> PictureSettings:
        """How the picture was made."""
        return _settings_in(self.info, "picture")

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        """Save the picture with its settings. A file appears complete or not at all.

        Args:
            fp: Path that ends in .png, .jpg, .jpeg or .webp. With another suffix, an open file, a ``format`` or other
                parameters than ``quality``, this is PIL's own `save`, which knows nothing of the settings.
            format: As in PIL.
            params: As in PIL.

        Raises:
            InputError: The file can't be written.
        """
        suffix = Path(fp).suffix.lower() if isinstance(fp, (str, os.PathLike)) else ""
        if format is None and params.keys() <= {"quality"} and suffix in (".png", ".jpg", ".jpeg", ".webp"):
            write_image(self, fp, metadata={str(name): str(text) for name, text in self.info.items()}, **params)
        else:
            super().save(fp, format, **params)

    def to_dict(self, *, pixels: bool = True) -> dict[str, Any]:
        """Return the settings, ready for ``json.dumps``, and as a data: URI the PNG file that `save` would write.

        Args:
            pixels: Whether the picture goes along; else only its settings do.
        """
        document: dict[str, Any] = {"settings": self.settings.to_dict()}
        return {**document, "picture": as_data_uri(self, self.info)} if pixels else document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the picture that `to_dict` made a document of.

        Raises:
            InputError: It is no such document, or was made without the pixels.
        """
        try:
            settings = settings_of(part_of(document, "settings", dict))
        except (ValueError, TypeError):
            raise _no_document("settings") from None
        return cls.of(from_data_uri(part_of(document, "picture", str)), settings)


class GeneratedImages(list[GeneratedImage]):
    """The pictures of one call, in the order of their seeds: a list of PIL images.

    Attributes:
        withheld: How many pictures ``safety="block"`` kept back.
        notes: What the caller should know, in sentences: words of the prompt that were not read, say.
    """

    def __init__(
        self, pictures: Iterable[GeneratedImage] = (), *, withheld: int = 0, notes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(pictures)
        self.withheld = withheld
        self.notes = notes

    @property
    def settings(self) -> list[PictureSettings]:
        """How each picture was made."""
        return [picture.settings for picture in self]

    @property
    def flagged(self) -> list[bool]:
        """For each picture, whether the checkpoint's safety checker objects to it."""
        return [settings.safety == "flagged" for settings in self.settings]

    def to_dict(self, *, pixels: bool = True) -> dict[str, Any]:
        """Return all pictures, ready for ``json.dumps``.

        Args:
            pixels: Whether the pictures go along, as `GeneratedImage.to_dict` has it; else only their settings do.
        """
        pictures = [picture.to_dict(pixels=pixels) for picture in self]
        return {"pictures": pictures, "withheld": self.withheld, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return the pictures that `to_dict` made a document of.

        Raises:
            InputError: It is no such document, or was made without the pixels.
        """
        return cls(
            map(GeneratedImage.from_dict, part_of(document, "pictures", list)),
            withheld=part_of(document, "withheld", int),
            notes=tuple(part_of(document, "notes", list)),
        )


def read_settings(source: PIL.Image.Image | MediaSource) -> PictureSettings:
    """Return how a picture was made, as its file says.

    Raises:
        InputError: The file can't be read, or says nothing of that kind.
    """
    if isinstance(source, GeneratedImage):
        return source.settings
    metadata, name = read_metadata(source)
    return _settings_in(metadata, name)


def pixel_sum(image: PIL.Image.Image | None) -> str:
    """Return the sha256 of a picture's pixels and size, whatever file they come in; "" for None."""
    if image is None:
        return ""
    return hashlib.sha256(f"{image.mode} {image.width}x{image.height} ".encode() + image.tobytes()).hexdigest()


def as_data_uri(image: PIL.Image.Image, metadata: Mapping[Any, Any] | None = None) -> str:
    """Return a picture as a data: URI of a PNG file.

    Args:
        image: The picture.
        metadata: Written into the file.
    """
    text = PngInfo()
    for name, value in (metadata or {}).items():
        text.add_text(str(name), str(value))
    file = io.BytesIO()
    PIL.Image.Image.save(image, file, "PNG", pnginfo=text)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def from_data_uri(uri: str) -> PIL.Image.Image:
    """Return the picture of a data: URI; paths and addresses are refused, for a document may come from anybody.

    Raises:
        InputError: It is no picture.
    """
    return read_image(uri, limits=Limits(allow_files=False, allow_urls=False))


def part_of(document: Mapping[str, Any], name: str, kind: type[Part]) -> Part:
    """Return a part of a document of generated pictures.

    Raises:
        InputError: The document has no such part.
    """
    part = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(part, kind):
        raise _no_document(name)
    return part


def _no_document(name: str) -> InputError:
    return InputError(
        f"This document holds no {name!r} of generated pictures", "Give one that was made by their to_dict, with pixels"
    )


def _as_text(settings: PictureSettings) -> dict[Any, Any]:
    """The settings once as JSON for us, and the most wanted ones as plain text for whoever opens the file."""
    plain = settings.to_dict()
    shown = {
        name: plain[name] for name in ("prompt", "negative_prompt", "seed", "steps", "guidance_scale", "scheduler")
    }
    shown.update(size=f"{settings.width}x{settings.height}", model=settings.model, revision=settings.revision)
    lines = {name: str(value) for name, value in shown.items() if value not in (None, "")}
    return {**_MARKS, **lines, _SETTINGS: json.dumps(plain, ensure_ascii=False)}


def _settings_in(metadata: Mapping[Any, Any], name: str) -> PictureSettings:
    try:
        return settings_of(json.loads(metadata[_SETTINGS]))
    except (KeyError, ValueError, TypeError, RecursionError):
        raise InputError(
            f"The {name} doesn't say how it was made",
            "Give a picture that Sensorium painted, as it was saved: other programs drop what it says",
        ) from None
