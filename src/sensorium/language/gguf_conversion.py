"""A Llama in a GGUF file to CTranslate2's int8 form, with neither torch nor transformers.

The file holds the weights in llama.cpp's order and the vocabulary as lists. Other architectures and tokenizers are
converted by transformers (`sensorium.language.gguf`); what both ways make of a file is equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sensorium.language.fast_tokenizer import CONFIG, TEMPLATE, TOKENIZER

Weights = npt.NDArray[np.float32]

_PRE_TOKENIZERS = {None, "default", "gpt-2", "smollm"}
"""How llama.cpp calls the ways of splitting a text before its merges that are GPT-2's."""
_CONTROL, _USER_DEFINED = 3, 4


class LlamaFile:
    """A GGUF file of a Llama with a byte-level vocabulary, as GPT-2 has one.

    Args:
        file: The file.

    Raises:
        ValueError: It is no complete GGUF file.
    """

    def __init__(self, file: Path) -> None:
        import gguf

        self._reader: Any = gguf.GGUFReader(str(file))
        self._tensors: dict[str, Any] = {tensor.name: tensor for tensor in self._reader.tensors}
        self._contents: dict[str, Any] = {}

    @property
    def is_plain(self) -> bool:
        """Whether `convert` knows all that is in it: no scaled positions, no biases, no other vocabulary."""
        known = ("token_embd", "output", "output_norm", "attn_", "ffn_")
        parts = [name.rpartition(".")[0].split(".")[-1] for name in self._tensors]
        return (
            self._field("general.architecture") == "llama"
            and self._field("tokenizer.ggml.model") == "gpt2"
            and self._field("tokenizer.ggml.pre") in _PRE_TOKENIZERS
            and self._field("llama.rope.scaling.type") is None
            and self._field("llama.expert_count") is None
            and not self._field("tokenizer.ggml.add_bos_token")
            and not self._field("tokenizer.ggml.add_eos_token")
            and all(name.endswith(".weight") for name in self._tensors)
            and all(part.startswith(known) for part in parts)
        )

    def convert(self, target: Path, weights: str) -> None:
        """Write the converted checkpoint.

        Args:
            target: An empty folder: gets the tokenizer and ``config.json``.
            weights: The name of the folder inside it for CTranslate2's own files.
        """
        self._write_tokenizer(target)
        config = {"model_type": "llama", "max_position_embeddings": int(self._number("context_length"))}
        (target / "config.json").write_text(json.dumps(config))
        spec = self._specification()
        spec.validate()
        spec.optimize(quantization="int8")
        (target / weights).mkdir()
        spec.save(str(target / weights))

    def _specification(self) -> Any:
        from ctranslate2.specs import common_spec, transformer_spec

        heads, kept = int(self._number("attention.head_count")), int(self._number("attention.head_count_kv"))
        spec: Any = transformer_spec.TransformerDecoderModelSpec.from_config(
            int(self._number("block_count")),
            heads,
            activation=common_spec.Activation.SWISH,
            pre_norm=True,
            ffn_glu=True,
            rms_norm=True,
            rotary_dim=0,
            rotary_interleave=False,
            rotary_base=self._field("llama.rope.freq_base") or 10_000.0,
            num_heads_kv=None if kept == heads else kept,
        )
        decoder = spec.decoder
        decoder.scale_embeddings = False
        decoder.embeddings.weight = self._weights("token_embd")
        decoder.layer_norm.gamma = self._weights("output_norm")
        decoder.projection.weight = self._weights("output" if "output.weight" in self._tensors else "token_embd")
        for number, layer in enumerate(decoder.layer):
            part = f"blk.{number}"
            attention, network = layer.self_attention, layer.ffn
            attention.layer_norm.gamma = self._weights(f"{part}.attn_norm")
            attention.linear[0].weight = np.concatenate(
                [
                    _in_halves(self._weights(f"{part}.attn_q"), heads),
                    _in_halves(self._weights(f"{part}.attn_k"), kept),
                    self._weights(f"{part}.attn_v"),
                ]
            )
            attention.linear[1].weight = self._weights(f"{part}.attn_output")
            network.layer_norm.gamma = self._weights(f"{part}.ffn_norm")
            network.linear_0.weight = self._weights(f"{part}.ffn_gate")
            network.linear_0_noact.weight = self._weights(f"{part}.ffn_up")
            network.linear_1.weight = self._weights(f"{part}.ffn_down")
        special = self._special()
        spec.config.bos_token, spec.config.eos_token = special.get("bos_token"), special.get("eos_token")
        spec.config.unk_token = special.get("unk_token", "")
        spec.config.layer_norm_epsilon = self._number("attention.layer_norm_rms_epsilon")
        spec.register_vocabulary(self._field("tokenizer.ggml.tokens"))
        return spec

    def _write_tokenizer(self, target: Path) -> None:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

        names: list[str] = self._field("tokenizer.ggml.tokens")
        merges = [tuple(merge.split(" ")) for merge in self._field("tokenizer.ggml.merges")]
        vocabulary = {name: place for place, name in enumerate(names)}
        tokenizer: Any = Tokenizer(models.BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix=""))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        kinds = self._field("tokenizer.ggml.token_type") or ()
        special = self._special()
        control = [name for name, kind in zip(names, kinds, strict=False) if kind == _CONTROL]
        for name in dict.fromkeys([*special.values(), *control]):
            tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True)])
        own = [name for name, kind in zip(names, kinds, strict=False) if kind == _USER_DEFINED]
        tokenizer.add_tokens([AddedToken(name, normalized=False) for name in own])
        tokenizer.save(str(target / TOKENIZER))
        (target / CONFIG).write_text(json.dumps(special, ensure_ascii=False))
        template = self._field("tokenizer.chat_template")
        if template:
            (target / TEMPLATE).write_text(template, encoding="utf-8")

    def _special(self) -> Mapping[str, str]:
        names = self._field("tokenizer.ggml.tokens")
        places = {
            "bos_token": self._field("tokenizer.ggml.bos_token_id"),
            "eos_token": self._field("tokenizer.ggml.eos_token_id"),
            "unk_token": self._field("tokenizer.ggml.unknown_token_id"),
            "pad_token": self._field("tokenizer.ggml.padding_token_id"),
        }
        return {name: names[place] for name, place in places.items() if place is not None}

    def _weights(self, name: str) -> Weights:
        """Return a tensor as transformers would load it: in the precision of bfloat16."""
        from gguf.quants import dequantize

        tensor = self._tensors[f"{name}.weight"]
        return _rounded(dequantize(tensor.data, tensor.tensor_type))

    def _number(self, name: str) -> float:
        value: float = self._field(f"llama.{name}")
        return value

    def _field(self, name: str) -> Any:
        if name not in self._contents:
            field = self._reader.get_field(name)
            self._contents[name] = None if field is None else field.contents()
        return self._contents[name]


def _rounded(values: npt.NDArray[Any]) -> Weights:
    """Return numbers with the eight bits of precision that bfloat16 has, to the nearest, to even if there are two."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def _in_halves(weights: Weights, heads: int) -> Weights:
    """Put the rows of each head in the order in which rotary positions turn them here: the two halves of a head.

    llama.cpp turns pairs of neighbours.
    """
    rows, columns = weights.shape
    pairs = weights.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)
