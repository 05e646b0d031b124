"""Tiny recognisers: language models that hear, and those whose extractors call torchaudio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.speech.families.mel_features import extractor
from tests.checkpoints.recognisers import _PIECES, _save, _tokenizer

_TEXT = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8,
}  # fmt: skip
_HEARD = "{%- for part in message['content'] -%}{%- if part['type'] == 'audio' -%}"
_MARKS = ("<|im_start|>", "<|im_end|>", "<|pad|>", "<|audio_start|>", "<|audio_end|>", "<|audio|>")


def tiny_audio_flamingo(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``nvidia/audio-flamingo-3-hf``."""
    from transformers import AudioFlamingo3Config, AudioFlamingo3ForConditionalGeneration, WhisperFeatureExtractor
    from transformers.models.audioflamingo3.processing_audioflamingo3 import AudioFlamingo3Processor

    pieces = _vocabulary("Transcribe", "the", "input", "speech")
    config = AudioFlamingo3Config(
        audio_config={
            "num_mel_bins": 80, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2,
        },
        text_config={"model_type": "qwen2", **_TEXT, "vocab_size": len(pieces), "eos_token_id": 2},
        audio_token_id=pieces.index("<|audio|>"),
    )  # fmt: skip
    _saved(AudioFlamingo3ForConditionalGeneration, config, folder, seed)
    processor = AudioFlamingo3Processor(
        WhisperFeatureExtractor(feature_size=80), _words(pieces), chat_template=_template(), audio_token="<|audio|>"
    )
    processor.save_pretrained(folder)
    return folder


def tiny_moss(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``hf-audio/MOSS-Transcribe-Diarize-HF``."""
    from transformers import MossTranscribeDiarizeConfig, MossTranscribeDiarizeForConditionalGeneration
    from transformers.models.moss_transcribe_diarize.feature_extraction_moss_transcribe_diarize import (
        MossTranscribeDiarizeFeatureExtractor,
    )
    from transformers.models.moss_transcribe_diarize.processing_moss_transcribe_diarize import (
        MossTranscribeDiarizeProcessor,
    )

    pieces = _vocabulary("2", "4", "6")
    config = MossTranscribeDiarizeConfig(
        audio_config={
            "num_mel_bins": 80, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2,
        },
        text_config={"model_type": "qwen3", **_TEXT, "vocab_size": len(pieces), "eos_token_id": 2},
        audio_token_id=pieces.index("<|audio|>"),
    )  # fmt: skip
    _saved(MossTranscribeDiarizeForConditionalGeneration, config, folder, seed)
    processor = MossTranscribeDiarizeProcessor(
        MossTranscribeDiarizeFeatureExtractor(), _words(pieces), chat_template=_template(), audio_token="<|audio|>"
    )
    processor.save_pretrained(folder)
    return folder


def tiny_vibevoice_asr(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``microsoft/VibeVoice-ASR-HF``, which hears 24000 samples a second."""
    from transformers import VibeVoiceAsrConfig, VibeVoiceAsrForConditionalGeneration
    from transformers.models.vibevoice_acoustic_tokenizer.feature_extraction_vibevoice_acoustic_tokenizer import (
        VibeVoiceAcousticTokenizerFeatureExtractor,
    )
    from transformers.models.vibevoice_asr.processing_vibevoice_asr import VibeVoiceAsrProcessor

    pieces = _vocabulary()
    heard = {"hidden_size": 8, "num_filters": 2, "depths": [1] * 7}
    config = VibeVoiceAsrConfig(
        acoustic_tokenizer_encoder_config=heard,
        semantic_tokenizer_encoder_config=heard,
        text_config={"model_type": "qwen2", **_TEXT, "vocab_size": len(pieces), "eos_token_id": 2},
        audio_token_id=pieces.index("<|audio|>"),
        audio_bos_token_id=pieces.index("<|audio_start|>"),
        audio_eos_token_id=pieces.index("<|audio_end|>"),
    )
    _saved(VibeVoiceAsrForConditionalGeneration, config, folder, seed)
    processor = VibeVoiceAsrProcessor(
        VibeVoiceAcousticTokenizerFeatureExtractor(),
        _words(pieces),
        chat_template=_template(),
        audio_token="<|audio|>",
        audio_bos_token="<|audio_start|>",
        audio_eos_token="<|audio_end|>",
    )
    processor.save_pretrained(folder)
    return folder


def tiny_fun_asr(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``FunAudioLLM/Fun-ASR-Nano-2512-hf``, whose extractor calls torchaudio."""
    from transformers import FunAsrNanoConfig, FunAsrNanoForConditionalGeneration
    from transformers.models.fun_asr_nano.processing_fun_asr_nano import FunAsrNanoProcessor

    pieces = _vocabulary()
    config = FunAsrNanoConfig(
        audio_config={
            "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "num_hidden_layers": 2,
            "num_timestamp_prediction_layers": 0, "num_mel_bins": 8,
        },
        adaptor_config={
            "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 4, "num_hidden_layers": 1,
            "projector_hidden_size": 16,
        },
        text_config={"model_type": "qwen3", **_TEXT, "vocab_size": len(pieces), "eos_token_id": 2},
        audio_token_id=pieces.index("<|audio|>"),
    )  # fmt: skip
    _saved(FunAsrNanoForConditionalGeneration, config, folder, seed)
    processor = FunAsrNanoProcessor(
        extractor("FunAsrNanoFeatureExtractor")(feature_size=8),
        _words(pieces),
        chat_template=_template(),
        audio_token="<|audio|>",
    )
    processor.save_pretrained(folder)
    return folder


def tiny_granite_ctc(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``ibm-granite/granite-speech-5.0-470m-turboctc``, whose extractor calls torchaudio."""
    import torch
    from transformers import GraniteSpeech5CTCConfig, GraniteSpeech5ForCTC, ParakeetTokenizer
    from transformers.models.granite_speech5.processing_granite_speech5 import GraniteSpeech5Processor

    pieces = ["<pad>", "<unk>", *_PIECES]
    encoder = {
        "vocab_size": len(pieces), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_mel_bins": 8,
    }  # fmt: skip
    torch.manual_seed(seed)
    model = GraniteSpeech5ForCTC(GraniteSpeech5CTCConfig(vocab_size=len(pieces), encoder_config=encoder))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.4)
    model.save_pretrained(folder)
    features = extractor("GraniteSpeech5FeatureExtractor")(num_mel_bins=8)
    GraniteSpeech5Processor(features, _tokenizer(pieces, ParakeetTokenizer)).save_pretrained(folder)
    return folder


def tiny_granite_speech(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``ibm-granite/granite-4.0-1b-speech``, which is asked in words."""
    from transformers import GraniteSpeechConfig, GraniteSpeechForConditionalGeneration
    from transformers.models.granite_speech.processing_granite_speech import GraniteSpeechProcessor

    pieces = _vocabulary("can", "you", "transcribe", "speech", "into", "written", "format?", "translate", "English")
    config = GraniteSpeechConfig(
        encoder_config={
            "input_dim": 160, "num_layers": 2, "hidden_dim": 16, "num_heads": 2, "feedforward_mult": 1, "output_dim": 8,
            "context_size": 20, "max_pos_emb": 20, "conv_kernel_size": 3,
        },
        projector_config={
            "model_type": "blip_2_qformer", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "encoder_hidden_size": 16, "vocab_size": 8,
        },
        text_config={"model_type": "granite", **_TEXT, "vocab_size": len(pieces), "eos_token_id": 2},
        audio_token_index=pieces.index("<|audio|>"), has_lora_adapter=False,
    )  # fmt: skip
    _saved(GraniteSpeechForConditionalGeneration, config, folder, seed)
    template = (
        "{%- for message in messages -%}<|im_start|>{{ message['content'] }}<|im_end|>{%- endfor -%}"
        "{%- if add_generation_prompt -%}<|im_start|>{%- endif -%}"
    )
    features = extractor("GraniteSpeechFeatureExtractor")()
    GraniteSpeechProcessor(features, _words(pieces), chat_template=template).save_pretrained(folder)
    return folder


def tiny_seamless(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``facebook/seamless-m4t-v2-large``, of which the parts that speak are left out."""
    from transformers import (
        PreTrainedTokenizerFast,
        SeamlessM4TFeatureExtractor,
        SeamlessM4TProcessor,
        SeamlessM4Tv2Config,
        SeamlessM4Tv2ForSpeechToText,
    )

    pieces = ["<pad>", "<unk>", "<s>", "</s>", "__eng__", "__spa__", *_PIECES]
    config = SeamlessM4Tv2Config(
        vocab_size=len(pieces), hidden_size=16, speech_encoder_layers=1, speech_encoder_attention_heads=2,
        speech_encoder_intermediate_size=16, decoder_layers=1, decoder_ffn_dim=16, decoder_attention_heads=2,
        encoder_layers=1, encoder_ffn_dim=16, encoder_attention_heads=2, feature_projection_input_dim=160,
        pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3, max_position_embeddings=512,
        adaptor_kernel_size=4, adaptor_stride=4, conv_depthwise_kernel_size=3,
    )  # fmt: skip
    import torch

    torch.manual_seed(seed)
    model = SeamlessM4Tv2ForSpeechToText(config)
    model.generation_config._from_model_config = False
    model.generation_config.text_decoder_lang_to_code_id = {"eng": 4, "spa": 5}
    _save(model, folder)
    tokenizer = _tokenizer(pieces, PreTrainedTokenizerFast, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["__eng__", "__spa__"]})
    SeamlessM4TProcessor(SeamlessM4TFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def _vocabulary(*words: str) -> list[str]:
    return ["<unk>", *_MARKS, *(f"▁{word}" for word in words), *_PIECES]


def _words(pieces: list[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    tokenizer = _tokenizer(pieces, PreTrainedTokenizerFast, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.add_special_tokens({"additional_special_tokens": list(_MARKS)})
    return tokenizer


def _saved(model_class: Any, config: Any, folder: Path, seed: int) -> None:
    """Save a model that writes letters and no marks."""
    import torch

    torch.manual_seed(seed)
    model = model_class(config)
    letters = len(_PIECES)
    with torch.no_grad():
        model.get_input_embeddings().weight[:-letters] *= 0.1
        model.get_output_embeddings().weight[:-letters] *= 0.1
    model.generation_config.eos_token_id = [2]
    _save(model, folder)


def _template() -> str:
    return (
        "{%- for message in messages -%}<|im_start|>" + _HEARD + "<|audio|>{%- elif part['type'] == 'text' -%}"
        "{{ part['text'] }}{%- endif -%}{%- endfor -%}<|im_end|>{%- endfor -%}"
        "{%- if add_generation_prompt -%}<|im_start|>{%- endif -%}"
    )
