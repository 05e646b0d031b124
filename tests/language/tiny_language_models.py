"""Tiny language models in the hub's layout and in GGUF: real configurations and tokenizers, random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SENTENCES = (
    "What colour is the car? The car is red, and the sky above it is blue.",
    "Once upon a time a fox lived in the forest; it liked to read 12 books a day.",
    "Die Straße ist naß. 猫が好きです。 Привет, мир! ¿Dónde está el perro?",
)


def tiny_causal_language_model(folder: Path, *, family: str = "llama", chat: bool = True, seed: int = 0) -> Path:
    """Build a causal language model with hidden sizes of tens.

    Args:
        folder: Created; filled with what a hub repository holds.
        family: ``"llama"`` or ``"gpt2"``.
        chat: Whether it has a chat template.
        seed: Of its weights, which bfloat16 holds exactly.
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    vocabulary = write_tokenizer(folder, _TEMPLATE if chat else None)
    ends: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "vocab_size": len(vocabulary)}
    torch.manual_seed(seed)
    model: Any
    if family == "llama":
        model = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=64,
                intermediate_size=96,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=128,
                tie_word_embeddings=True,
                initializer_range=0.3,
                **ends,
            )
        )
    else:
        model = GPT2LMHeadModel(
            GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=128, initializer_range=0.3, **ends)
        )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16().float())
    model.save_pretrained(folder)
    return folder


def write_gguf(source: Path, file: Path, *, quantised: str = "") -> Path:
    """Write a Llama that `tiny_causal_language_model` built as a GGUF file, as llama.cpp does.

    Args:
        source: Its folder.
        file: What is written.
        quantised: How its matrices are, such as ``"Q4_1"``; by default they aren't.
    """
    import gguf
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(source)
    config = model.config
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    special = {item["id"]: item["content"] for item in tokenizer["added_tokens"]}
    names = {**{index: name for name, index in vocabulary.items()}, **special}
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([names[index] for index in range(config.vocab_size)])
    controls = {item["id"] for item in tokenizer["added_tokens"] if item["special"]}
    writer.add_token_types(
        [3 if index in controls else 4 if index in special else 1 for index in range(config.vocab_size)]
    )
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    template = source / "chat_template.jinja"
    writer.add_chat_template(template.read_text() if template.is_file() else _TEMPLATE)

    def add(name: str, values: Any) -> None:
        if quantised and values.ndim == 2:
            kind = gguf.GGMLQuantizationType[quantised]
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)

    places = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        if name == "model.embed_tokens.weight":
            add("token_embd.weight", values)
        elif name == "lm_head.weight" and not config.tie_word_embeddings:
            add("output.weight", values)
        elif name == "model.norm.weight":
            add("output_norm.weight", values)
        elif name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            part = rest.removesuffix(".weight")
            heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
            if part in heads:
                # llama.cpp turns pairs of neighbours, transformers the two halves of a head.
                rows, columns = values.shape
                halves = values.reshape(heads[part], 2, rows // heads[part] // 2, columns)
                values = halves.swapaxes(1, 2).reshape(rows, columns)
            add(f"blk.{layer}.{places[part]}.weight", values.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def write_tokenizer(folder: Path, template: str | None) -> dict[str, int]:
    """Write a tokenizer with a chat template; return its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        model_max_length=128,
    )
    fast.chat_template = template
    folder.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(folder)
    return tokenizer.get_vocab()
