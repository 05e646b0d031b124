"""How many tokens a prompt has for a checkpoint's own text encoders, and which words they wouldn't read."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.image_generation.prompts.network_tags import without_tags
from sensorium.language.written_language import require_characters
from sensorium.models import catalog, store
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import open_part
from sensorium.record import Record

_TASK = "text-to-image"
_CHUNKED = {"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"}


@dataclass(frozen=True, eq=False, repr=False)
class TokenCount(Record):
    """A prompt as one tokenizer sees it.

    Attributes:
        tokenizer: The checkpoint's name for it: ``"tokenizer"``, ``"tokenizer_2"``, …
        tokens: How many tokens the prompt has, without begin and end signs.
        window: How many of them its text encoder reads at once.
        beyond: The words beyond the window, as they were written; "" if it fits.
    """

    tokenizer: str
    tokens: int
    window: int
    beyond: str


@dataclass(frozen=True, eq=False, repr=False)
class PromptLength(Record):
    """A prompt as a checkpoint sees it.

    Attributes:
        model: Name of the checkpoint.
        counts: One for each of its tokenizers.
        chunks: How many chunks the prompt is read in; 1 where the checkpoint can't do that.
        lost: The words that none of its text encoders will read, as they were written; "" for none.
    """

    model: str
    counts: tuple[TokenCount, ...]
    chunks: int
    lost: str


def count_tokens(
    prompt: str, model: str | os.PathLike[str] | None = None, *, profile: str | None = None
) -> PromptLength:
    """Count the tokens of a prompt.

    Tags such as ``<lora:ink:0.8>`` are none. Stable Diffusion 1, 2 and XL read a long prompt in chunks, and their
    attention syntax is no text. Checkpoints with
    other text encoders (Stable Diffusion 3, FLUX, …) read what fits the largest window.

    Args:
        prompt: With or without attention weights.
        model: Catalog name, hub id or local folder of a text-to-image checkpoint; None for the profile's default. It
            must be on this machine.
        profile: Whose default None means; by default the one in force.

    Raises:
        InputError: The prompt holds a character that is not valid Unicode.
        ModelUnavailableError: The checkpoint is unknown or not on this machine.
        UnsupportedError: It has no tokenizer.
    """
    require_characters(prompt, what="prompt")
    prompt = without_tags(prompt)
    checkpoint = catalog.resolve(model, task=_TASK, profile=profile)
    if checkpoint.endpoint:
        raise UnsupportedError(
            f"The tokens of {checkpoint.name!r} can't be counted: its tokenizer is behind a server",
            "Name a checkpoint that is on this machine",
        )
    if not store.is_present(checkpoint):
        raise ModelUnavailableError(
            f"The tokens of {checkpoint.name!r} can't be counted: it is not on this machine",
            f"Fetch it with 'sensorium models pull {checkpoint.name}', or name one that is here",
        )
    folder = store.locate(checkpoint)
    index = _read_index(folder, checkpoint)
    tokenizers = _open_tokenizers(folder, index, checkpoint)
    if _is_chunked(index, tokenizers):
        return _count_chunked(prompt, tokenizers, checkpoint)
    return _count_plain(prompt, tokenizers, str(index.get("_class_name", "")), checkpoint)


def _count_chunked(prompt: str, tokenizers: dict[str, Any], checkpoint: Checkpoint) -> PromptLength:
    from sensorium.image_generation.prompts.embedding import MAXIMUM_CHUNKS, chunked, read_tokens, window_of

    counts, parts, lost = [], 1, ""
    for name, tokenizer in tokenizers.items():
        tokens, window = read_tokens(tokenizer, prompt), window_of(tokenizer)
        chunks = chunked(tokens, window)
        parts = max(parts, min(len(chunks), MAXIMUM_CHUNKS))
        beyond = tokens[window].rest if len(tokens) > window else ""
        counts.append(TokenCount(name, len(tokens), window, _whole_words(beyond, tokens[0].rest) if beyond else ""))
        if len(chunks) > MAXIMUM_CHUNKS:
            lost = max(lost, chunks[MAXIMUM_CHUNKS][0].rest, key=len)
    return PromptLength(checkpoint.name, tuple(counts), parts, lost)


def _count_plain(prompt: str, tokenizers: dict[str, Any], pipeline_class: str, checkpoint: Checkpoint) -> PromptLength:
    counts = count_in_one_piece(prompt, tokenizers, _longest_sequence(pipeline_class))
    lost = min((count.beyond for count in counts), key=len)
    return PromptLength(checkpoint.name, counts, 1, lost)


def count_in_one_piece(prompt: str, tokenizers: Mapping[str, Any], longest: int = 0) -> tuple[TokenCount, ...]:
    """Count a prompt's tokens for text encoders that read it in one piece, brackets and all.

    Args:
        prompt: What they read.
        tokenizers: By their names in the checkpoint.
        longest: How many tokens, with begin and end signs, encoders other than CLIP's are given; 0 for no such limit.
    """
    counts = []
    for name, tokenizer in tokenizers.items():
        most = int(tokenizer.model_max_length)
        if longest and not type(tokenizer).__name__.startswith("CLIP"):
            most = min(most, longest)
        window = most - int(tokenizer.num_special_tokens_to_add())
        read = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        beyond = prompt[read.offset_mapping[window][0] :] if len(read.input_ids) > window else ""
        counts.append(TokenCount(name, len(read.input_ids), window, _whole_words(beyond, prompt)))
    return tuple(counts)


def _whole_words(beyond: str, prompt: str) -> str:
    """Return the end of a prompt from the beginning of the word that it starts in: half a word is lost as a whole."""
    start = len(prompt) - len(beyond)
    while (
        beyond and start > 0 and not prompt[start].isspace() and prompt[start - 1].isalnum() and prompt[start].isalnum()
    ):
        start -= 1
    return prompt[start:].strip() if beyond else ""


def _longest_sequence(pipeline_class: str) -> int:
    """Return how many tokens diffusers' pipeline lets encoders other than CLIP's read by default; 0 for unknown."""
    import diffusers

    pipeline = getattr(diffusers, pipeline_class, None)
    parameters = inspect.signature(pipeline.__call__).parameters if callable(pipeline) else {}
    default = parameters["max_sequence_length"].default if "max_sequence_length" in parameters else 0
    return default if isinstance(default, int) else 0


def _is_chunked(index: dict[str, Any], tokenizers: dict[str, Any]) -> bool:
    encoders = [_class_of(index, _CHUNKED[name]) for name in tokenizers if name in _CHUNKED]
    known = bool(_class_of(index, "unet")) and len(encoders) == len(tokenizers)
    return known and all(encoder in ("CLIPTextModel", "CLIPTextModelWithProjection") for encoder in encoders)


def _class_of(index: dict[str, Any], component: str) -> str:
    entry = index.get(component)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else ""


def _read_index(folder: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} has no model_index.json, so it is none of diffusers' pipelines",
            "Name a text-to-image checkpoint in diffusers' layout",
        ) from None
    except (OSError, ValueError):
        raise ModelUnavailableError(
            f"The file model_index.json of the checkpoint {checkpoint.name!r} can't be read", "Fetch it again"
        ) from None
    return index if isinstance(index, dict) else {}


def _open_tokenizers(folder: Path, index: dict[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    import transformers

    names: Sequence[str] = [
        name
        for name in sorted(index)
        if name.startswith("tokenizer")
        and _class_of(index, name)
        and index.get(name.replace("tokenizer", "text_encoder")) != [None, None]
    ]
    if not names:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} has no tokenizer", "Name one that reads prompts by itself"
        )
    return {
        name: open_part(
            getattr(transformers, _class_of(index, name), transformers.AutoTokenizer),
            folder / name,
            checkpoint=checkpoint,
        )
        for name in names
    }
