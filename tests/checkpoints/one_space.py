"""A tiny EmbeddingGemma 2 in the hub's on-disk layout: model, processor, and settings for sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.checkpoints.dual_encoders import CHINESE, ENGLISH

QUERY = "task: search result | query: "
DOCUMENT = "title: none | text: "
DIMENSION = 24

_MARKS = {
    "image_token": "<|image|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
}


def tiny_embedding_gemma_2(folder: Path, *, hears: bool = True, pooling: str = "mean", seed: int = 0) -> Path:
    """Build a checkpoint like ``google/embeddinggemma-2``, of pictures of 70 tokens and windows of two seconds.

    Args:
        folder: Where it goes.
        hears: Whether it has the part that hears.
        pooling: How ``1_Pooling/config.json`` says that tokens become one vector.
        seed: Of its weights.
    """
    import torch
    from transformers import EmbeddingGemma2Config, EmbeddingGemma2Model

    words = _write_tokenizer(folder)
    config = EmbeddingGemma2Config(
        text_config=_text(len(words)),
        vision_config=_VISION,
        audio_config=_AUDIO if hears else None,
        **{f"{name}_id": words[mark] for name, mark in _MARKS.items() if name.startswith(("image", "audio", "bo"))},
        eoi_token_id=words[_MARKS["eoi_token"]],
        eoa_token_index=words[_MARKS["eoa_token"]],
        video_token_id=words["<|video|>"],
    )
    torch.manual_seed(seed)
    model = EmbeddingGemma2Model(config)
    with torch.no_grad():
        # Fresh weights give all inputs nearly the same vector; wider ones tell them apart, as trained ones do.
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    model.save_pretrained(folder)
    _write_json(folder / "processor_config.json", _PROCESSOR)
    _write_json(folder / "config_sentence_transformers.json", {"default_prompt_name": None, "prompts": _PROMPTS})
    _write_json(folder / "modules.json", _MODULES)
    _write_json(folder / "1_Pooling" / "config.json", {"embedding_dimension": DIMENSION, "pooling_mode": pooling})
    return folder


_PROMPTS = {"Document": DOCUMENT, "SearchQuery": QUERY, "Retrieval-document": DOCUMENT, "Retrieval-query": QUERY}
_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
    {
        "idx": 1,
        "name": "1",
        "path": "1_Pooling",
        "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    },
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.base.modules.normalize.Normalize"},
]
_VISION = {
    "model_type": "gemma4_vision",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "patch_size": 4,
    "pooling_kernel_size": 3,
    "position_embedding_size": 256,
}
_AUDIO = {
    "model_type": "gemma4_audio",
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "subsampling_conv_channels": [128, 4],
    "output_proj_dims": 16,
}
_PROCESSOR = {
    "processor_class": "EmbeddingGemma2Processor",
    "audio_ms_per_token": 40,
    "audio_seq_length": 50,
    "image_seq_length": 70,
    "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor", "sampling_rate": 16000},
    "image_processor": {
        "image_processor_type": "Gemma4ImageProcessor",
        "do_convert_rgb": True,
        "do_normalize": False,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.0, 0.0, 0.0],
        "image_std": [1.0, 1.0, 1.0],
        "max_soft_tokens": 70,
        "patch_size": 4,
        "pooling_kernel_size": 3,
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
    },
    "video_processor": {"video_processor_type": "EmbeddingGemma2VideoProcessor", "add_timestamps": False},
}


def _text(vocabulary_size: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "global_head_dim": 16,
        "sliding_window_pattern": 2,
        "hidden_size_per_layer_input": 8,
        "embedding_dim": DIMENSION,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }


def _write_tokenizer(folder: Path) -> dict[str, int]:
    """Write Gemma's tokenizer as EmbeddingGemma 2 has it: signs for begin and end, and for pictures and sound."""
    from tokenizers import trainers
    from transformers import GemmaTokenizer

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *_MARKS.values(), "<|video|>"]
    blank = GemmaTokenizer()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    blank.backend_tokenizer.train_from_iterator([*ENGLISH, *CHINESE, QUERY, DOCUMENT], trainer)
    learnt = json.loads(blank.backend_tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = learnt["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    GemmaTokenizer(
        vocab=vocabulary,
        merges=[tuple(merge) for merge in learnt["merges"]],
        add_bos_token=True,
        add_eos_token=True,
        additional_special_tokens=["<|video|>"],
        extra_special_tokens=_MARKS,
        padding_side="right",
    ).save_pretrained(folder)
    return vocabulary


def _write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
