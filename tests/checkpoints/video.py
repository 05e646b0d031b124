"""Tiny checkpoints that see films, in the hub's on-disk layout, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ACTIONS = ("playing guitar", "walking the dog", "making tea", "riding a bike", "reading book")

_CLIP_MEAN, _CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_HALF = [0.5, 0.5, 0.5]
_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_SENTENCES = (
    "What happens in this film, and when? Name the time of each event like this: [00:12].",
    "The film is 12.0 seconds long. Its 16 frames are from these seconds: 0.0, 0.8, 1.6, 2.4, 3.2.",
    "USER ASSISTANT user assistant system You are a helpful assistant. Time 0.5s: <1.5 seconds>",
    "Ein Käfig, 猫 and 17 birds. 视频里有什么? Привет!",
)
_QWEN_SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
_VIDEO_LLAMA_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for content in message['content'] %}"
    "{% if content['type'] == 'text' %}{{ content['text'] }}{% elif content['type'] == 'image' %}<|image_pad|>\n"
    "{% elif content['type'] == 'video' %}<|video_pad|>\n{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_VICUNA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'video') %}{{ '<video>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def tiny_videomae(folder: Path, *, classifier: bool = True, side: int = 32, seed: int = 0) -> Path:
    """Build a VideoMAE like ``MCG-NJU/videomae-base-finetuned-kinetics``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        classifier: Whether it names actions; else it is like ``MCG-NJU/videomae-base``.
        side: Of the square that it sees, a multiple of 16.
        seed: Of its weights.
    """
    import torch
    from transformers import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification

    config = VideoMAEConfig(
        image_size=side,
        patch_size=16,
        num_frames=16,
        tubelet_size=2,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        decoder_hidden_size=16,
        decoder_intermediate_size=32,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        use_mean_pooling=True,
        id2label=dict(enumerate(ACTIONS)),
        label2id={label: index for index, label in enumerate(ACTIONS)},
    )
    torch.manual_seed(seed)
    model: Any = (VideoMAEForVideoClassification if classifier else VideoMAEForPreTraining)(config)
    _save(model, folder, width=0.2)
    _write_frames_processor(folder, side, image_mean=_IMAGENET_MEAN, image_std=_IMAGENET_STD)
    return folder


def tiny_timesformer(folder: Path, *, side: int = 32, seed: int = 0) -> Path:
    """Build a TimeSformer like ``facebook/timesformer-base-finetuned-k400``; arguments as for `tiny_videomae`."""
    import torch
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    config = TimesformerConfig(
        image_size=side,
        patch_size=16,
        num_frames=8,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        id2label=dict(enumerate(ACTIONS)),
        label2id={label: index for index, label in enumerate(ACTIONS)},
    )
    torch.manual_seed(seed)
    model: Any = TimesformerForVideoClassification(config)
    for name, parameter in model.named_parameters():
        if "time" in name or "temporal" in name:
            torch.nn.init.normal_(parameter, std=1)  # fresh ones are zeros, which don't tell an order of frames
    _save(model, folder, width=0.2)
    _write_frames_processor(folder, side, image_mean=[0.45] * 3, image_std=[0.225] * 3)
    return folder


def tiny_vivit(folder: Path, *, side: int = 32, seed: int = 0) -> Path:
    """Build a ViViT like ``google/vivit-b-16x2-kinetics400``; arguments as for `tiny_videomae`."""
    import torch
    from transformers import VivitConfig, VivitForVideoClassification

    config = VivitConfig(
        image_size=side,
        num_frames=8,
        tubelet_size=[2, 16, 16],
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        id2label=dict(enumerate(ACTIONS)),
        label2id={label: index for index, label in enumerate(ACTIONS)},
    )
    torch.manual_seed(seed)
    model: Any = VivitForVideoClassification(config)
    for name, parameter in model.named_parameters():
        if "position" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    _save(model, folder, width=0.2)
    settings = {"image_processor_type": "VivitImageProcessor", "offset": True, "rescale_factor": 1 / 127.5}
    _write_frames_processor(folder, side, image_mean=[0.5] * 3, image_std=[0.5] * 3, **settings)
    return folder


def tiny_video_llama_3(folder: Path, *, seed: int = 0) -> Path:
    """Build a VideoLLaMA 3 like ``lkhl/VideoLLaMA3-2B-Image-HF``."""
    import torch
    from transformers import VideoLlama3Config, VideoLlama3ForConditionalGeneration

    vocabulary = _write_qwen_tokenizer(folder)
    config = VideoLlama3Config(
        vision_config={
            **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
            "patch_size": 8,
        },
        text_config={**_small_decoder(vocabulary), "model_type": "qwen2", "max_position_embeddings": 2048},
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
    )
    torch.manual_seed(seed)
    _save(VideoLlama3ForConditionalGeneration(config), folder)
    common = {
        **{"do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True, "patch_size": 8},
        **{
            "image_mean": _HALF,
            "image_std": _HALF,
            "temporal_patch_size": 1,
            "processor_class": "VideoLlama3Processor",
        },
    }
    picture = {"image_processor_type": "VideoLlama3ImageProcessor", "merge_size": 1}
    size = {"size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}}
    _write_json(folder / "preprocessor_config.json", {**common, **picture, **size})
    film = {"video_processor_type": "VideoLlama3VideoProcessor", "merge_size": 2, "use_token_compression": True}
    size = {"size": {"shortest_edge": 16 * 16, "longest_edge": 64 * 64 * 16}}
    _write_json(folder / "video_preprocessor_config.json", {**common, **film, **size})
    (folder / "chat_template.jinja").write_text(_VIDEO_LLAMA_TEMPLATE)
    return folder


def tiny_llava_next_video(folder: Path, *, seed: int = 0) -> Path:
    """Build a LLaVA-NeXT-Video like ``llava-hf/LLaVA-NeXT-Video-7B-hf``."""
    import torch
    from transformers import LlavaNextVideoConfig, LlavaNextVideoForConditionalGeneration

    vocabulary = _write_llama_tokenizer(folder)
    grid = [[32, 64], [64, 32], [64, 64]]
    config = LlavaNextVideoConfig(
        vision_config={
            **{"model_type": "clip_vision_model", "hidden_size": 48, "intermediate_size": 96, "projection_dim": 24},
            **{"num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 32, "patch_size": 8},
        },
        text_config={**_small_decoder(vocabulary), "model_type": "llama", "max_position_embeddings": 2048},
        image_token_index=vocabulary["<image>"],
        video_token_index=vocabulary["<video>"],
        image_grid_pinpoints=grid,
        spatial_pool_mode="average",
        spatial_pool_stride=2,
        image_seq_length=16,
        video_seq_length=4,
    )
    torch.manual_seed(seed)
    _save(LlavaNextVideoForConditionalGeneration(config), folder)
    common = {
        **{"crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "do_convert_rgb": True, "do_resize": True},
        **{"do_normalize": True, "do_rescale": True, "image_mean": _CLIP_MEAN, "image_std": _CLIP_STD, "resample": 3},
        **{"rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 32}},
        "processor_class": "LlavaNextVideoProcessor",
    }
    picture = {"image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": grid}
    _write_json(folder / "preprocessor_config.json", {**common, **picture, "aspect_ratio_setting": "anyres"})
    film = {"video_processor_type": "LlavaNextVideoVideoProcessor"}
    _write_json(folder / "video_preprocessor_config.json", {**common, **film})
    settings = {
        **{"image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": 8, "video_token": "<video>"},
        **{"processor_class": "LlavaNextVideoProcessor", "vision_feature_select_strategy": "default"},
    }
    _write_json(folder / "processor_config.json", settings)
    _write_json(folder / "chat_template.json", {"chat_template": _VICUNA_TEMPLATE})
    return folder


def _small_decoder(vocabulary: dict[str, int]) -> dict[str, Any]:
    end = vocabulary["<|im_end|>" if "<|im_end|>" in vocabulary else "</s>"]
    return {
        **{"vocab_size": len(vocabulary), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False, "initializer_range": 0.3},
        **{"bos_token_id": None, "eos_token_id": end, "pad_token_id": end, "sliding_window": None},
    }


def _save(model: Any, folder: Path, *, width: float = 0.1) -> None:
    import torch

    with torch.no_grad():
        # Fresh weights see nearly the same in every film; wider ones tell films apart, as trained ones do.
        for parameter in model.parameters():
            if parameter.dim() > 1 and 0 < float(parameter.std()) < width:
                parameter.mul_(width / float(parameter.std()))
    model.save_pretrained(folder)


def _write_qwen_tokenizer(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    learning = Tokenizer(models.BPE())
    learning.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(_QWEN_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learning.train_from_iterator(_SENTENCES, trainer)
    learnt = json.loads(learning.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=learnt["vocab"],
        merges=[tuple(merge) for merge in learnt["merges"]],
        additional_special_tokens=list(_QWEN_SPECIAL),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return vocabulary


def _write_llama_tokenizer(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaTokenizer

    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learning = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    learning.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    trainer = trainers.BpeTrainer(vocab_size=480, special_tokens=special, show_progress=False)
    learning.train_from_iterator(_SENTENCES, trainer)
    learnt = json.loads(learning.to_str())["model"]
    tokenizer = LlamaTokenizer(
        vocab=learnt["vocab"],
        merges=[tuple(merge) for merge in learnt["merges"]],
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>", "video_token": "<video>"},
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return vocabulary


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2))


def _write_frames_processor(folder: Path, side: int, **settings: Any) -> None:
    common = {
        **{"crop_size": {"height": side, "width": side}, "do_center_crop": True, "do_normalize": True},
        **{"do_rescale": True, "do_resize": True, "feature_extractor_type": "VideoMAEFeatureExtractor"},
        **{"image_processor_type": "VideoMAEImageProcessor", "resample": 2},
        **{"rescale_factor": 0.00392156862745098, "size": {"shortest_edge": side}},
    }
    _write_json(folder / "preprocessor_config.json", {**common, **settings})
