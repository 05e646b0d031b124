"""Tiny checkpoints that read pictures and write text, in the hub's on-disk layout, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SENTENCES = (
    "What is in this picture, and what colour is it? How many people are there?",
    "Describe the image in detail: a cat lying on a mat, two dogs in the grass, an astronaut with a rocket.",
    "Question: what is the person doing? Answer: she is reading a book. a photo of a cup of coffee",
    "USER ASSISTANT user assistant system User: Assistant: You are a helpful assistant.",
    "Ein Käfig, 猫 and 17 birds. 你好，图片里有什么？ Привет!",
)
_CLIP_MEAN, _CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_HALF = [0.5, 0.5, 0.5]
_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

_VICUNA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}{# Render all text next #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
_MISTRAL_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'][0]['text'] + '</s> '}}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
_ONEVISION_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + ' '}}{# Render all images first #}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + content['text'] }}"
    "{% endfor %}{{'<|im_end|>'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SMOLVLM_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
_INTERNVL_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}{% if message['content'] is string %}"
    "{{ message['content'] }}{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "{{ '<IMG_CONTEXT>\n' }}{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{{'<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n' }}{% endif %}"
)


def tiny_blip(folder: Path, *, head: str = "caption", seed: int = 0) -> Path:
    """Build a BLIP like ``Salesforce/blip-image-captioning-base``, ``blip-vqa-base`` or ``blip-itm-base-coco``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        head: ``"caption"``, ``"vqa"`` or ``"retrieval"``.
        seed: Of its weights.
    """
    import torch
    from transformers import (
        BlipConfig,
        BlipForConditionalGeneration,
        BlipForImageTextRetrieval,
        BlipForQuestionAnswering,
    )

    vocabulary = _write_bert_tokenizer(folder)
    size = len(vocabulary)
    text = {
        # Like the hub's: two tokens more than the tokenizer knows, the first of which starts an answer.
        **{"vocab_size": size + 2, "bos_token_id": size, "eos_token_id": 2, "pad_token_id": 0},
        **{"sep_token_id": vocabulary["[SEP]"], "max_position_embeddings": 64},
        # As in the hub's, as wide as the image encoder: the answering half looks at the question's states.
        **{"hidden_size": 48, "encoder_hidden_size": 48, "intermediate_size": 64, "projection_dim": 24},
        **{"num_hidden_layers": 2, "num_attention_heads": 4},
    }
    vision = {**_small_vision(), "projection_dim": 24}
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=24, image_text_hidden_size=16)
    heads: dict[str, Any] = {
        "caption": BlipForConditionalGeneration,
        "vqa": BlipForQuestionAnswering,
        "retrieval": BlipForImageTextRetrieval,
    }
    model_class = heads[head]
    torch.manual_seed(seed)
    _save(model_class(config), folder)
    settings = _image_settings("BlipImageProcessor", _CLIP_MEAN, _CLIP_STD, {"height": 32, "width": 32})
    _write_json(folder / "preprocessor_config.json", {**settings, "processor_class": "BlipProcessor"})
    return folder


def tiny_blip_2(folder: Path, *, language_model: str = "opt", seed: int = 0) -> Path:
    """Build a BLIP-2 like ``Salesforce/blip2-opt-2.7b`` or, for ``"t5"``, ``Salesforce/blip2-flan-t5-xl``."""
    import torch
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    if language_model == "opt":
        vocabulary = _write_byte_tokenizer(
            folder,
            "GPT2Tokenizer",
            ["<s>", "<pad>", "</s>", "<unk>", "<image>"],
            {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>"},
            add_bos_token=True,
        )
        text: dict[str, Any] = {
            **{"model_type": "opt", "vocab_size": len(vocabulary), "max_position_embeddings": 128},
            **{"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
            **{"word_embed_proj_dim": 32, "bos_token_id": 2, "eos_token_id": vocabulary["Ċ"], "pad_token_id": 1},
        }
    else:
        vocabulary = _write_t5_tokenizer(folder)
        text = {
            **{"model_type": "t5", "vocab_size": len(vocabulary), "d_model": 32, "d_kv": 8, "d_ff": 64},
            **{"num_layers": 2, "num_decoder_layers": 2, "num_heads": 4, "feed_forward_proj": "gated-gelu"},
            **{"tie_word_embeddings": False, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0},
        }
    qformer = {
        **{"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"intermediate_size": 64, "encoder_hidden_size": 48},
    }
    config = Blip2Config(
        vision_config={**_small_vision(), "qkv_bias": True},
        qformer_config=qformer,
        text_config=text,
        num_query_tokens=5,
        image_token_index=vocabulary["<image>"],
        initializer_range=0.2,
    )
    torch.manual_seed(seed)
    model = Blip2ForConditionalGeneration(config)
    with torch.no_grad():
        model.query_tokens.normal_()
    _save(model, folder, width=0.3)
    settings = _image_settings("BlipImageProcessor", _CLIP_MEAN, _CLIP_STD, {"height": 32, "width": 32})
    _write_json(folder / "preprocessor_config.json", {**settings, "processor_class": "Blip2Processor"})
    _write_json(folder / "processor_config.json", {"num_query_tokens": 5, "processor_class": "Blip2Processor"})
    return folder


def tiny_llava(folder: Path, *, context: int = 256, seed: int = 0) -> Path:
    """Build a LLaVA 1.5 like ``llava-hf/llava-1.5-7b-hf``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        context: Context window in tokens; a picture takes 16 of them.
        seed: Of its weights.
    """
    import torch
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    vocabulary = _write_llama_tokenizer(folder)
    config = LlavaConfig(
        vision_config={**_small_clip_vision(), "model_type": "clip_vision_model"},
        text_config={**_small_decoder("llama", vocabulary), "max_position_embeddings": context},
        image_token_index=vocabulary["<image>"],
        image_seq_length=16,
    )
    torch.manual_seed(seed)
    _save(LlavaForConditionalGeneration(config), folder, suppress_tokens=_bytes(vocabulary))
    _write_clip_image_settings(folder, "CLIPImageProcessor", "LlavaProcessor")
    _write_processor(folder, "LlavaProcessor", _VICUNA_TEMPLATE)
    return folder


def tiny_llava_next(folder: Path, *, seed: int = 0) -> Path:
    """Build a LLaVA 1.6 like ``llava-hf/llava-v1.6-mistral-7b-hf``, which refuses system prompts."""
    import torch
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

    vocabulary = _write_llama_tokenizer(folder)
    grid = [[32, 64], [64, 32], [64, 64]]
    config = LlavaNextConfig(
        vision_config={**_small_clip_vision(), "model_type": "clip_vision_model"},
        text_config={**_small_decoder("mistral", vocabulary), "max_position_embeddings": 1024},
        image_token_index=vocabulary["<image>"],
        image_grid_pinpoints=grid,
        image_seq_length=16,
    )
    torch.manual_seed(seed)
    _save(LlavaNextForConditionalGeneration(config), folder, suppress_tokens=_bytes(vocabulary))
    _write_clip_image_settings(
        folder,
        "LlavaNextImageProcessor",
        "LlavaNextProcessor",
        image_grid_pinpoints=grid,
        aspect_ratio_setting="anyres",
    )
    _write_processor(folder, "LlavaNextProcessor", _MISTRAL_TEMPLATE)
    return folder


def tiny_llava_onevision(folder: Path, *, seed: int = 0) -> Path:
    """Build a LLaVA-OneVision like ``llava-hf/llava-onevision-qwen2-0.5b-ov-hf``."""
    import torch
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

    vocabulary = _write_byte_tokenizer(
        folder,
        "Qwen2Tokenizer",
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"],
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    )
    grid = [[32, 32], [32, 64], [64, 32], [64, 64]]
    config = LlavaOnevisionConfig(
        vision_config={**_small_siglip_vision(), "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config={**_small_decoder("qwen2", vocabulary), "max_position_embeddings": 1024},
        image_token_index=vocabulary["<image>"],
        video_token_index=vocabulary["<video>"],
        image_grid_pinpoints=grid,
        vision_feature_layer=-1,
    )
    torch.manual_seed(seed)
    model = LlavaOnevisionForConditionalGeneration(config)
    _save(model, folder, **_ends(vocabulary, "<|im_end|>", "<|endoftext|>"))
    settings = _image_settings("LlavaOnevisionImageProcessor", _HALF, _HALF, {"height": 32, "width": 32})
    settings |= {"do_pad": True, "image_grid_pinpoints": grid, "processor_class": "LlavaOnevisionProcessor"}
    _write_json(folder / "preprocessor_config.json", settings)
    _write_json(folder / "video_preprocessor_config.json", {**settings, "video_processor_type": "LlavaOnevision"})
    processor = {
        **{"image_token": "<image>", "video_token": "<video>", "num_image_tokens": 16},
        **{"vision_feature_select_strategy": "full", "processor_class": "LlavaOnevisionProcessor"},
    }
    _write_json(folder / "processor_config.json", processor)
    _write_json(folder / "chat_template.json", {"chat_template": _ONEVISION_TEMPLATE})
    return folder


def tiny_qwen_vl(folder: Path, *, family: str = "qwen2_vl", width: int = 32, seed: int = 0) -> Path:
    """Build a Qwen-VL like ``Qwen/Qwen2-VL-2B-Instruct``, 2.5, 3 or 3.5, whose generation settings ask for sampling.

    It reads pictures and films.

    Args:
        folder: Created; filled with what the hub's repository holds.
        family: ``"qwen2_vl"``, ``"qwen2_5_vl"``, ``"qwen3_vl"`` or ``"qwen3_5"``.
        width: Of the part that writes.
        seed: Of its weights.
    """
    import torch
    import transformers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
    vocabulary = _write_byte_tokenizer(
        folder,
        "Qwen2Tokenizer",
        [*special, "<|image_pad|>", "<|video_pad|>"],
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    )
    name = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL", "qwen3_5": "Qwen3_5"}[family]
    newer = family in ("qwen3_vl", "qwen3_5")
    shared = {"depth": 2, "num_heads": 4, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2}
    own: dict[str, dict[str, Any]] = {
        "qwen2_vl": {"embed_dim": 32, "hidden_size": width, "mlp_ratio": 2},
        "qwen2_5_vl": {
            **{"hidden_size": 32, "out_hidden_size": width, "intermediate_size": 64, "window_size": 32},
            **{"fullatt_block_indexes": [1], "tokens_per_second": 2},
        },
        "qwen3_vl": {
            **{"hidden_size": 32, "out_hidden_size": width, "intermediate_size": 64, "num_position_embeddings": 64},
            "deepstack_visual_indexes": [0, 1],
        },
        "qwen3_5": {
            **{"hidden_size": 32, "out_hidden_size": width, "intermediate_size": 64, "num_position_embeddings": 64},
        },
    }
    linear = {
        **{"linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2},
        **{"linear_num_value_heads": 4, "layer_types": ["linear_attention", "full_attention"]},
    }
    config = getattr(transformers, f"{name}Config")(
        vision_config={**shared, **own[family]},
        text_config={
            **_small_decoder(f"{family}_text", vocabulary),
            **({**linear, "partial_rotary_factor": 1.0} if family == "qwen3_5" else {}),
            "hidden_size": width,
            "head_dim": 8,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                **{"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1000000.0},
                **({"mrope_interleaved": True} if newer else {}),
            },
        },
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"],
        vision_end_token_id=vocabulary["<|vision_end|>"],
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    ends = _ends(vocabulary, "<|im_end|>", "<|endoftext|>")
    ends["eos_token_id"] = [ends["eos_token_id"], ends["pad_token_id"]]
    _save(model, folder, **ends, do_sample=True, temperature=0.01, top_k=1, top_p=0.001, repetition_penalty=1.05)
    processor = "Qwen3VL" if newer else name
    settings = {
        **{"image_processor_type": "Qwen2VLImageProcessor", "processor_class": f"{processor}Processor"},
        **{"patch_size": 8, "temporal_patch_size": 2, "merge_size": 2},
    }
    if newer:
        pixels = {"size": {"shortest_edge": 32 * 32, "longest_edge": 96 * 96 * 16}}
        settings |= {**pixels, "image_mean": _HALF, "image_std": _HALF}
        film = {name: value for name, value in settings.items() if name != "image_processor_type"}
        _write_json(
            folder / "video_preprocessor_config.json", {**film, "video_processor_type": "Qwen3VLVideoProcessor"}
        )
        settings["size"] = {"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    else:
        settings |= {"image_mean": _CLIP_MEAN, "image_std": _CLIP_STD}
        settings |= {"min_pixels": 32 * 32, "max_pixels": 96 * 96}
    _write_json(folder / "preprocessor_config.json", settings)
    _write_json(folder / "chat_template.json", {"chat_template": _QWEN_TEMPLATE})
    return folder


def tiny_smolvlm(folder: Path, *, family: str = "smolvlm", seed: int = 0) -> Path:
    """Build a ``HuggingFaceTB/SmolVLM2-500M-Video-Instruct``, or for ``"idefics3"`` a ``SmolVLM-Instruct``."""
    import torch
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
    )

    places = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>", "<global-img>"]
    vocabulary = _write_byte_tokenizer(
        folder,
        "GPT2Tokenizer",
        [*special, "<end_of_utterance>", *places],
        {
            **{"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>", "pad_token": "<|im_end|>"},
            "unk_token": "<|endoftext|>",
        },
    )
    name = {"smolvlm": "SmolVLM", "idefics3": "Idefics3"}[family]
    config_class: Any = {"smolvlm": SmolVLMConfig, "idefics3": Idefics3Config}[family]
    model_class: Any = {"smolvlm": SmolVLMForConditionalGeneration, "idefics3": Idefics3ForConditionalGeneration}[
        family
    ]
    config = config_class(
        vision_config={**_small_siglip_vision(), "model_type": f"{family}_vision" if family == "smolvlm" else family},
        text_config={**_small_decoder("llama", vocabulary), "max_position_embeddings": 1024},
        image_token_id=vocabulary["<image>"],
        scale_factor=2,
        pad_token_id=vocabulary["<|im_end|>"],
    )
    torch.manual_seed(seed)
    _save(model_class(config), folder, **_ends(vocabulary, "<end_of_utterance>", "<|im_end|>"))
    settings = _image_settings(f"{name}ImageProcessor", _HALF, _HALF, {"longest_edge": 64})
    settings |= {"max_image_size": {"longest_edge": 32}, "do_image_splitting": True, "do_pad": True, "resample": 1}
    _write_json(folder / "preprocessor_config.json", {**settings, "processor_class": f"{name}Processor"})
    _write_json(folder / "processor_config.json", {"image_seq_len": 4, "processor_class": f"{name}Processor"})
    _write_json(folder / "chat_template.json", {"chat_template": _SMOLVLM_TEMPLATE})
    return folder


def tiny_internvl(folder: Path, *, seed: int = 0) -> Path:
    """Build an InternVL like ``OpenGVLab/InternVL3-1B-hf``."""
    import torch
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    own = {
        **{"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"},
        "video_token": "<video>",
    }
    vocabulary = _write_byte_tokenizer(
        folder,
        "Qwen2Tokenizer",
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *own.values()],
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        extra_special_tokens=own,
    )
    config = InternVLConfig(
        vision_config={
            **{"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96},
            **{"image_size": [32, 32], "patch_size": [8, 8], "model_type": "internvl_vision"},
        },
        text_config={**_small_decoder("qwen2", vocabulary), "max_position_embeddings": 1024},
        image_token_id=vocabulary["<IMG_CONTEXT>"],
        image_seq_length=4,
    )
    torch.manual_seed(seed)
    _save(InternVLForConditionalGeneration(config), folder, **_ends(vocabulary, "<|im_end|>", "<|endoftext|>"))
    settings = _image_settings("GotOcr2ImageProcessor", _IMAGENET_MEAN, _IMAGENET_STD, {"height": 32, "width": 32})
    settings |= {"crop_to_patches": False, "min_patches": 1, "max_patches": 4, "processor_class": "InternVLProcessor"}
    _write_json(folder / "preprocessor_config.json", settings)
    _write_json(folder / "processor_config.json", {"image_seq_length": 4, "processor_class": "InternVLProcessor"})
    (folder / "chat_template.jinja").write_text(_INTERNVL_TEMPLATE)
    return folder


def tiny_paligemma(folder: Path, *, seed: int = 0) -> Path:
    """Build a PaliGemma like ``google/paligemma-3b-mix-224``, which has no chat template."""
    import torch
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    vocabulary_size = _write_paligemma_tokenizer(folder)
    text = {
        **{"model_type": "gemma", "vocab_size": vocabulary_size + 64, "hidden_size": 32, "intermediate_size": 64},
        **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 8},
        **{"max_position_embeddings": 256, "initializer_range": 0.3, "pad_token_id": 0},
    }
    config = PaliGemmaConfig(
        vision_config={**_small_siglip_vision(), "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config=text,
        image_token_index=vocabulary_size,
        projection_dim=32,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    _save(PaliGemmaForConditionalGeneration(config), folder, width=0.3, eos_token_id=1, pad_token_id=0, bos_token_id=2)
    settings = _image_settings("SiglipImageProcessor", _HALF, _HALF, {"height": 32, "width": 32})
    settings |= {"image_seq_length": 16, "processor_class": "PaliGemmaProcessor", "do_convert_rgb": None}
    _write_json(folder / "preprocessor_config.json", settings)
    return folder


def _write_paligemma_tokenizer(folder: Path) -> int:
    """Write Gemma's tokenizer with PaliGemma's words for places and shapes; return the size of its vocabulary."""
    from tokenizers import trainers
    from transformers import GemmaTokenizer

    blank = GemmaTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"], show_progress=False
    )
    blank.backend_tokenizer.train_from_iterator(_SENTENCES, trainer)
    learnt = json.loads(blank.backend_tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = learnt["vocab"]
    own = [*(f"<loc{index:0>4}>" for index in range(1024)), *(f"<seg{index:0>3}>" for index in range(128))]
    for word in [*(f"<0x{byte:02X}>" for byte in range(256)), *own]:
        vocabulary.setdefault(word, len(vocabulary))
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=[tuple(merge) for merge in learnt["merges"]])
    tokenizer.add_tokens(own)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    _write_json(folder / "tokenizer_config.json", {**settings, "processor_class": "PaliGemmaProcessor"})
    return len(vocabulary)


def _small_vision() -> dict[str, Any]:
    return {
        **{"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"image_size": 32, "patch_size": 8, "initializer_range": 0.1},
    }


def _small_clip_vision() -> dict[str, Any]:
    return {**_small_vision(), "num_hidden_layers": 3, "projection_dim": 24}


def _small_siglip_vision() -> dict[str, Any]:
    return _small_vision()


def _small_decoder(family: str, vocabulary: dict[str, int]) -> dict[str, Any]:
    names = {
        "bos_token_id": ("<s>", "<|im_start|>"),
        "eos_token_id": ("</s>", "<end_of_utterance>", "<|im_end|>"),
        "pad_token_id": ("<pad>", "<|endoftext|>"),
    }
    ends = {key: next(vocabulary[name] for name in some if name in vocabulary) for key, some in names.items()}
    return {
        **{"model_type": family, "vocab_size": len(vocabulary), "hidden_size": 32, "intermediate_size": 64},
        **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False},
        **{"initializer_range": 0.3, "sliding_window": None},
        **ends,
    }


def _bytes(vocabulary: dict[str, int]) -> list[int]:
    """Return the tokens for single bytes: random weights would write them one after the other, which is no text."""
    return [vocabulary[f"<0x{byte:02X}>"] for byte in range(256)]


def _ends(vocabulary: dict[str, int], end: str, padding: str) -> dict[str, Any]:
    return {"eos_token_id": vocabulary[end], "pad_token_id": vocabulary[padding]}


def _save(model: Any, folder: Path, *, width: float = 0.1, **generation: Any) -> None:
    import torch

    with torch.no_grad():
        # Fresh weights see nearly the same in every picture; wider ones tell pictures apart, as trained ones do.
        for parameter in model.parameters():
            if parameter.dim() > 1 and 0 < float(parameter.std()) < width:
                parameter.mul_(width / float(parameter.std()))
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)


def _image_settings(kind: str, mean: list[float], std: list[float], size: dict[str, int]) -> dict[str, Any]:
    return {
        **{"image_processor_type": kind, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True},
        **{"do_resize": True, "image_mean": mean, "image_std": std, "resample": 3},
        **{"rescale_factor": 0.00392156862745098, "size": size},
    }


def _write_clip_image_settings(folder: Path, kind: str, processor: str, **more: Any) -> None:
    settings = _image_settings(kind, _CLIP_MEAN, _CLIP_STD, {"shortest_edge": 32})
    settings |= {"crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "processor_class": processor, **more}
    _write_json(folder / "preprocessor_config.json", settings)


def _write_processor(folder: Path, kind: str, template: str) -> None:
    settings = {
        **{"image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": 8, "processor_class": kind},
        "vision_feature_select_strategy": "default",
    }
    _write_json(folder / "processor_config.json", settings)
    _write_json(folder / "chat_template.json", {"chat_template": template})


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2))


def _write_bert_tokenizer(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learning = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learning.normalizer = normalizers.BertNormalizer()
    learning.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    learning.train_from_iterator(_SENTENCES, trainer)
    vocabulary = learning.get_vocab()
    folder.mkdir(parents=True, exist_ok=True)
    BertTokenizer(vocab=vocabulary, model_max_length=512).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=lambda word: vocabulary[word])) + "\n")
    return vocabulary


def _write_byte_tokenizer(
    folder: Path, kind: str, special: list[str], roles: dict[str, str], **settings: Any
) -> dict[str, int]:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learning = Tokenizer(models.BPE())
    learning.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420 + len(special),
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learning.train_from_iterator(_SENTENCES, trainer)
    learnt = json.loads(learning.to_str())["model"]
    tokenizer = getattr(transformers, kind)(
        vocab=learnt["vocab"],
        merges=[tuple(merge) for merge in learnt["merges"]],
        additional_special_tokens=special,
        **roles,
        **settings,
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
        extra_special_tokens={"image_token": "<image>"},
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return vocabulary


def _write_t5_tokenizer(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import T5Tokenizer

    learning = Tokenizer(models.Unigram())
    learning.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    learning.train_from_iterator(_SENTENCES, trainer)
    learnt = json.loads(learning.to_str())["model"]["vocab"]
    tokenizer = T5Tokenizer(
        vocab=[tuple(entry) for entry in learnt], extra_ids=0, additional_special_tokens=["<image>"]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return vocabulary
