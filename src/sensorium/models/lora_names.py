"""How LoRA files of the hub are called: ``owner/repository``, or one of its files behind that."""

from __future__ import annotations

import re

from sensorium.models.single_file import SUFFIX

LORA = "lora:"
"""Where models are named, the names of LoRA files of the hub begin with this."""
LORA_TASK = "lora"
"""What a checkpoint does that is only put on others."""

_NAME = re.compile(r"([\w-][\w.-]*/[\w-][\w.-]*)((?:/[^/\\\x00-\x1f]+)*)")
LONGEST_NAME = 200
"""In bytes: a file of such a name is kept while it is fetched."""
_LONGEST_REPOSITORY = 96
_FILES = (SUFFIX, ".ckpt", ".pt", ".pth", ".bin")


def hub_lora(name: str) -> tuple[str, str] | None:
    """Return the repository and the file, or "", that a text may name, with or without `LORA` before it; else None."""
    found = _NAME.fullmatch(name.removeprefix(LORA))
    if (
        not found
        or len(name.encode()) > LONGEST_NAME
        or len(found[1]) > _LONGEST_REPOSITORY
        or found[1].endswith(_FILES)
        or ".." in name.split("/")
    ):
        return None
    file = found[2].removeprefix("/")
    return (found[1], file) if not file or file.endswith(SUFFIX) else None
