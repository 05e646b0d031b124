"""GGUF files of chat models that see: the language model in one file, its projector (mmproj) in another.

llama.cpp reads such a pair. transformers reads the language model of some families, and no projector.
"""

from __future__ import annotations

from pathlib import Path

PROJECTOR = "gguf-projector"
"""The family of a file that holds only the projector."""
SEEING = "gguf-seeing-model"
"""The family of a language model that was made to see, and that transformers doesn't read from GGUF."""
WORDS = "gguf"
"""The family of all other language models."""

_PROJECTORS = "*mmproj*.gguf"
_FAMILIES = {
    "clip": PROJECTOR,
    **dict.fromkeys(("chameleon", "cogvlm", "deepseek2-ocr", "hunyuan_vl", "llama4", "mistral3", "paddleocr"), SEEING),
    **dict.fromkeys(("qwen2vl", "qwen3vl", "qwen3vlmoe"), SEEING),
}
"""By the architecture that a file names, as llama.cpp writes it."""


def gguf_family(architecture: str) -> str:
    """Return the family of a GGUF file that is no painter."""
    return _FAMILIES.get(architecture, WORDS)


def described_gguf(path: Path, architecture: str) -> tuple[str, str]:
    """Return what a GGUF file is, and how it is asked about pictures; the latter is "" for words alone.

    Args:
        path: The file. A projector that lies beside it is named.
        architecture: As the file names it.
    """
    beside = sorted(each for each in path.parent.glob(_PROJECTORS) if each != path)
    family = gguf_family(architecture)
    if family == PROJECTOR:
        return "a projector (mmproj): what a chat model sees or hears with, without the language model", _served(
            "MODEL.gguf", path.name, "NAME"
        )
    what = f"a language model of the family {architecture!r}"
    if family == WORDS and not beside:
        return what, ""
    projector = beside[0].name if beside else "MMPROJ.gguf"
    seeing = (
        ", made to see with a projector (mmproj)" if family == SEEING else ", and a projector (mmproj) is beside it"
    )
    return what + seeing, _served(path.name, projector, path.stem)


def _served(model: str, projector: str, name: str) -> str:
    return (
        f"To ask about pictures, serve both files: 'llama-server -m {model} --mmproj {projector}', and choose the "
        f"model 'openai:{name}@http://localhost:8080/v1'"
    )
