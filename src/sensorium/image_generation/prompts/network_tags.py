"""Tags such as ``<lora:ink:0.8>`` in prompts, in the syntax of AUTOMATIC1111's web interface."""

from __future__ import annotations

import re
from typing import NamedTuple

from sensorium.errors import InputError, UnsupportedError

_TAG = re.compile(r"<(lora|lyco|hypernet):([^:<>]*)((?::[^:<>]*)*)>", re.IGNORECASE)


class LoraTag(NamedTuple):
    """A LoRA that a prompt names.

    Attributes:
        text: The tag as it stands there.
        name: The file's stem.
        weight: How strongly it counts; 1 if the tag doesn't say.
    """

    text: str
    name: str
    weight: float


def without_tags(prompt: str) -> str:
    """Return a prompt without its tags: what the text encoder reads."""
    return _TAG.sub("", prompt).strip() if _TAG.search(prompt) else prompt


def read_tags(prompt: str) -> tuple[LoraTag, ...]:
    """Return the LoRA files that a prompt names, in its order.

    Raises:
        InputError: A tag has no weight that is a number, or several.
        UnsupportedError: A tag names a hypernetwork.
    """
    return tuple(map(_read, _TAG.finditer(prompt)))


def refuse_tags(negative_prompt: str) -> None:
    """Refuse tags in a negative prompt.

    Raises:
        InputError: There is one.
    """
    if match := _TAG.search(negative_prompt):
        raise InputError(
            f"{match[0]} stands in the negative prompt, where it has no meaning",
            "Move it to the prompt; its weight may be below zero",
        )


def _read(match: re.Match[str]) -> LoraTag:
    kind, name, weights = match[1].lower(), match[2].strip(), match[3].removeprefix(":").strip()
    if kind == "hypernet":
        raise UnsupportedError(f"{match[0]} names a hypernetwork, and those are not used here", "Take it out")
    try:
        return LoraTag(match[0], name, float(weights or 1))
    except ValueError:
        raise InputError(
            f"The weight of {match[0]} can't be read: it is one number", f"Write <{kind}:{name}:0.8>"
        ) from None
