"""What the library's own classes make of pictures, sound and films, put together as its processors do it.

Those processors don't open without torchvision. Their tokenizers, image processors and feature extractors do; what is
between them, one word for each token of a picture or recording, is done here by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Turn = dict[str, Any]


def written_by_library(
    folder: Path, turns: list[Turn], *, length: int, film: dict[str, Any] | None = None
) -> list[int]:
    """Return the tokens that the library's own model writes, without the prompt.

    Args:
        folder: A Gemma 4, Qwen2.5-Omni or Qwen3-Omni.
        turns: Whose content is a list of parts; pictures are PIL images, recordings samples at 16 kHz.
        length: Of the answer, in tokens.
        film: Of a part ``{"type": "video"}``: the model's inputs, and under ``"text"`` what stands for it.
    """
    from transformers import AutoModelForMultimodalLM, AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration

    family = json.loads((folder / "config.json").read_text())["model_type"]
    inputs = library_inputs(folder, turns, film=film)
    chosen: dict[str, Any] = {"max_new_tokens": length, "do_sample": False}
    if family != "gemma4":
        chosen["eos_token_id"] = AutoTokenizer.from_pretrained(folder).eos_token_id
        inputs["use_audio_in_video"] = film is not None and "input_features" in inputs
    if family == "qwen3_omni_moe":
        model: Any = AutoModelForMultimodalLM.from_pretrained(folder)
        chosen = {f"thinker_{name}": value for name, value in chosen.items()} | {"return_audio": False}
    elif family == "qwen2_5_omni":
        # The whole model wants the voices that its talker speaks with, a file beside the weights.
        model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder)
    else:
        model = AutoModelForMultimodalLM.from_pretrained(folder)
    written = model.generate(**inputs, **chosen)
    return list(written[0, inputs["input_ids"].shape[1] :].tolist())


def library_inputs(folder: Path, turns: list[Turn], *, film: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the inputs of one conversation, as in `written_by_library`."""
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    kept = folder / "chat_template.json"
    template = folder / "chat_template.jinja"
    text = json.loads(kept.read_text())["chat_template"] if kept.is_file() else template.read_text()
    prompt = tokenizer.apply_chat_template(turns, chat_template=text, add_generation_prompt=True, tokenize=False)
    parts = [part for turn in turns if not isinstance(turn["content"], str) for part in turn["content"]]
    pictures = [part["image"] for part in parts if part["type"] == "image"]
    sounds = [part["audio"] for part in parts if part["type"] == "audio"]
    gemma = tokenizer.image_token == "<|image|>"
    if gemma:
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|video|>"]})
    inputs: dict[str, Any] = {}
    if pictures:
        images = AutoImageProcessor.from_pretrained(folder, backend="pil")(pictures, return_tensors="pt")
        counts = images.pop("num_soft_tokens_per_image") if gemma else images["image_grid_thw"].prod(-1) // 4
        inputs |= images
        prompt = _with(prompt, tokenizer.image_token, [_run(tokenizer, "image", int(count)) for count in counts])
    if sounds or (film and "sound" in film):
        extractor = AutoFeatureExtractor.from_pretrained(folder)
        runs = (_gemma_sound if gemma else _qwen_sound)(extractor, sounds or [film["sound"]], inputs)  # type: ignore[index]
        if sounds:
            prompt = _with(prompt, tokenizer.audio_token, [_run(tokenizer, "audio", count) for count in runs])
    if film is not None:
        token = "<|video|>" if gemma else tokenizer.video_token
        prompt = _with(prompt, token, [film["text"]])
        inputs |= film["inputs"]
    tokenized = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    return {**tokenized, **inputs}


def _run(tokenizer: Any, kind: str, count: int) -> str:
    """Return the words for a picture or recording; Gemma's processor also writes where they begin and end."""
    tokens = getattr(tokenizer, f"{kind}_token") * count
    gemma = tokenizer.image_token == "<|image|>"
    return f"<|{kind}>{tokens}<{kind}|>" if gemma else tokens


def _with(prompt: str, token: str, runs: Sequence[str]) -> str:
    expanded: Iterator[str] = iter(runs)
    written = re.sub(re.escape(token), lambda _: next(expanded), prompt)
    assert next(expanded, None) is None
    return written


def _gemma_sound(extractor: Any, sounds: list[Any], inputs: dict[str, Any]) -> list[int]:
    found = extractor(sounds, return_tensors="pt")
    inputs |= found
    return [int(mask[::2][::2].sum()) for mask in np.asarray(found["input_features_mask"])]


def _qwen_sound(extractor: Any, sounds: list[Any], inputs: dict[str, Any]) -> list[int]:
    old = extractor.n_samples == 300 * 16_000
    how = {"padding": "max_length"} if old else {"padding": True, "truncation": False}
    found = extractor(sounds, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt", **how)
    inputs |= {"input_features": found["input_features"], "feature_attention_mask": found["attention_mask"]}
    lengths = found["attention_mask"].sum(-1)
    if old:
        return [int(length) for length in ((lengths - 1) // 2 + 1 - 2) // 2 + 1]
    rest = lengths % 100
    return [int(n) for n in (((rest - 1) // 2 + 1 - 1) // 2 + 1 - 1) // 2 + 1 + lengths // 100 * 13]
