"""What a picture says of itself: everything that decides how it looks, so that it can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from sensorium.record import Record

NOT_CHECKED = "not checked"
"""What `PictureSettings.safety` is where no safety checker has looked."""

_TYPES: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
    "tuple[Mapping[str, Any], ...]": list,
    "Mapping[str, Any] | None": (dict, type(None)),
}
"""What JSON gives for the types of `PictureSettings`."""


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
        embeddings: Name, sha256 and word of each embedding whose word stands in a prompt.
        ip_adapters: Of each IP-Adapter its name, commit or sha256, image encoder, scale and part, and sums of the
            pixels of the pictures that this one was to look like.
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
    embeddings: tuple[Mapping[str, Any], ...] = ()
    ip_adapters: tuple[Mapping[str, Any], ...] = ()
    device: str = ""
    safety: str = NOT_CHECKED
    options: Mapping[str, Any] | None = None


def settings_of(table: Any) -> PictureSettings:
    """Return settings that anybody may have written, as JSON gives them.

    Raises:
        ValueError, TypeError: They are none.
    """
    known = {field.name: table[field.name] for field in fields(PictureSettings) if field.name in table}
    missing = [f.name for f in fields(PictureSettings) if f.default is MISSING and f.name not in known]
    if missing or not _well_formed(known):
        raise ValueError(missing)
    for name in ("loras", "embeddings", "ip_adapters"):
        known[name] = tuple(known.get(name, ()))
    return PictureSettings(**known)


def _well_formed(known: Mapping[str, Any]) -> bool:
    """Return whether settings from a file, which anybody may have written, have the types that they are used as."""
    whole = all(isinstance(known[f.name], _TYPES[str(f.type)]) for f in fields(PictureSettings) if f.name in known)
    options = known.get("options") or {}
    numbers = (options.get(name, 0) for name in ("prompt_weight", "image_guidance_scale"))
    if not whole or not all(isinstance(number, (int, float)) for number in numbers):
        return False
    controls = options.get("controls", [])
    if not isinstance(controls, list):
        return False
    if not all(map(is_ip_adapter, known.get("ip_adapters", ()))):
        return False
    tables = [
        *((lora, ("name", "sha256"), ("weight",)) for lora in known.get("loras", ())),
        *((embedding, ("name", "sha256", "word"), ()) for embedding in known.get("embeddings", ())),
        *((control, ("control", "model", "image_sha256"), ("weight", "start", "end")) for control in controls),
    ]
    return all(_has(*table) for table in tables)


def is_ip_adapter(table: Any) -> bool:
    """Return whether a table says of an IP-Adapter what has to be known to paint with it again."""
    sums = table.get("images") if isinstance(table, dict) else None
    known = isinstance(sums, list) and all(isinstance(each, str) for each in sums)
    return known and _has(table, ("name", "revision", "sha256", "encoder", "part"), ("scale",))


def _has(table: Any, texts: tuple[str, ...], numbers: tuple[str, ...]) -> bool:
    return (
        isinstance(table, dict)
        and all(isinstance(table.get(name), str) for name in texts)
        and all(isinstance(table.get(name), (int, float)) for name in numbers)
    )
