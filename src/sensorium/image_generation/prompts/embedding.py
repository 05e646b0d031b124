"""Weighted prompts of any length as embeddings for diffusers' Stable Diffusion 1.x, 2.x and XL pipelines.

CLIP's text encoders read 75 tokens. A longer prompt is read in chunks, whose states stand one after the other for the
denoiser to attend to. A chunk ends after a comma where one is near, else between two words.

Source: https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features, "Infinite prompt length" and
"Attention/emphasis".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.prompts.learned_words import LearnedWords, Piece
from sensorium.image_generation.prompts.weights import parse_weights

MAXIMUM_CHUNKS = 16
"""1,200 tokens: far more than a picture can follow, and still cheap to attend to."""

_COMMA_REACH = 20
_COMMA = ",</w>"
_END_OF_WORD = "</w>"
_FAINT_MEAN = 1e-3
_LARGEST_WEIGHT = 100
"""Beyond it half precision overflows, and the picture is black."""


@dataclass(frozen=True)
class PromptEmbeddings:
    """What a diffusers pipeline takes in place of ``prompt`` and ``negative_prompt``.

    Attributes:
        prompt_embeds: ``[1, tokens, d]`` in the text encoder's precision, on the pipeline's device.
        negative_prompt_embeds: The same shape.
        pooled_prompt_embeds: ``[1, d]`` for Stable Diffusion XL, else None.
        negative_pooled_prompt_embeds: The same shape, or None.
        dropped: The words of the prompt, or of the negative prompt, that lie beyond `MAXIMUM_CHUNKS`, as they were
            written; "" for none.
    """

    prompt_embeds: torch.Tensor
    negative_prompt_embeds: torch.Tensor
    pooled_prompt_embeds: torch.Tensor | None
    negative_pooled_prompt_embeds: torch.Tensor | None
    dropped: str

    def arguments(self) -> dict[str, torch.Tensor]:
        """Return the keyword arguments for the pipeline's call."""
        named = {
            "prompt_embeds": self.prompt_embeds,
            "negative_prompt_embeds": self.negative_prompt_embeds,
            "pooled_prompt_embeds": self.pooled_prompt_embeds,
            "negative_pooled_prompt_embeds": self.negative_pooled_prompt_embeds,
        }
        return {name: tensor for name, tensor in named.items() if tensor is not None}


@dataclass(frozen=True)
class PromptToken:
    """A token of a prompt.

    Attributes:
        id: Its number in the tokenizer's vocabulary; below zero, that of a vector of a learned word.
        weight: How much it counts.
        rest: The prompt from the token's first letter on, without attention syntax.
        name: How the tokenizer writes it.
        after_break: Whether ``BREAK`` stands before it.
    """

    id: int
    weight: float
    rest: str
    name: str
    after_break: bool


@dataclass(frozen=True)
class _Encoder:
    """A tokenizer with its text encoder, whether the last layer but one is used, as in XL, and the learned words."""

    tokenizer: Any
    text_encoder: Any
    penultimate: bool
    learned: LearnedWords

    def chunks(self, pipeline: Any, prompt: str) -> list[list[PromptToken]]:
        return chunked(read_tokens(self.tokenizer, prompt, pipeline, self.learned), window_of(self.tokenizer))


def can_embed(pipeline: Any) -> bool:
    """Return whether `embed_prompts` knows the pipeline's text encoders: CLIP's, one or two of them, with a U-Net."""
    return bool(_encoders(pipeline))


@torch.no_grad()
def embed_prompts(
    pipeline: Any,
    prompt: str,
    negative_prompt: str | None = None,
    *,
    device: str | None = None,
    learned: Mapping[str, LearnedWords] | None = None,
) -> PromptEmbeddings:
    """Turn a prompt with attention weights, of any length, into embeddings.

    A prompt without weights that fits the window gives exactly what the pipeline's own ``encode_prompt`` gives.

    Args:
        pipeline: A diffusers pipeline of Stable Diffusion 1.x, 2.x or XL (text-to-image, image-to-image, inpainting or
            ControlNet).
        prompt: What the picture shows; see `prompt_weights` for the syntax.
        negative_prompt: What it should not show, with the same syntax; None means what the pipeline does without one
            (XL checkpoints may use zeros rather than the empty text).
        device: Where the text encoders run; by default where they are. Those that are offloaded are elsewhere.
        learned: Words that stand for vectors, by the text encoder's name in the pipeline.

    Raises:
        UnsupportedError: The pipeline has other text encoders.
        InputError: A weight is absurd.
    """
    encoders = _encoders(pipeline, learned or {})
    if not encoders:
        raise UnsupportedError(
            f"{type(pipeline).__name__} has text encoders that take no attention weights",
            "Write the prompt without brackets, or choose a checkpoint of Stable Diffusion 1, 2 or XL",
        )
    positive = [encoder.chunks(pipeline, prompt) for encoder in encoders]
    negative = [encoder.chunks(pipeline, negative_prompt or "") for encoder in encoders]
    for chunks in (*positive, *negative):
        _check_weights(chunks)
    dropped = max((_beyond(chunks) for chunks in (*positive, *negative)), key=len)
    length = min(MAXIMUM_CHUNKS, max(len(chunks) for chunks in (*positive, *negative)))
    where = pipeline.device if device is None else torch.device(device)
    states, pooled = _encode(encoders, positive, length, where)
    if negative_prompt is None and getattr(pipeline.config, "force_zeros_for_empty_prompt", False):
        negative_states = torch.zeros_like(states)
        negative_pooled = None if pooled is None else torch.zeros_like(pooled)
    else:
        negative_states, negative_pooled = _encode(encoders, negative, length, where)
    return PromptEmbeddings(states, negative_states, pooled, negative_pooled, dropped)


def window_of(tokenizer: Any) -> int:
    """Return how many tokens of a text fit between a CLIP tokenizer's begin and end signs: 75."""
    return int(tokenizer.model_max_length) - 2


def read_tokens(
    tokenizer: Any, prompt: str, pipeline: Any = None, learned: LearnedWords | None = None
) -> list[PromptToken]:
    """Split a weighted prompt into tokens, without begin and end signs.

    Args:
        tokenizer: Any fast tokenizer of transformers.
        prompt: With or without attention syntax.
        pipeline: Whose textual inversions are put in the place of their names.
        learned: Words that stand for vectors.
    """
    learned = learned or LearnedWords()
    runs = parse_weights(prompt)
    texts = [run.text for run in runs]
    if hasattr(pipeline, "maybe_convert_prompt"):
        texts = [pipeline.maybe_convert_prompt(text, tokenizer) for text in texts]
    tokens: list[PromptToken] = []
    after_break = False
    for number, (run, text) in enumerate(zip(runs, texts, strict=True)):
        after_break = after_break or run.after_break
        later = "".join(texts[number + 1 :])
        for piece in learned.pieces(text):
            for index, name, start in _read_piece(tokenizer, piece):
                tokens.append(PromptToken(index, run.weight, text[start:] + later, name, after_break))
                after_break = False
    return tokens


def _read_piece(tokenizer: Any, piece: Piece) -> Iterator[tuple[int, str, int]]:
    """Yield the number, the name and the beginning of each token."""
    if piece.ids:
        for index in piece.ids:
            # The vectors of a word stay together as its letters do.
            yield index, piece.text + (_END_OF_WORD if index == piece.ids[-1] else ""), piece.start
        return
    read = tokenizer(piece.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    names = tokenizer.convert_ids_to_tokens(read.input_ids)
    for index, name, (start, _) in zip(read.input_ids, names, read.offset_mapping, strict=True):
        yield index, name, piece.start + start


def chunked(tokens: Sequence[PromptToken], window: int) -> list[list[PromptToken]]:
    """Split tokens into chunks of at most ``window``, so that phrases, or at least words, stay whole.

    A phrase ends at a comma; one within the last 20 tokens of a chunk ends it. There is always one chunk at least.
    """
    chunks: list[list[PromptToken]] = []
    current: list[PromptToken] = []
    for token in tokens:
        if token.after_break and current:
            chunks.append(current)
            current = []
        if len(current) == window:
            cut = _cut(current)
            chunks.append(current[:cut])
            current = current[cut:]
        current.append(token)
    return [*chunks, current] if current or not chunks else chunks


def _cut(tokens: Sequence[PromptToken]) -> int:
    size = len(tokens)
    for cut in range(size, size - _COMMA_REACH, -1):
        if tokens[cut - 1].name == _COMMA:
            return cut
    for cut in range(size, 0, -1):
        if tokens[cut - 1].name.endswith(_END_OF_WORD):
            return cut
    return size


def _check_weights(chunks: Sequence[Sequence[PromptToken]]) -> None:
    heaviest = max((token for chunk in chunks for token in chunk), key=lambda token: abs(token.weight), default=None)
    if heaviest is not None and abs(heaviest.weight) > _LARGEST_WEIGHT:
        raise InputError(
            f"The words {heaviest.rest[:40]!r} have the weight {heaviest.weight:,.0f}", "Give words 0.5 to 1.5"
        )


def _beyond(chunks: Sequence[Sequence[PromptToken]]) -> str:
    return chunks[MAXIMUM_CHUNKS][0].rest if len(chunks) > MAXIMUM_CHUNKS else ""


def _encoders(pipeline: Any, learned: Mapping[str, LearnedWords] | None = None) -> list[_Encoder]:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    parts = getattr(pipeline, "components", {})
    # Kandinsky's prior reads CLIP's states otherwise, and Stable Diffusion 3 and FLUX have a T5 beside it.
    if parts.get("unet") is None or "tokenizer_3" in parts:
        return []
    named = [(f"text_encoder{end}", parts.get(f"tokenizer{end}")) for end in ("", "_2")]
    found = [
        _Encoder(tokenizer, parts[name], "text_encoder_2" in parts, (learned or {}).get(name) or LearnedWords())
        for name, tokenizer in named
        if tokenizer is not None and parts.get(name) is not None
    ]
    known = (CLIPTextModel, CLIPTextModelWithProjection)
    return found if all(isinstance(encoder.text_encoder, known) for encoder in found) else []


def _encode(
    encoders: Sequence[_Encoder],
    chunks: Sequence[Sequence[Sequence[PromptToken]]],
    length: int,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    states: list[torch.Tensor] = []
    pooled: torch.Tensor | None = None
    for encoder, of_encoder in zip(encoders, chunks, strict=True):
        filled = [*of_encoder[:length], *[[]] * (length - len(of_encoder))]
        found, pool = _encode_chunks(encoder, filled, device)
        # One row for all chunks.
        states.append(found.reshape(1, -1, found.shape[-1]))
        pooled = pool if pool is not None else pooled
    dtype = encoders[-1].text_encoder.dtype
    return torch.cat(states, dim=-1).to(device, dtype), pooled


def _encode_chunks(
    encoder: _Encoder, chunks: Sequence[Sequence[PromptToken]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the states of chunks, ``[chunks, tokens, d]``, and what the first chunk is as a whole, ``[1, d]``."""
    tokenizer, text_encoder = encoder.tokenizer, encoder.text_encoder
    size = window_of(tokenizer)
    ids, weights, mask = [], [], []
    for chunk in chunks:
        padding = size - len(chunk)
        inside = [token.id for token in chunk]
        ids.append([tokenizer.bos_token_id, *inside, tokenizer.eos_token_id, *[tokenizer.pad_token_id] * padding])
        weights.append([1.0, *(token.weight for token in chunk), *[1.0] * (padding + 1)])
        mask.append([1] * (len(chunk) + 2) + [0] * padding)
    options: dict[str, Any] = {"output_hidden_states": encoder.penultimate}
    if getattr(text_encoder.config, "use_attention_mask", False):
        options["attention_mask"] = torch.tensor(mask, device=device)
    with encoder.learned.standing_in(text_encoder, torch.tensor(ids, device=device)) as known:
        outputs = text_encoder(known, **options)
    states = outputs.hidden_states[-2] if encoder.penultimate else outputs[0]
    pooled = outputs[0][:1] if outputs[0].ndim == 2 else None
    return _weighted(states, torch.tensor(weights, device=states.device), keep_mean=not encoder.penultimate), pooled


def _weighted(states: torch.Tensor, weights: torch.Tensor, *, keep_mean: bool) -> torch.Tensor:
    """Multiply each token's state ``[chunks, tokens, d]`` by its weight ``[chunks, tokens]``.

    In Stable Diffusion 1 and 2 a chunk's mean is restored afterwards, so that weights move attention without making
    the whole louder. The states of XL aren't normalised: their mean says nothing, and restoring it would distort them.
    """
    if bool((weights == 1).all()):
        return states
    wide = states.float()
    changed = wide * weights.unsqueeze(-1)
    if keep_mean:
        before, after = wide.mean((1, 2), keepdim=True), changed.mean((1, 2), keepdim=True)
        faint = (after.abs() < _FAINT_MEAN * wide.std((1, 2), keepdim=True)) | (before * after <= 0)
        changed = changed * torch.where(faint, torch.ones_like(before), before / after)
    return changed.to(states.dtype)
