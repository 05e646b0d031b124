"""Tiny voices of the library's text-to-waveform models, with random weights in the layout of the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PHONON_CODEC = "gradium/phonon-mimi"
"""The repository of the codec that the published Phonon checkpoints name."""
PROMPT_FRAMES = 20
"""How long the voices of a tiny Phonon are."""

_LETTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'-"
_SPOKEN_PROMPT = """{%- for message in messages %}
    {%- for item in message['content'] if item['type'] == 'audio' %}BOS<|audio_prompt|>{%- endfor %}
    {%- for item in message['content'] if item['type'] == 'text' %}{{ item['text'] }}{%- endfor %}
{%- endfor %}<|audio_bos|>"""
_VIBEVOICE_PROMPT = """{%- set heard = namespace(any=false) %}{{- ' Transform the text into speech.\\n' }}
{%- for message in messages %}{%- for item in message['content'] if item['type'] == 'audio' %}
    {%- if not heard.any %}{{- ' Voice input:\\n' }}{%- set heard.any = true %}{%- endif %}
    {{- ' Speaker ' + message['role'] + ':<|vision_start|><|vision_pad|><|vision_end|>\\n' }}
{%- endfor %}{%- endfor %}{{- ' Text input:\\n' }}
{%- for message in messages %}{%- for item in message['content'] if item['type'] == 'text' %}
    {{- ' Speaker ' + message['role'] + ': ' + item['text'] + '\\n' }}
{%- endfor %}{%- endfor %}{{- ' Speech output:\\n<|vision_start|>' }}"""
_HIGGS_PROMPT = """{%- for message in messages %}{{- message['role'] + ':\n' }}
    {%- for item in message['content'] %}
        {%- if item['type'] == 'text' %}{{- item['text'] }}
        {%- else %}{{- '<|audio_out_bos|><|AUDIO_OUT|><|audio_eos|>' }}{%- endif %}
    {%- endfor %}{{- '<|eot_id|>' }}
{%- endfor %}{%- if add_generation_prompt %}{{- 'assistant:\n<|audio_out_bos|>' }}{%- endif %}"""
_SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def tiny_phonon_codec(folder: Path, *, encoder: bool = False, seed: int = 0) -> Path:
    """Build a codec like ``gradium/phonon-mimi``, which can only decode, or like Pocket TTS's, which encodes too."""
    import torch
    from transformers import PocketTTSAudioTokenizerConfig, PocketTTSAudioTokenizerModel

    torch.manual_seed(seed)
    whole = {} if encoder else {"encoder_config": None}
    config = PocketTTSAudioTokenizerConfig(
        **_SMALL, num_key_value_heads=2, num_filters=2, upsample_groups=16, latent_dim=8, **whole
    )
    codec = PocketTTSAudioTokenizerModel(config)
    with torch.no_grad():
        for parameter in codec.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
        sound = codec.decode(torch.randn(1, 20, 8)).audio_values
        last = [layer for layer in codec.decoder.modules() if isinstance(layer, torch.nn.Conv1d)][-1]
        for parameter in last.parameters():
            parameter.div_(4 * sound.abs().max())
    codec.save_pretrained(folder)
    return folder


def tiny_phonon(
    folder: Path, *, codec: str = PHONON_CODEC, voices: tuple[str, ...] = ("freya", "toby"), seed: int = 0
) -> Path:
    """Build a voice like ``gradium/phonon-31m-en``, which has its voices in files and clones no recording.

    Args:
        folder: Created.
        codec: What its processor says where the codec is.
        voices: Names of those in its folder ``embeddings``, beside ``default-voice.safetensors``.
        seed: Of its weights.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import GradiumPhononTTSConfig, GradiumPhononTTSForConditionalGeneration

    own = {"audio_prompt_dim": 12, "num_speakers_embedding_dim": 4, "duration_delta_embedding_dim": 8}
    _speaking(folder, GradiumPhononTTSForConditionalGeneration, GradiumPhononTTSConfig, own, codec, seed)
    files = [folder / "default-voice.safetensors", *(folder / f"embeddings/{name}.safetensors" for name in voices)]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        save_file({"speaker_wavs": torch.randn(1, 12, PROMPT_FRAMES)}, file)
    return folder


def tiny_pocket(folder: Path, *, codec: str = "eustlb/pocket-tts-audio-tokenizer", seed: int = 0) -> Path:
    """Build a voice like ``eustlb/pocket-tts``, which clones recordings."""
    from transformers import PocketTTSConfig, PocketTTSForConditionalGeneration

    return _speaking(folder, PocketTTSForConditionalGeneration, PocketTTSConfig, {}, codec, seed)


def tiny_vibevoice(folder: Path, *, seed: int = 7) -> Path:
    """Build a voice like ``vibevoice/VibeVoice-1.5B-hf``."""
    import torch
    from transformers import (
        VibeVoiceAcousticTokenizerFeatureExtractor,
        VibeVoiceConfig,
        VibeVoiceForConditionalGeneration,
        VibeVoiceProcessor,
    )

    tokenizer = _tokenizer(
        ["<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "\n", *":0123456789"]
    )
    sound = {"num_filters": 2, "depths": [1] * 7, "ffn_expansion": 2}
    config = VibeVoiceConfig(
        audio_config={"model_type": "vibevoice_acoustic_tokenizer", "hidden_size": 4, **sound},
        semantic_model_config={"model_type": "vibevoice_acoustic_tokenizer_encoder", "hidden_size": 8, **sound},
        text_config={"model_type": "qwen2", **_SMALL, "num_key_value_heads": 2, "vocab_size": len(tokenizer)},
        diffusion_head_config={"num_hidden_layers": 1, "intermediate_size": 16, "frequency_embedding_size": 8},
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        eos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        audio_bos_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        audio_eos_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        audio_token_id=tokenizer.convert_tokens_to_ids("<|vision_pad|>"),
    )
    torch.manual_seed(seed)
    model = VibeVoiceForConditionalGeneration(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed_tokens" not in name:
                parameter.mul_(4)
        convolutions = [
            layer for layer in model.model.audio_tower.decoder.modules() if isinstance(layer, torch.nn.Conv1d)
        ]
        convolutions[-1].weight.mul_(4000)
    model.save_pretrained(folder)
    end = {"eos_token_id": config.eos_token_id, "pad_token_id": config.pad_token_id}
    _generation(folder, guidance_scale=1.3, num_diffusion_steps=2, **end)
    VibeVoiceProcessor(
        VibeVoiceAcousticTokenizerFeatureExtractor(), tokenizer, chat_template=_VIBEVOICE_PROMPT
    ).save_pretrained(folder)
    return folder


def tiny_higgs_codec(folder: Path, *, seed: int = 0) -> Path:
    """Build a codec like ``bosonai/higgs-audio-v2-tokenizer``."""
    import torch
    from transformers import DacFeatureExtractor, HiggsAudioV2TokenizerConfig

    from sensorium.speech.families.audio_codecs import codec_class

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    strides = [8, 5, 4, 2, 3]
    config = HiggsAudioV2TokenizerConfig(
        target_bandwidths=[0.5], codebook_size=32, codebook_dim=8,
        acoustic_model_config={"model_type": "dac", "encoder_hidden_size": 4, "decoder_hidden_size": 32,
                               "hidden_size": 16, "downsampling_ratios": strides, "upsampling_ratios": strides},
        semantic_model_config={"model_type": "hubert", **small, "conv_dim": [8] * 7, "num_conv_pos_embeddings": 4,
                               "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0},
    )  # fmt: skip
    torch.manual_seed(seed)
    codec = codec_class("HiggsAudioV2TokenizerModel")(config)
    with torch.no_grad():
        for name, buffer in codec.named_buffers():
            if name.endswith("codebook.embed"):
                buffer.copy_(torch.randn(buffer.shape))
        for name, parameter in codec.named_parameters():
            if "acoustic_decoder" in name and parameter.dim() > 1:
                parameter.mul_(3)
    codec.save_pretrained(folder)
    DacFeatureExtractor(sampling_rate=24_000, hop_length=960).save_pretrained(folder)
    return folder


def tiny_higgs(folder: Path, *, codec: str = "bosonai/higgs-audio-v2-tokenizer", seed: int = 0) -> Path:
    """Build a voice like ``bosonai/higgs-audio-v2-generation-3B-base``."""
    import torch
    from transformers import DacFeatureExtractor, HiggsAudioV2Config, HiggsAudioV2ForConditionalGeneration

    words = ["<|AUDIO_OUT|>", "<|audio_out_bos|>", "<|audio_eos|>", "<|reserved_special_token_6|>", "<|eot_id|>"]
    tokenizer = _tokenizer([*words, "\n", ":"])
    sound, begin, _, delay, end = tokenizer.convert_tokens_to_ids(words)
    config = HiggsAudioV2Config(
        **_SMALL, num_key_value_heads=2, head_dim=8, vocab_size=len(tokenizer), num_codebooks=4, codebook_size=34,
        audio_token_id=sound, audio_bos_token_id=begin, audio_delay_token_id=delay, eos_token_id=end, pad_token_id=0,
        bos_token_id=None, audio_stream_bos_id=32, audio_stream_eos_id=33,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = HiggsAudioV2ForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    model.save_pretrained(folder)
    _generation(
        folder, do_sample=True, temperature=1.0, ras_win_len=7, ras_win_max_num_repeat=2, eos_token_id=end,
        pad_token_id=0,
    )  # fmt: skip
    DacFeatureExtractor(sampling_rate=24_000, hop_length=960).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = {
        "processor_class": "HiggsAudioV2Processor", "audio_stream_bos_id": 32, "audio_stream_eos_id": 33,
        "audio_tokenizer": {
            "audio_tokenizer_class": "HiggsAudioV2TokenizerModel", "audio_tokenizer_name_or_path": codec,
        },
    }  # fmt: skip
    (folder / "processor_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(_HIGGS_PROMPT)
    return folder


def _speaking(folder: Path, model_class: Any, config_class: Any, own: dict[str, Any], codec: str, seed: int) -> Path:
    """Build what Phonon and Pocket TTS have in common."""
    import torch
    from transformers import PocketTTSFeatureExtractor

    named = {"audio_prompt": "<|audio_prompt|>", "audio_latent": "<|audio_latent|>", "audio_bos": "<|audio_bos|>"}
    if not own:
        named["audio_prompt_bos"] = "BOS"
    tokenizer = _tokenizer(list(named.values()), {f"{name}_token": token for name, token in named.items()})
    numbers = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    config = config_class(
        **_SMALL, **own, **numbers, vocab_size=len(tokenizer), latent_dim=8, pad_token_id=0,
        flow_head_config={"hidden_size": 16, "num_hidden_layers": 1, "latent_dim": 8, "condition_dim": 16,
                          "frequency_embedding_size": 8},
    )  # fmt: skip
    torch.manual_seed(seed)
    model = model_class(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    model.save_pretrained(folder)
    _generation(
        folder, do_sample=True, temperature=0.5, return_dict_in_generate=True, num_flow_steps=1, eos_threshold=-4.0,
        min_frames_before_eos=6, pad_token_id=0,
    )  # fmt: skip
    PocketTTSFeatureExtractor().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = {
        "processor_class": "PocketTTSProcessor",
        "frames_after_eos": 2,
        "audio_tokenizer": {
            "audio_tokenizer_class": "PocketTTSAudioTokenizerModel",
            "audio_tokenizer_name_or_path": codec,
        },
    }
    (folder / "processor_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(_SPOKEN_PROMPT if not own else _SPOKEN_PROMPT.replace("BOS<", "<"))
    return folder


def _generation(folder: Path, **settings: Any) -> None:
    """Write the settings of generation as published checkpoints have them: of those of a fresh model some get lost."""
    (folder / "generation_config.json").write_text(json.dumps(settings))


def _tokenizer(special: list[str], named: dict[str, str] | None = None) -> Any:
    """Return a tokenizer of single letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {piece: number for number, piece in enumerate(["<pad>", "<unk>", *_LETTERS, *special])}
    letters = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="<pad>", unk_token="<unk>", padding_side="left",
        extra_special_tokens=named or {},
    )  # fmt: skip
    tokenizer.add_special_tokens({"additional_special_tokens": [t for t in special if t.startswith("<|")]})
    tokenizer.init_kwargs |= {"return_tensors": "pt", "padding": True}
    return tokenizer
