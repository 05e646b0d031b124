"""A tiny CLIP in the hub's on-disk layout: real configuration, tokenizer and processor, random weights."""

from __future__ import annotations

import json
from pathlib import Path

_SENTENCES = (
    "a photo of a cat",
    "a photo of a dog lying in the grass",
    "two people walk through a street with cars, bicycles and a bus",
    "an astronaut, a rocket, a cup of coffee and a bird in a tree",
    "what is in this picture, and what colour is it?",
)


def tiny_clip(folder: Path, *, image_side: int = 32, seed: int = 0) -> Path:
    """Build a CLIP like ``openai/clip-vit-base-patch32``, with hidden sizes of tens.

    Args:
        folder: Created; filled with what the hub's repository holds.
        image_side: Side of the images that it takes, a multiple of 8.
        seed: Of its weights.
    """
    import torch
    from transformers import CLIPConfig, CLIPModel

    vocabulary = write_clip_tokenizer(folder)
    end = vocabulary["<|endoftext|>"]
    text = {
        "vocab_size": len(vocabulary),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 77,
        "bos_token_id": vocabulary["<|startoftext|>"],
        "eos_token_id": end,
        "pad_token_id": end,
    }
    vision = {
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": image_side,
        "patch_size": 8,
    }
    torch.manual_seed(seed)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    with torch.no_grad():
        # Fresh weights give all images nearly the same row; wider ones tell them apart, as trained ones do.
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    model.save_pretrained(folder)
    settings = {
        "crop_size": image_side,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": image_side,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def write_clip_tokenizer(folder: Path) -> dict[str, int]:
    """Write the files of a CLIP tokenizer with a few hundred tokens; return its vocabulary."""
    from tokenizers import trainers
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    special = ["<|startoftext|>", "<|endoftext|>"]
    # The class sets up CLIP's own normaliser and splitting; only the merges are learnt here.
    blank = CLIPTokenizer(vocab={"<|startoftext|>": 0, "<|endoftext|>": 1}, merges=[])
    learning = blank.backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=special,
        initial_alphabet=_byte_alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learning.train_from_iterator(_SENTENCES, trainer)
    learnt = json.loads(learning.to_str())["model"]
    vocabulary: dict[str, int] = learnt["vocab"]
    merges = [tuple(merge) for merge in learnt["merges"]]
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(merge) for merge in merges) + "\n")
    return vocabulary


def _byte_alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())
