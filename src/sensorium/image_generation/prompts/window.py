"""What a family's text encoders would leave unread of a prompt, for families that read it in one piece."""

from __future__ import annotations

from typing import Any

from sensorium.errors import InputError
from sensorium.image_generation.diffusion.call_signature import call_parameters
from sensorium.image_generation.prompts.tokens import count_in_one_piece
from sensorium.image_generation.prompts.weights import parse_weights


def check_prompt_window(pipeline: Any, prompt: str) -> tuple[str, ...]:
    """Refuse a prompt that no text encoder of the pipeline reads to its end.

    Args:
        pipeline: Of a family that takes the prompt as text.
        prompt: What to paint.

    Returns:
        Notes for the user, in sentences: that a second, smaller encoder reads only the beginning, or that attention
        weights have no effect.

    Raises:
        InputError: Words would go unread; the message names them.
    """
    longest_sequence = call_parameters(pipeline).get("max_sequence_length")
    default = getattr(longest_sequence, "default", 0)
    counts = count_in_one_piece(prompt, _tokenizers(pipeline), default if isinstance(default, int) else 0)
    unread = [count.beyond for count in counts]
    notes = []
    if unread:
        shortest = min(unread, key=len)
        if shortest:
            raise InputError(
                f"The prompt is too long for this checkpoint, which would not read {_beginning(shortest)!r}",
                "Shorten it, or use a checkpoint of Stable Diffusion 1, 2 or XL, where it may be of any length",
            )
        longest = max(unread, key=len)
        if longest:
            notes.append(f"One of the text encoders reads the prompt only up to {_beginning(longest)!r}")
    if any(run.weight != 1 for run in parse_weights(prompt)) and ":" in prompt:
        notes.append("This checkpoint takes no attention weights: brackets and numbers in the prompt are read as text")
    return tuple(notes)


def _tokenizers(pipeline: Any) -> dict[str, Any]:
    """Return the tokenizers whose text encoders are there."""
    parts = pipeline.components
    return {
        name: part
        for name, part in parts.items()
        if name.startswith("tokenizer")
        and getattr(part, "is_fast", False)
        and parts.get(name.replace("tokenizer", "text_encoder"), part) is not None
    }


def _beginning(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
