"""Pictures that a model painted: PIL images that know how they were made, and say so in the files they are saved to."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Self

import PIL.Image

from sensorium.errors import InputError
from sensorium.media.image import write_image
from sensorium.media.metadata import read_metadata
from sensorium.media.source import MediaSource
from sensorium.record import Record
from sensorium.version import VERSION

_SETTINGS = "sensorium"
_TYPES: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
    "tuple[Mapping[str, Any], ...]": list,
    "Mapping[str, Any] | None": (dict, type(None)),
}
"""What JSON gives for the types of `PictureSettings`."""
_MARKS = {
    "Software": f"Sensorium {VERSION}",
    # The term of the press and of C2PA for "made by a generative model".
    "DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
}


@dataclass(frozen=True, eq=False, repr=False)
class PictureSettings(Record):
    """Everything that decides how a picture looks, so that it can be made again.

    Attributes:
        kind: ``"text-to-image"``, ``"image-to-image"`` or ``"inpainting"``.
        prompt: What was to be painted.
        negative_prompt: What was not.
        seed: Of this very picture; with it the picture comes out again alone.
        steps: Denoising steps; None where the model knows no steps.
        guidance_scale: How closely the prompt was followed; None where the model doesn't know it.
        width: In pixels.
        height: In pixels.
        scheduler: Name of the sampler, as `TextToImage.generate` takes it, or its class; "" if there is none.
        strength: How much of the first picture was repainted, from 0 to 1; None for text-to-image.
        image_sha256: Sum of the pixels of the first picture; "" for text-to-image.
        mask_sha256: Sum of the pixels of the mask; "" without one.
        loras: Name, sha256 and weight of each LoRA file.
        model: Name of the checkpoint.
        revision: Its commit on the hub, or "".
        device: Kind of device, precision and library versions: on the same ones the same pixels come out.
        safety: ``"ok"``, ``"flagged"``, or ``"not checked"``.
        options: What other settings the kind of painting has, such as control maps and their weights.
    """

    kind: str
    prompt: str
    negative_prompt: str
    seed: int | None
    width: int
    height: int
    model: str
    revision: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str = ""
    strength: float | None = None
    image_sha256: str = ""
    mask_sha256: str = ""
    loras: tuple[Mapping[str, Any], ...] = ()
    device: str = ""
    safety: str = "not checked"
    options: Mapping[str, Any] | None = None


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
            fp: Path that ends in .png, .jpg, .jpeg or .webp. With another suffix, an open file, a ``format`` or further
                parameters, this is PIL's own `save`, which knows nothing of the settings.
            format: As in PIL.
            params: As in PIL.

        Raises:
            InputError: The file can't be written.
        """
        suffix = Path(fp).suffix.lower() if isinstance(fp, (str, os.PathLike)) else ""
        if format is None and not params and suffix in (".png", ".jpg", ".jpeg", ".webp"):
            write_image(self, fp, metadata={str(name): str(text) for name, text in self.info.items()})
        else:
            super().save(fp, format, **params)


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

    def to_dict(self) -> dict[str, Any]:
        """Return the settings of all pictures, ready for ``json.dumps``."""
        return {
            "pictures": [settings.to_dict() for settings in self.settings],
            "withheld": self.withheld,
            "notes": list(self.notes),
        }


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
        table = json.loads(metadata[_SETTINGS])
        known = {field.name: table[field.name] for field in fields(PictureSettings) if field.name in table}
        missing = [f.name for f in fields(PictureSettings) if f.default is MISSING and f.name not in known]
        if missing or not _well_formed(known):
            raise ValueError(missing)
        known["loras"] = tuple(known.get("loras", ()))
        return PictureSettings(**known)
    except (KeyError, ValueError, TypeError, RecursionError):
        raise InputError(
            f"The {name} doesn't say how it was made",
            "Give a picture that Sensorium painted, as it was saved: other programs drop what it says",
        ) from None


def _well_formed(known: Mapping[str, Any]) -> bool:
    """Return whether settings from a file, which anybody may have written, have the types that they are used as."""
    whole = all(isinstance(known[f.name], _TYPES[str(f.type)]) for f in fields(PictureSettings) if f.name in known)
    options = known.get("options") or {}
    if not whole or not isinstance(options.get("prompt_weight", 0), (int, float)):
        return False
    controls = options.get("controls", [])
    if not isinstance(controls, list):
        return False
    return all(_has(lora, ("name", "sha256"), ("weight",)) for lora in known.get("loras", ())) and all(
        _has(control, ("control", "model", "image_sha256"), ("weight", "start", "end")) for control in controls
    )


def _has(table: Any, texts: tuple[str, ...], numbers: tuple[str, ...]) -> bool:
    return (
        isinstance(table, dict)
        and all(isinstance(table.get(name), str) for name in texts)
        and all(isinstance(table.get(name), (int, float)) for name in numbers)
    )
