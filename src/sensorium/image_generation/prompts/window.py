"""What a family's text encoders would leave unread of a prompt, for families that read it in one piece."""

from __future__ import annotations

from typing import Any

from sensorium.errors import InputError
from sensorium.image_generation.diffusion.defaults import call_parameters
from sensorium.image_generation.prompts.weights import parse_weights


def check_prompt_window(pipeline: Any, prompt: str) -> tuple[str, ...]:
    """Refuse a prompt that no text encoder of the pipeline reads to its end.

    Args:
        pipeline: Of a family that takes the prompt as text.
        prompt: What to paint.

    Returns:
        What the user should know, in sentences: that a second, smaller encoder reads the beginning only; that attention
        weights mean nothing here.

    Raises:
        InputError: Words would go unread; the message names them.
    """
    unread = {name: _unread(pipeline, tokenizer, prompt) for name, tokenizer in _tokenizers(pipeline).items()}
    notes = []
    if unread:
        shortest = min(unread.values(), key=len)
        if shortest:
            raise InputError(
                f"The prompt is too long for this checkpoint, which would not read {_beginning(shortest)!r}",
                "Shorten it, or use a checkpoint of Stable Diffusion 1, 2 or XL, where it may be of any length",
            )
        longest = max(unread.values(), key=len)
        if longest:
            notes.append(f"One of the text encoders reads the prompt only up to {_beginning(longest)!r}")
    if any(run.weight != 1 for run in parse_weights(prompt)) and ":" in prompt:
        notes.append("This checkpoint takes no attention weights: brackets and numbers in the prompt are read as text")
    return tuple(notes)


def _tokenizers(pipeline: Any) -> dict[str, Any]:
    return {
        name: part
        for name, part in pipeline.components.items()
        if name.startswith("tokenizer") and getattr(part, "is_fast", False)
    }


def _unread(pipeline: Any, tokenizer: Any, prompt: str) -> str:
    window = int(min(tokenizer.model_max_length, 10**6))
    longest = call_parameters(pipeline).get("max_sequence_length")
    if longest is not None and isinstance(longest.default, int) and not _is_clip(tokenizer):
        window = longest.default
    read = tokenizer(prompt, return_offsets_mapping=True, verbose=False)
    room = window - tokenizer.num_special_tokens_to_add()
    words = [(start, end) for start, end in read.offset_mapping if end > start]
    return prompt[words[room][0] :] if len(words) > room else ""


def _is_clip(tokenizer: Any) -> bool:
    return type(tokenizer).__name__.startswith("CLIP")


def _beginning(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
