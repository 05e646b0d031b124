"""Tiny recognisers of transformers beside Whisper, with random weights in the layout of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LETTERS = "abcdefghijklmnopqrstuvwxyz'.,"
_ENCODER = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    "subsampling_conv_channels": 8, "num_mel_bins": 16, "dropout": 0.0, "layerdrop": 0.0,
}  # fmt: skip
_PIECES = [f"▁{letter}" for letter in _LETTERS] + list(_LETTERS)


def tiny_parakeet(folder: Path, kind: str, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``nvidia/parakeet-tdt-0.6b-v3``, ``-rnnt-…`` or ``-ctc-…``.

    Args:
        folder: Created.
        kind: ``"TDT"``, ``"RNNT"`` or ``"CTC"``.
        seed: Of the weights.
    """
    import torch
    import transformers
    from transformers.models.parakeet import ParakeetFeatureExtractor, ParakeetProcessor

    pieces = ["<unk>", *(["<pad>"] if kind != "CTC" else []), *_PIECES, "<blank>" if kind != "CTC" else "<pad>"]
    tokenizer = _tokenizer(pieces, transformers.ParakeetTokenizer)
    own: dict[str, Any] = {"vocab_size": len(pieces), "encoder_config": _ENCODER, "pad_token_id": pieces.index("<pad>")}
    if kind != "CTC":
        own |= {"decoder_hidden_size": 16, "num_decoder_layers": 1, "blank_token_id": len(pieces) - 1}
    if kind == "TDT":
        own["durations"] = [0, 1, 2, 3, 4]
    torch.manual_seed(seed)
    model = getattr(transformers, f"ParakeetFor{kind}")(getattr(transformers, f"Parakeet{kind}Config")(**own))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.4)
    if kind != "CTC":
        let_time_pass(model, own)
    model.save_pretrained(folder)
    features = ParakeetFeatureExtractor(feature_size=16)
    ParakeetProcessor(features, tokenizer, decoder_type=kind.lower()).save_pretrained(folder)
    return folder


def tiny_wav2vec2(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``facebook/wav2vec2-base-960h``."""
    import json

    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True)
    words = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLU'"]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({word: number for number, word in enumerate(words)}))
    config = Wav2Vec2Config(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8, 8), conv_kernel=(10, 8, 8), conv_stride=(10, 8, 4), num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = Wav2Vec2ForCTC(config)
    with torch.no_grad():
        model.lm_head.weight.normal_(std=2.0)
        model.lm_head.bias[1:4] -= 100.0  # a trained model writes no marks
    model.save_pretrained(folder)
    features = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    Wav2Vec2Processor(features, Wav2Vec2CTCTokenizer(str(vocabulary))).save_pretrained(folder)
    return folder


def tiny_moonshine(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``UsefulSensors/moonshine-tiny``: it takes the sound alone."""
    import torch
    from transformers import (
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        PreTrainedTokenizerFast,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Processor,
    )

    pieces = ["<unk>", "<s>", "</s>", *_PIECES]
    config = MoonshineConfig(
        vocab_size=len(pieces), hidden_size=32, intermediate_size=32, encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1, encoder_num_attention_heads=2, decoder_num_attention_heads=2, pad_token_id=2,
    )  # fmt: skip
    torch.manual_seed(seed)
    _save(MoonshineForConditionalGeneration(config), folder)
    tokenizer = _tokenizer(pieces, PreTrainedTokenizerFast, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(do_normalize=False), tokenizer).save_pretrained(folder)
    return folder


def tiny_cohere(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``CohereLabs/cohere-transcribe-03-2026``: it must be told the language."""
    import torch
    from transformers import CohereAsrConfig, CohereAsrForConditionalGeneration, PreTrainedTokenizerFast
    from transformers.models.cohere_asr.feature_extraction_cohere_asr import CohereAsrFeatureExtractor
    from transformers.models.cohere_asr.processing_cohere_asr import CohereAsrProcessor

    marks = [
        *("<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|en|>", "<|es|>", "<|pnc|>"),
        *("<|noitn|>", "<|notimestamp|>", "<|nodiarize|>"),
    ]  # fmt: skip
    pieces = ["<unk>", "<s>", "<pad>", "</s>", "▁", *marks, *_PIECES]
    config = CohereAsrConfig(
        encoder_config=_ENCODER, vocab_size=len(pieces), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, pad_token_id=2, eos_token_id=3, bos_token_id=1, decoder_start_token_id=5,
    )  # fmt: skip
    torch.manual_seed(seed)
    _save(CohereAsrForConditionalGeneration(config), folder)
    tokenizer = _tokenizer(pieces, PreTrainedTokenizerFast, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    CohereAsrProcessor(CohereAsrFeatureExtractor(feature_size=16, dither=0.0), tokenizer).save_pretrained(folder)
    return folder


def tiny_canary(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``nvidia/canary-1b-v2``: it takes a request, and translates."""
    import torch
    from transformers import CanaryConfig, CanaryForConditionalGeneration, PreTrainedTokenizerFast
    from transformers.models.canary.processing_canary import CanaryProcessor
    from transformers.models.parakeet import ParakeetFeatureExtractor

    marks = ["<|startofcontext|>", "<|startoftranscript|>", "<|en|>", "<|es|>", "<|pnc|>"]
    pieces = ["<unk>", "<s>", "<pad>", "</s>", *marks, *_PIECES]
    decoder = {
        "vocab_size": len(pieces), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 16,
    }  # fmt: skip
    config = CanaryConfig(
        encoder_config=_ENCODER,
        decoder_config=decoder,
        vocab_size=len(pieces),
        bos_token_id=1,
        decoder_start_token_id=4,
    )
    torch.manual_seed(seed)
    _save(CanaryForConditionalGeneration(config), folder)
    tokenizer = _tokenizer(pieces, PreTrainedTokenizerFast, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    template = (
        "{%- for part in messages[0]['content'] if part['type'] == 'text' -%}"
        "<|startofcontext|><|startoftranscript|><|{{ part['source_language'] }}|><|{{ part['target_language'] }}|>"
        "<|pnc|>"
        "{%- endfor -%}"
    )
    features = ParakeetFeatureExtractor(feature_size=16)
    CanaryProcessor(features, tokenizer, chat_template=template).save_pretrained(folder)
    return folder


def tiny_qwen3_asr(folder: Path, *, seed: int = 7) -> Path:
    """Build a checkpoint like ``Qwen/Qwen3-ASR-1.7B-hf``: a language model that hears and takes context."""
    template = (
        "{%- for message in messages -%}<|im_start|>{{ message['role'] }}\n"
        "{%- for part in message['content'] -%}{%- if part['type'] == 'audio' -%}"
        "<|audio_start|><|audio_pad|><|audio_end|>{%- else -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}"
        "{%- if not loop.last -%}<|im_end|>\n{%- endif -%}{%- endfor -%}"
    )
    return _tiny_qwen3_asr(folder, "Qwen3ASRForConditionalGeneration", template, seed)


def tiny_forced_aligner(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``Qwen/Qwen3-ForcedAligner-0.6B-hf``: it tells the times of words, and writes nothing."""
    template = (
        "{%- for part in messages[0]['content'] -%}{%- if part['type'] == 'audio' -%}"
        "<|audio_start|><|audio_pad|><|audio_end|>{%- else -%}{{ part['text'] }}<timestamp><timestamp>{%- endif -%}"
        "{%- endfor -%}"
    )
    return _tiny_qwen3_asr(folder, "Qwen3ASRForTokenClassification", template, seed, num_labels=70)


def _tiny_qwen3_asr(folder: Path, model_class: str, template: str, seed: int, **own: Any) -> Path:
    import torch
    import transformers
    from transformers import PreTrainedTokenizerFast, Qwen3ASRConfig
    from transformers.models.qwen3_asr.feature_extraction_qwen3_asr import Qwen3ASRFeatureExtractor
    from transformers.models.qwen3_asr.processing_qwen3_asr import Qwen3ASRProcessor

    marks = ["<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>", "<timestamp>"]
    pieces = ["<unk>", "<|endoftext|>", *marks, "<asr_text>", "language", "▁English", "▁system", "▁user", *_PIECES]
    config = Qwen3ASRConfig(
        audio_config={
            "num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "d_model": 16,
            "output_dim": 16, "downsample_hidden_size": 8,
        },
        text_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 8, "vocab_size": len(pieces),
        },
        audio_token_id=pieces.index("<|audio_pad|>"), timestamp_token_id=pieces.index("<timestamp>"), pad_token_id=3,
        eos_token_id=[1, 3], **own,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = getattr(transformers, model_class)(config)
    with torch.no_grad():
        quiet = 0.1 if own else 0.0  # one writes words and no marks, the other tells marks apart by the words beside
        model.get_input_embeddings().weight[: pieces.index("▁system") + 2] *= quiet
        if own:
            for name, parameter in model.named_parameters():
                if name.endswith(("q_norm.weight", "k_norm.weight")):
                    parameter.mul_(5.0)  # each mark looks at words of its own
                elif "linear_2" in name:
                    parameter.mul_(0.02)  # else it hears what all of them have in common
    _save(model, folder)
    tokenizer = _tokenizer(
        pieces,
        PreTrainedTokenizerFast,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        audio_token="<|audio_pad|>",
        audio_bos_token="<|audio_start|>",
        audio_eos_token="<|audio_end|>",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    features = Qwen3ASRFeatureExtractor(feature_size=16)
    Qwen3ASRProcessor(features, tokenizer, chat_template=template).save_pretrained(folder)
    return folder


def tiny_glm_asr(folder: Path, *, seed: int = 0) -> Path:
    """Build a checkpoint like ``zai-org/GLM-ASR-Nano-2512``, which transformers counts among the multimodal ones."""
    import torch
    from transformers import (
        GlmAsrConfig,
        GlmAsrForConditionalGeneration,
        PreTrainedTokenizerFast,
        WhisperFeatureExtractor,
    )
    from transformers.models.glmasr.processing_glmasr import GlmAsrProcessor

    marks = ["<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"]
    words = [f"▁{word}" for word in ("Please", "transcribe", "this", "audio", "into", "text")]
    pieces = ["<unk>", *marks, *words, *_PIECES]
    end = pieces.index("<|end|>")
    config = GlmAsrConfig(
        audio_config={
            "num_mel_bins": 80, "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 2,
        },
        text_config={
            "model_type": "llama", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": len(pieces), "eos_token_id": [end],
        },
        audio_token_id=pieces.index("<|pad|>"),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = GlmAsrForConditionalGeneration(config)
    with torch.no_grad():
        model.get_input_embeddings().weight[: pieces.index(words[-1]) + 1] = 0.0  # it writes letters, no marks
    model.generation_config.eos_token_id = [end]
    _save(model, folder)
    tokenizer = _tokenizer(pieces, PreTrainedTokenizerFast, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    template = (
        "{%- for message in messages -%}<|{{ message['role'] }}|>{%- for part in message['content'] -%}"
        "{%- if part['type'] == 'audio' -%}<|pad|>{%- else -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}"
        "{%- endfor -%}{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
    )
    features = WhisperFeatureExtractor(feature_size=80)
    GlmAsrProcessor(features, tokenizer, chat_template=template).save_pretrained(folder)
    return folder


def _save(model: Any, folder: Path) -> None:
    """Save a model whose weights are so far apart that what it writes depends on what it hears."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8.0)
    model.save_pretrained(folder)


def let_time_pass(model: Any, own: dict[str, Any]) -> None:
    """Make blanks and long durations as likely as in a trained model, and set what its generation_config.json sets."""
    import torch

    words = own["vocab_size"]
    with torch.no_grad():
        model.joint.head.bias[own["blank_token_id"]] += 2.0
        model.joint.head.bias[words + 1 :] += 4.0
    model.generation_config.decoder_start_token_id = own["blank_token_id"]
    model.generation_config.suppress_tokens = [
        words + number for number in range(len(own.get("durations", ())))
    ] or None


def _tokenizer(pieces: list[str], tokenizer_class: Any, **special: str) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    made = tokenizer_class(tokenizer_object=tokenizer, **{"unk_token": "<unk>", "pad_token": "<pad>", **special})
    if "<blank>" in pieces:
        made.add_special_tokens({"additional_special_tokens": ["<blank>"]})
    return made
