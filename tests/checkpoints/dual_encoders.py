"""Tiny dual encoders beside CLIP in the hub's on-disk layout: real configuration, tokenizers, processors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.checkpoints.clip import write_clip_tokenizer

ENGLISH = (
    "a photo of a cat",
    "this is a photo of a dog lying in the grass",
    "two people walk through a street with cars, bicycles and a bus",
    "an astronaut, a rocket, a cup of coffee and a bird in a tree",
)
CHINESE = ("一张猫的照片", "一张狗的照片", "两个人走在街上", "一只鸟和一杯咖啡", "火箭")

_VISION = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_CLIP_PIXELS = {
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
}
_SIGLIP_PIXELS = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 0.00392156862745098,
}


def tiny_siglip(folder: Path, *, seed: int = 0) -> Path:
    """Build a SigLIP like ``google/siglip-base-patch16-224``."""
    _write_sentencepiece_tokenizer(folder)
    return _save_siglip(folder, vocabulary_size=_SIGLIP_VOCABULARY, seed=seed)


def tiny_siglip2(folder: Path, *, seed: int = 0) -> Path:
    """Build a SigLIP 2 of fixed resolution like ``google/siglip2-base-patch16-224``: SigLIP with Gemma's tokenizer."""
    return _save_siglip(folder, vocabulary_size=_write_gemma_tokenizer(folder), seed=seed)


def tiny_siglip2_naflex(folder: Path, *, seed: int = 0) -> Path:
    """Build a SigLIP 2 like ``google/siglip2-base-patch16-naflex``, of 16 patches of 8 by 8 pixels."""
    from transformers import Siglip2Config, Siglip2Model

    vocabulary_size = _write_gemma_tokenizer(folder)
    vision = {**_VISION, "num_patches": 16}
    del vision["image_size"]
    text = {**_TEXT, "hidden_size": 48, "vocab_size": vocabulary_size, "max_position_embeddings": 64}
    _save(Siglip2Model, Siglip2Config(text_config=text, vision_config=vision), folder, seed)
    _write_settings(
        folder,
        {
            **_SIGLIP_PIXELS,
            "image_processor_type": "Siglip2ImageProcessor",
            "max_num_patches": 16,
            "patch_size": 8,
            "processor_class": "Siglip2Processor",
            "resample": 2,
        },
    )
    return folder


def tiny_chinese_clip(folder: Path, *, seed: int = 0) -> Path:
    """Build a Chinese-CLIP like ``OFA-Sys/chinese-clip-vit-base-patch16``."""
    from transformers import ChineseCLIPConfig, ChineseCLIPModel

    vocabulary_size = write_bert_tokenizer(folder)
    text = {**_TEXT, "vocab_size": vocabulary_size, "max_position_embeddings": 64}
    config = ChineseCLIPConfig(text_config=text, vision_config=_VISION, projection_dim=24)
    _save(ChineseCLIPModel, config, folder, seed)
    pixels = {
        "image_processor_type": "ChineseCLIPImageProcessor",
        "feature_extractor_type": "ChineseCLIPFeatureExtractor",
    }
    size = {"crop_size": {"height": 32, "width": 32}, "size": {"height": 32, "width": 32}}
    _write_settings(folder, {**_CLIP_PIXELS, **pixels, **size, "do_center_crop": False})
    return folder


def tiny_altclip(folder: Path, *, seed: int = 0) -> Path:
    """Build an AltCLIP like ``BAAI/AltCLIP``: CLIP with XLM-RoBERTa."""
    from transformers import AltCLIPConfig, AltCLIPModel

    vocabulary_size = _write_xlm_roberta_tokenizer(folder)
    text = {**_TEXT, "vocab_size": vocabulary_size, "max_position_embeddings": 66, "project_dim": 24}
    config = AltCLIPConfig(text_config=text, vision_config=_VISION, projection_dim=24)
    _save(AltCLIPModel, config, folder, seed)
    kind = {"feature_extractor_type": "CLIPFeatureExtractor", "image_processor_type": "CLIPImageProcessor"}
    _write_settings(folder, {**_CLIP_PIXELS, **kind, "crop_size": 32, "size": 32})
    return folder


def tiny_metaclip_2(folder: Path, *, seed: int = 0) -> Path:
    """Build a MetaCLIP 2 like ``facebook/metaclip-2-worldwide-huge-quickgelu``."""
    from transformers import MetaClip2Config, MetaClip2Model

    vocabulary_size = _write_xlm_roberta_tokenizer(folder)
    text = {**_TEXT, "vocab_size": vocabulary_size, "max_position_embeddings": 64, "hidden_act": "quick_gelu"}
    text |= {"eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}
    vision = {**_VISION, "hidden_act": "quick_gelu"}
    config = MetaClip2Config(text_config=text, vision_config=vision, projection_dim=24)
    _save(MetaClip2Model, config, folder, seed)
    kind = {"image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor"}
    size = {"crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 32}}
    _write_settings(folder, {**_CLIP_PIXELS, **kind, **size})
    return folder


def tiny_aimv2(folder: Path, *, seed: int = 0) -> Path:
    """Build an AIMv2 with its text encoder like ``apple/aimv2-large-patch14-224-lit``."""
    from transformers import Aimv2Config, Aimv2Model

    vocabulary = write_clip_tokenizer(folder)
    text = {**_TEXT, "vocab_size": len(vocabulary), "eos_token_id": vocabulary["<|endoftext|>"]}
    config = Aimv2Config(text_config=text, vision_config=_VISION, projection_dim=24, max_logit_scale=10.0)
    _save(Aimv2Model, config, folder, seed)
    kind = {"image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor"}
    size = {"crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 32}}
    _write_settings(folder, {**_CLIP_PIXELS, **kind, **size})
    return folder


def tiny_vision_text_dual_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Build a ViT and a BERT joined by projections, like ``LiT`` checkpoints in transformers' layout."""
    from transformers import BertConfig, VisionTextDualEncoderConfig, VisionTextDualEncoderModel, ViTConfig

    vocabulary_size = write_bert_tokenizer(folder)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        ViTConfig(**_VISION),
        BertConfig(**_TEXT, vocab_size=vocabulary_size, max_position_embeddings=64),
        projection_dim=24,
    )
    _save(VisionTextDualEncoderModel, config, folder, seed)
    _write_settings(
        folder,
        {
            **_SIGLIP_PIXELS,
            "feature_extractor_type": "ViTFeatureExtractor",
            "resample": 2,
            "size": 32,
        },
    )
    return folder


def write_bert_tokenizer(folder: Path) -> int:
    """Write the files of a BERT tokenizer for the sentences above; return the size of its vocabulary."""
    from transformers import BertTokenizer

    letters = sorted({letter for text in (*ENGLISH, *CHINESE) for letter in text if not letter.isspace()})
    words = sorted({word.strip(",") for text in ENGLISH for word in text.split()})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    continued = [f"##{letter}" for letter in letters if letter.isascii()]
    tokens = list(dict.fromkeys([*special, *letters, *continued, *words]))
    BertTokenizer(vocab={token: index for index, token in enumerate(tokens)}, model_max_length=64).save_pretrained(
        folder
    )
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return len(tokens)


_SIGLIP_VOCABULARY = 120


def _save_siglip(folder: Path, *, vocabulary_size: int, seed: int) -> Path:
    from transformers import SiglipConfig, SiglipModel

    text = {**_TEXT, "vocab_size": vocabulary_size, "max_position_embeddings": 64, "projection_size": 48}
    _save(SiglipModel, SiglipConfig(text_config=text, vision_config=_VISION), folder, seed)
    _write_settings(
        folder,
        {
            **_SIGLIP_PIXELS,
            "image_processor_type": "SiglipImageProcessor",
            "processor_class": "SiglipProcessor",
            "resample": 3,
            "size": {"height": 32, "width": 32},
        },
    )
    return folder


def _save(model_class: Any, config: Any, folder: Path, seed: int) -> None:
    import torch

    torch.manual_seed(seed)
    model = model_class(config)
    with torch.no_grad():
        # Fresh weights give all images nearly the same row; wider ones tell them apart, as trained ones do.
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
        if hasattr(model, "logit_bias"):
            model.logit_scale.fill_(2.0)
            model.logit_bias.fill_(-3.0)
    model.save_pretrained(folder)


def _write_settings(folder: Path, settings: dict[str, Any]) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def _write_sentencepiece_tokenizer(folder: Path) -> None:
    """Write SigLIP's files: ``spiece.model`` and its settings."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(ENGLISH * 20),
        model_prefix=str(folder / "spiece"),
        vocab_size=_SIGLIP_VOCABULARY,
        hard_vocab_limit=False,
        pad_id=-1,
        bos_id=-1,
        eos_id=1,
        unk_id=2,
        control_symbols=["<pad>"],
        minloglevel=2,
    )
    (folder / "spiece.vocab").unlink()
    settings = {
        "do_lower_case": True,
        "eos_token": "</s>",
        "model_input_names": ["input_ids"],
        "model_max_length": 64,
        "pad_token": "</s>",
        "processor_class": "SiglipProcessor",
        "tokenizer_class": "SiglipTokenizer",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _write_gemma_tokenizer(folder: Path) -> int:
    """Write Gemma's tokenizer as SigLIP 2 has it: end sign, no begin sign, padding on the right, no mask."""
    from tokenizers import trainers
    from transformers import GemmaTokenizer

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    blank = GemmaTokenizer()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    blank.backend_tokenizer.train_from_iterator([*ENGLISH, *CHINESE], trainer)
    learnt = json.loads(blank.backend_tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = learnt["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    GemmaTokenizer(
        vocab=vocabulary,
        merges=[tuple(merge) for merge in learnt["merges"]],
        add_bos_token=False,
        add_eos_token=True,
        do_lower_case=True,
        model_input_names=["input_ids"],
        model_max_length=64,
        padding_side="right",
    ).save_pretrained(folder)
    return len(vocabulary)


def _write_xlm_roberta_tokenizer(folder: Path) -> int:
    from transformers import XLMRobertaTokenizer

    letters = sorted({letter for text in (*ENGLISH, *CHINESE) for letter in text if not letter.isspace()})
    words = sorted({word.strip(",") for text in ENGLISH for word in text.split()})
    pieces = [*(f"▁{word}" for word in words), "▁", *letters]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    scored = [
        *((token, 0.0) for token in special),
        *((piece, -float(len(piece) < 2)) for piece in dict.fromkeys(pieces)),
    ]
    vocabulary = [*scored, ("<mask>", 0.0)]
    XLMRobertaTokenizer(vocab=vocabulary, model_max_length=512).save_pretrained(folder)
    return len(vocabulary)
