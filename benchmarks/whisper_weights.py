"""The same Whisper weights for every contender: CTranslate2's model.bin turned back into the other layouts.

The starter's weights are float16 in CTranslate2's file. Nothing is lost on the way to float32, so that all
contenders compute with the same numbers.
"""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[Any]]
_DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
_WIDTH_OF_A_HEAD = 64


def read_ctranslate2(path: Path) -> Weights:
    """Read the variables of a CTranslate2 model file (its binary version 6)."""
    data = path.read_bytes()
    position = 0

    def number(kind: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from(f"<{kind}", data, position)
        position += struct.calcsize(f"<{kind}")
        return int(value)

    def string() -> str:
        nonlocal position
        length = number("H")
        text = data[position : position + length - 1].decode()
        position += length
        return text

    assert number("I") == 6, "another version of CTranslate2's format"
    assert string() == "WhisperSpec"
    number("I")
    weights: Weights = {}
    for _ in range(number("I")):
        name = string()
        shape = [number("I") for _ in range(number("B"))]
        dtype = np.dtype(_DTYPES[number("B")])
        size = number("I")
        weights[name] = np.frombuffer(data, dtype, size // dtype.itemsize, position).reshape(shape)
        position += size
    return weights


def write_for_transformers(source: Path, target: Path) -> Path:
    """Write a CTranslate2 Whisper folder as a transformers folder; return it."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    weights = read_ctranslate2(source / "model.bin")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    vocabulary, width = weights["decoder/embeddings/weight"].shape
    mel_bands = weights["encoder/conv1/weight"].shape[1]
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=vocabulary,
            num_mel_bins=mel_bands,
            d_model=width,
            encoder_layers=_layers(weights, "encoder"),
            decoder_layers=_layers(weights, "decoder"),
            encoder_attention_heads=width // _WIDTH_OF_A_HEAD,
            decoder_attention_heads=width // _WIDTH_OF_A_HEAD,
            encoder_ffn_dim=4 * width,
            decoder_ffn_dim=4 * width,
        )
    )
    state = {f"model.{name}": torch.tensor(np.float32(value)) for name, value in _transformers_names(weights).items()}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    missing, unexpected = model.load_state_dict(state, strict=False)
    # The keys of attention have no bias, which CTranslate2 stores as zeros.
    assert not missing, missing
    assert all(name.endswith("k_proj.bias") for name in unexpected), unexpected
    languages = {token: number for token, number in _special_tokens(source).items() if number in config["lang_ids"]}
    special = _special_tokens(source)
    model.generation_config = GenerationConfig(
        alignment_heads=config["alignment_heads"],
        begin_suppress_tokens=config["suppress_ids_begin"],
        suppress_tokens=config["suppress_ids"],
        bos_token_id=special["<|endoftext|>"],
        eos_token_id=special["<|endoftext|>"],
        pad_token_id=special["<|endoftext|>"],
        decoder_start_token_id=special["<|startoftranscript|>"],
        is_multilingual=True,
        lang_to_id=languages,
        max_initial_timestamp_index=50,
        max_length=448,
        no_timestamps_token_id=special["<|notimestamps|>"],
        prev_sot_token_id=special["<|startofprev|>"],
        return_timestamps=False,
        task_to_id={"transcribe": special["<|transcribe|>"], "translate": special["<|translate|>"]},
    )
    model.save_pretrained(target)
    WhisperFeatureExtractor(feature_size=mel_bands).save_pretrained(target)
    shutil.copy(source / "tokenizer.json", target)
    settings = {"tokenizer_class": "WhisperTokenizerFast", "unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    (target / "tokenizer_config.json").write_text(json.dumps({**settings, "bos_token": "<|endoftext|>"}))
    return target


def write_for_openai(source: Path, target: Path) -> Path:
    """Write a CTranslate2 Whisper folder as a checkpoint of the package openai-whisper; return the file."""
    import torch

    weights = read_ctranslate2(source / "model.bin")
    vocabulary, width = weights["decoder/embeddings/weight"].shape
    dimensions = {
        "n_mels": weights["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": weights["encoder/position_encodings/encodings"].shape[0],
        "n_audio_state": width,
        "n_audio_head": width // _WIDTH_OF_A_HEAD,
        "n_audio_layer": _layers(weights, "encoder"),
        "n_vocab": vocabulary,
        "n_text_ctx": weights["decoder/position_encodings/encodings"].shape[0],
        "n_text_state": width,
        "n_text_head": width // _WIDTH_OF_A_HEAD,
        "n_text_layer": _layers(weights, "decoder"),
    }
    names = _transformers_names(weights)
    state = {
        _openai_name(name): torch.tensor(np.float32(value))
        for name, value in names.items()
        if not name.endswith("k_proj.bias")
    }
    torch.save({"dims": dimensions, "model_state_dict": state}, target)
    return target


def _layers(weights: Weights, side: str) -> int:
    return len({name.split("/")[1] for name in weights if name.startswith(f"{side}/layer_") and "/ffn/" in name})


def _special_tokens(source: Path) -> dict[str, int]:
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    return {token["content"]: token["id"] for token in tokenizer["added_tokens"]}


def _transformers_names(weights: Weights) -> Weights:
    """Rename the variables, and part what CTranslate2 joins: query, key and value in one matrix."""
    renamed: Weights = {
        "decoder.embed_tokens.weight": weights["decoder/embeddings/weight"],
        "decoder.embed_positions.weight": weights["decoder/position_encodings/encodings"],
        "encoder.embed_positions.weight": weights["encoder/position_encodings/encodings"],
    }
    for convolution in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            renamed[f"encoder.{convolution}.{kind}"] = weights[f"encoder/{convolution}/{kind}"]
    for side in ("encoder", "decoder"):
        _norm(weights, renamed, f"{side}/layer_norm", f"{side}.layer_norm")
        for layer in range(_layers(weights, side)):
            here, there = f"{side}/layer_{layer}", f"{side}.layers.{layer}"
            _linear(weights, renamed, f"{here}/self_attention/linear_0", there, _parts("self_attn", "q", "k", "v"))
            _linear(weights, renamed, f"{here}/self_attention/linear_1", there, ["self_attn.out_proj"])
            _norm(weights, renamed, f"{here}/self_attention/layer_norm", f"{there}.self_attn_layer_norm")
            if side == "decoder":
                _linear(weights, renamed, f"{here}/attention/linear_0", there, ["encoder_attn.q_proj"])
                _linear(weights, renamed, f"{here}/attention/linear_1", there, _parts("encoder_attn", "k", "v"))
                _linear(weights, renamed, f"{here}/attention/linear_2", there, ["encoder_attn.out_proj"])
                _norm(weights, renamed, f"{here}/attention/layer_norm", f"{there}.encoder_attn_layer_norm")
            _linear(weights, renamed, f"{here}/ffn/linear_0", there, ["fc1"])
            _linear(weights, renamed, f"{here}/ffn/linear_1", there, ["fc2"])
            _norm(weights, renamed, f"{here}/ffn/layer_norm", f"{there}.final_layer_norm")
    return renamed


def _parts(attention: str, *letters: str) -> list[str]:
    return [f"{attention}.{letter}_proj" for letter in letters]


def _linear(weights: Weights, renamed: Weights, source: str, prefix: str, targets: list[str]) -> None:
    for kind in ("weight", "bias"):
        for target, part in zip(targets, np.split(weights[f"{source}/{kind}"], len(targets)), strict=True):
            renamed[f"{prefix}.{target}.{kind}"] = part


def _norm(weights: Weights, renamed: Weights, source: str, target: str) -> None:
    renamed[f"{target}.weight"] = weights[f"{source}/gamma"]
    renamed[f"{target}.bias"] = weights[f"{source}/beta"]


def _openai_name(name: str) -> str:
    whole = {
        "decoder.embed_tokens.weight": "decoder.token_embedding.weight",
        "decoder.embed_positions.weight": "decoder.positional_embedding",
        "encoder.embed_positions.weight": "encoder.positional_embedding",
    }
    if name in whole:
        return whole[name]
    if name.startswith(("encoder.layer_norm", "decoder.layer_norm")):
        return name.replace("encoder.layer_norm", "encoder.ln_post").replace("decoder.layer_norm", "decoder.ln")
    changes = {
        ".layers.": ".blocks.",
        ".self_attn_layer_norm.": ".attn_ln.",
        ".encoder_attn_layer_norm.": ".cross_attn_ln.",
        ".final_layer_norm.": ".mlp_ln.",
        ".self_attn.": ".attn.",
        ".encoder_attn.": ".cross_attn.",
        ".q_proj.": ".query.",
        ".k_proj.": ".key.",
        ".v_proj.": ".value.",
        ".out_proj.": ".out.",
        ".fc1.": ".mlp.0.",
        ".fc2.": ".mlp.2.",
    }
    for old, new in changes.items():
        name = name.replace(old, new)
    return name
