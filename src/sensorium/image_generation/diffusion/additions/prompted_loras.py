"""LoRA files that a prompt names by tags such as ``<lora:ink:0.8>``: files of the call, or of the user's own folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sensorium.errors import InputError
from sensorium.image_generation.diffusion.additions.lora import Lora
from sensorium.image_generation.diffusion.additions.named_files import NamedFiles, lora_files
from sensorium.image_generation.prompts.network_tags import LoraTag, read_tags, refuse_tags
from sensorium.media.limits import Limits


def with_prompted_loras(loras: Sequence[Lora], prompt: str, negative_prompt: str, limits: Limits) -> tuple[Lora, ...]:
    """Return the LoRA files of a call with those that its prompt names.

    A tag says how strongly a file counts that was given with the call. Tags that name the same file add up.

    Args:
        loras: Files that were given.
        prompt: With or without tags.
        negative_prompt: May have none.
        limits: Whether files on this machine may be named. Where they may not, the folder's place is not told.

    Raises:
        InputError: A tag names no file, has no readable weight, or stands in the negative prompt.
        UnsupportedError: A tag names a hypernetwork.
    """
    refuse_tags(negative_prompt)
    tags = read_tags(prompt)
    if not tags:
        return tuple(loras)
    files, weights = lora_files(), dict[Lora, float]()
    for tag in tags:
        lora = _find(tag, loras, files, limits)
        weights[lora] = weights.get(lora, 0.0) + tag.weight
    given = [replace(lora, weight=weights.pop(lora, lora.weight)) for lora in loras]
    return (*given, *(replace(lora, weight=weight) for lora, weight in weights.items()))


def _find(tag: LoraTag, loras: Sequence[Lora], files: NamedFiles, limits: Limits) -> Lora:
    for same in (str, str.lower):
        for lora in loras:
            if same(lora.stem) == same(tag.name):
                return lora
    file = files.find(tag.name)
    if file is not None:
        return Lora(file, 1.0)
    given = f" among the files given ({', '.join(lora.stem for lora in loras)})" if loras else ""
    folder = f"in the folder {str(files.folder)!r}" if limits.allow_files else "in the server's folder"
    where = " and ".join(filter(None, [given.strip(), folder if files.folder is not None else ""]))
    remedy = files.suggestion(tag.name, *(lora.stem for lora in loras)) + "Give its file with the call"
    if limits.allow_files:
        remedy += f", or put it into {'that folder' if files.folder else f'a folder that {files.variable} names'}"
    raise InputError(f"{tag.text} names no LoRA file{f' {where}' if where else ''}", remedy)
