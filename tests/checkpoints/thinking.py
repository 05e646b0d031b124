"""Tiny language models that think: their weights are a script, so that each token tells which one comes next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

WORDS = ("<think>", "</think>", "\n\n", "Let", " me", " see", "Red", ".", "thought")
SPECIAL = ("<|im_start|>", "<|im_end|>", "<|channel>", "<channel|>")
_TURNS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
)
_SWITCH = (
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% else %}<think>\n{% endif %}{% endif %}"
)
TEMPLATES = {
    # Qwen 3.5: the template opens the thoughts itself, or opens and closes them.
    "switch": _TURNS + _SWITCH,
    # DeepSeek-R1: there is no switch.
    "always": _TURNS + "<think>\n{% endif %}{# </think> #}",
    # Gemma 4: the marks are special tokens, which the model writes itself.
    "channel": _TURNS + "{% endif %}{# <|channel>thought <channel|> #}",
}
THOUGHTS = ("Let", " me", " see")
ANSWER = ("Red", ".")


def tiny_thinking_language_model(folder: Path, *, style: str = "switch", endless: bool = False) -> Path:
    """Build a Llama that thinks "Let me see" and answers "Red.".

    Args:
        folder: Created; filled with what a hub repository holds.
        style: A name from `TEMPLATES`.
        endless: Let it think without end.
    """
    import torch
    from tokenizers import AddedToken
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from tests.language.tiny_language_models import write_tokenizer

    write_tokenizer(folder, TEMPLATES[style])
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(
        [AddedToken(name, special=True, normalized=False) for name in SPECIAL[2:]], special_tokens=True
    )
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in WORDS])
    tokenizer.save_pretrained(folder)
    size = 512
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=size,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=16384,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )
    number = {name: tokenizer.convert_tokens_to_ids(name) for name in (*WORDS, *SPECIAL)}
    number["\n"] = tokenizer.encode("\n", add_special_tokens=False)[0]
    write_script(model, script_of(style, endless), number, end=1)
    model.save_pretrained(folder)
    return folder


def tiny_qwen_with_switch(folder: Path) -> Path:
    """Build a Qwen 3.5 with random weights whose template switches thinking on and off."""
    from tests.checkpoints.vision_language import tiny_qwen_vl

    tiny_qwen_vl(folder, family="qwen3_5")
    _write_switch(folder)
    return folder


def tiny_thinking_qwen(folder: Path, *, endless: bool = False) -> Path:
    """Build a Qwen 3.5 that reads pictures and films, thinks "Let me see" and answers "Red." whatever it sees."""
    from tokenizers import AddedToken
    from transformers import AutoTokenizer, Qwen3_5ForConditionalGeneration

    from tests.checkpoints.vision_language import tiny_qwen_vl

    tiny_qwen_vl(folder, family="qwen3_5", width=512)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in WORDS])
    tokenizer.save_pretrained(folder)
    model = Qwen3_5ForConditionalGeneration.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    number = {name: tokenizer.convert_tokens_to_ids(name) for name in (*WORDS, "<|im_end|>")}
    number["\n"] = tokenizer.encode("\n")[0]
    write_script(model, script_of("switch", endless), number, end=number["<|im_end|>"])
    model.save_pretrained(folder)
    _write_switch(folder)
    return folder


def _write_switch(folder: Path) -> None:
    file = folder / "chat_template.json"
    template = json.loads(file.read_text())["chat_template"]
    opened = "{% if add_generation_prompt %}<|im_start|>assistant\n"
    assert opened in template
    file.write_text(json.dumps({"chat_template": template.partition(opened)[0] + opened + _SWITCH}))


def script_of(style: str, endless: bool) -> list[Sequence[str]]:
    """Return which tokens follow each other: thoughts after the generation prompt, then the answer."""
    end = "<|im_end|>"
    thoughts = (*THOUGHTS, THOUGHTS[0]) if endless else THOUGHTS
    if style == "channel":
        opened = ("\n", "<|channel>", "thought", *thoughts)
        return [opened if endless else (*opened, "<channel|>", *ANSWER, end)]
    opened = ("\n", *thoughts)
    return [opened if endless else (*opened, "</think>", "\n\n"), ("\n\n", *ANSWER, end)]


def write_script(model: Any, script: Sequence[Sequence[str]], number: Mapping[str, int], *, end: int) -> None:
    """Set a decoder's weights so that each token alone decides the next one; what no script names ends the text."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight", "linear_attn.out_proj.weight")):
                parameter.zero_()
        embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        embedding.zero_()
        head.zero_()
        following = dict.fromkeys(range(embedding.shape[0]), end)
        for names in script:
            following.update((number[before], number[after]) for before, after in pairwise(names))
        for before, after in following.items():
            embedding[before, before] = 1.0
            head[after, before] = 1.0
