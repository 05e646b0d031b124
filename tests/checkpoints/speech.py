"""Tiny voices and recognisers in the hub's on-disk layout: real configuration and tokenizers, random weights."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

_SENTENCES = (
    "hello, this is a text-to-speech example.",
    "the quick brown fox jumps over the lazy dog!",
    'what is said here? "nothing," she said; it\'s only a test.',
)

_CSM_TEMPLATE = """{%- for message in messages %}
    {{- bos_token }}
    {{- '[' + message['role'] + ']' }}
    {{- message['content'][0]['text'] }}
    {{- eos_token }}
    {%- if message['content']|length > 1 %}
        {{- '<|AUDIO|><|audio_eos|>' }}
    {%- endif %}
{%- endfor %}"""


def _widen(module: Any, factor: float) -> None:
    """Make what a fresh model says depend on what it hears, as a trained one's does: its weights are tiny."""
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.mul_(factor)


def _fill_codebooks(codec: Any) -> None:
    """Give the sounds of a fresh codec, which are all silence, values of their own."""
    import torch

    for name, buffer in codec.named_buffers():
        if name.endswith(("codebook.embed", "codebook.embed_sum")):
            buffer.copy_(torch.randn(buffer.shape))


def tiny_vits(
    folder: Path,
    *,
    language: str = "eng",
    letters: str = string.ascii_lowercase + "'- ",
    is_uroman: bool = False,
    phonemize: bool = False,
    speakers: int = 1,
    seed: int = 0,
) -> Path:
    """Build a voice like ``facebook/mms-tts-eng``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        language: ISO 639-3 code.
        letters: What its vocabulary knows.
        is_uroman: Whether its language is read in Latin letters.
        phonemize: Whether it reads phonemes.
        speakers: How many it was taught.
        seed: Of its weights.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import VitsConfig, VitsModel

    vocabulary = {letter: number for number, letter in enumerate(["_", *letters, "<unk>"])}
    config = VitsConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        ffn_dim=32,
        flow_size=16,
        spectrogram_bins=9,
        duration_predictor_filter_channels=16,
        prior_encoder_num_flows=2,
        prior_encoder_num_wavenet_layers=2,
        posterior_encoder_num_wavenet_layers=2,
        upsample_initial_channel=16,
        upsample_rates=[8, 4],
        upsample_kernel_sizes=[16, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        num_speakers=speakers,
        speaker_embedding_size=8 if speakers > 1 else 0,
    )
    torch.manual_seed(seed)
    VitsModel(config).save_pretrained(folder)
    weights = folder / "model.safetensors"
    # The hub's checkpoints were saved when torch named the parts of a weight norm differently.
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in load_file(weights).items()
    }
    save_file(old, weights, metadata={"format": "pt"})
    settings = {
        "add_blank": True,
        "is_uroman": is_uroman,
        "language": language,
        "normalize": True,
        "pad_token": "_",
        "phonemize": phonemize,
        "tokenizer_class": "VitsTokenizer",
        "unk_token": "<unk>",
    }
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def tiny_speecht5(folder: Path, *, seed: int = 0) -> Path:
    """Build a voice like ``microsoft/speecht5_tts``."""
    import io

    import sentencepiece
    import torch
    from transformers import SpeechT5Config, SpeechT5ForTextToSpeech

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*_SENTENCES, *(sentence.upper() for sentence in _SENTENCES)]),
        model_writer=model,
        model_type="char",
        vocab_size=200,
        hard_vocab_limit=False,
        character_coverage=1.0,
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spm_char.model").write_bytes(model.getvalue())
    size = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).get_piece_size()
    (folder / "added_tokens.json").write_text(json.dumps({"<ctc_blank>": size + 1, "<mask>": size}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "normalize": False}
            | {"tokenizer_class": "SpeechT5Tokenizer", "model_max_length": 600, "sp_model_kwargs": {}}
        )
    )
    config = SpeechT5Config(
        vocab_size=size + 2,
        hidden_size=24,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        num_mel_bins=20,
        speech_decoder_prenet_units=16,
        speaker_embedding_dim=32,
        speech_decoder_postnet_layers=2,
        speech_decoder_postnet_units=16,
        max_speech_positions=400,
        max_text_positions=600,
        encoder_max_relative_position=16,
        conv_dim=[16, 16],
        conv_stride=[5, 2],
        conv_kernel=[10, 3],
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    torch.manual_seed(seed)
    voice = SpeechT5ForTextToSpeech(config)
    _widen(voice, 6)
    torch.nn.init.constant_(voice.speech_decoder_postnet.prob_out.bias, -4.0)
    voice.save_pretrained(folder)
    return folder


def tiny_hifigan(folder: Path, *, seed: int = 0) -> Path:
    """Build a vocoder like ``microsoft/speecht5_hifigan``."""
    import torch
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    torch.manual_seed(seed)
    config = SpeechT5HifiGanConfig(
        model_in_dim=20, upsample_initial_channel=16, resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]]
    )
    vocoder = SpeechT5HifiGan(config)
    _widen(vocoder, 6)
    vocoder.save_pretrained(folder)
    return folder


def tiny_speaker_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Build a speaker encoder like ``microsoft/wavlm-base-plus-sv``."""
    import torch
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    torch.manual_seed(seed)
    config = WavLMConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        tdnn_dim=[16, 16, 16, 16, 48],
        xvector_output_dim=32,
        use_weighted_layer_sum=True,
    )
    WavLMForXVector(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return folder


def tiny_csm(folder: Path, *, sounds: int = 32, seed: int = 0) -> Path:
    """Build a voice like ``sesame/csm-1b``, its Mimi codec included; the codec knows 32 ``sounds`` or fewer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        CsmConfig,
        CsmForConditionalGeneration,
        EncodecFeatureExtractor,
        PreTrainedTokenizerFast,
    )

    learning = Tokenizer(models.BPE())
    learning.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learning.decoder = decoders.ByteLevel()
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|AUDIO|>", "<|audio_eos|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learning.train_from_iterator(_SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learning, bos_token=special[0], eos_token=special[1], pad_token=special[1]
    )
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2}
    codec = {
        **small,
        "num_filters": 4,
        "codebook_size": sounds,
        "codebook_dim": 8,
        "vector_quantization_hidden_dimension": 8,
        "num_quantizers": 4,
        "upsample_groups": 16,
        "num_hidden_layers": 1,
        "sliding_window": 50,
        # The processor counts the frames of a reference by the real codec's strides.
        "upsampling_ratios": [8, 6, 5, 4],
    }
    depth = {**small, "num_codebooks": 4, "backbone_hidden_size": 16, "vocab_size": 35, "num_hidden_layers": 1}
    config = CsmConfig(
        **small,
        num_codebooks=4,
        vocab_size=35,
        text_vocab_size=learning.get_vocab_size(),
        num_hidden_layers=2,
        max_position_embeddings=2048,
        pad_token_id=1,
        codebook_pad_token_id=34,
        codebook_eos_token_id=0,
        bos_token_id=0,
        audio_token_id=2,
        audio_eos_token_id=3,
        depth_decoder_config={**depth, "max_position_embeddings": 5},
        codec_config={"model_type": "mimi", **codec},
    )
    torch.manual_seed(seed)
    model = CsmForConditionalGeneration(config)
    _widen(model.backbone_model, 8)
    _widen(model.depth_decoder, 8)
    _widen(model.lm_head, 8)
    loud = [layer for layer in model.codec_model.decoder.modules() if isinstance(layer, torch.nn.Conv1d)][-1]
    _widen(loud, 0.02)
    _fill_codebooks(model.codec_model)
    model.save_pretrained(folder, max_shard_size="200KB")
    # The hub's repository also holds the weights in the form of the authors' own program, under the usual name.
    for path in folder.glob("model*"):
        path.rename(path.with_name(path.name.replace("model", "transformers", 1)))
    index = folder / "transformers.safetensors.index.json"
    index.write_text(index.read_text().replace('"model-', '"transformers-'))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "transformers_weights": index.name}))
    # A trained model never says the three control words outside their place.
    sampling = {"do_sample": True, "temperature": 0.9, "suppress_tokens": [32, 33, 34]}
    depth_sampling = {f"depth_decoder_{name}": value for name, value in sampling.items()}
    (folder / "generation_config.json").write_text(
        json.dumps({"bos_token_id": 0, "pad_token_id": 1, "max_new_tokens": 125, **sampling, **depth_sampling})
    )
    EncodecFeatureExtractor(feature_size=1, sampling_rate=24_000).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(_CSM_TEMPLATE)
    return folder


def tiny_dia(folder: Path, *, seed: int = 0) -> Path:
    """Build a voice like ``nari-labs/Dia-1.6B-0626``."""
    import torch
    from transformers import DiaConfig, DiaFeatureExtractor, DiaForConditionalGeneration, DiaTokenizer

    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    cross = {"cross_num_attention_heads": 2, "cross_num_key_value_heads": 2, "cross_head_dim": 8}
    config = DiaConfig(
        encoder_config={**small, **heads, "max_position_embeddings": 1024},
        decoder_config={**small, **heads, **cross, "cross_hidden_size": 16, "max_position_embeddings": 3072},
        delay_pattern=[0, 8, 9, 10, 11, 12, 13, 14, 15],
    )
    torch.manual_seed(seed)
    model = DiaForConditionalGeneration(config)
    _widen(model, 8)
    model.generation_config.update(do_sample=True, guidance_scale=3.0, temperature=1.8, top_p=0.9, top_k=45)
    model.generation_config.update(pad_token_id=1025, eos_token_id=1024, bos_token_id=1026)
    model.generation_config.decoder_start_token_id = 1026
    model.save_pretrained(folder)
    DiaFeatureExtractor(sampling_rate=44_100, hop_length=512).save_pretrained(folder)
    DiaTokenizer().save_pretrained(folder)
    (folder / "audio_tokenizer_config.json").write_text(
        json.dumps({"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": "descript/dac_44khz"})
    )
    return folder


def tiny_dac(folder: Path, *, seed: int = 0) -> Path:
    """Build a codec like ``descript/dac_44khz``."""
    import torch
    from transformers import DacConfig, DacFeatureExtractor, DacModel

    torch.manual_seed(seed)
    config = DacConfig(
        encoder_hidden_size=4,
        decoder_hidden_size=32,
        downsampling_ratios=[2, 4, 8, 8],
        n_codebooks=9,
        codebook_size=1024,
        codebook_dim=4,
        sampling_rate=44_100,
    )
    DacModel(config).save_pretrained(folder)
    DacFeatureExtractor(sampling_rate=44_100, hop_length=512).save_pretrained(folder)
    return folder


def tiny_bark(
    folder: Path, *, presets: tuple[str, ...] = ("v2/en_speaker_6", "v2/de_speaker_1"), seed: int = 0
) -> Path:
    """Build a voice like ``suno/bark-small`` with real token numbers, presets included."""
    import numpy as np
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BarkConfig, BarkModel, PreTrainedTokenizerFast

    learning = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learning.normalizer = normalizers.BertNormalizer()
    learning.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learning.train_from_iterator(
        _SENTENCES, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    )
    PreTrainedTokenizerFast(
        tokenizer_object=learning, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    size = {"num_layers": 1, "num_heads": 2, "hidden_size": 8, "block_size": 1024, "bias": False}
    codec = {"model_type": "encodec", "hidden_size": 16, "num_filters": 4, "codebook_size": 1024, "num_lstm_layers": 1}
    config = BarkConfig(
        semantic_config={**size, "input_vocab_size": 129_600, "output_vocab_size": 10_048},
        coarse_acoustics_config={**size, "input_vocab_size": 12_096, "output_vocab_size": 12_096},
        fine_acoustics_config={**size, "input_vocab_size": 1056, "output_vocab_size": 1056},
        codec_config={**codec, "target_bandwidths": [6.0]},
    )
    torch.manual_seed(seed)
    model = BarkModel(config)
    _fill_codebooks(model.codec_model)
    for stage in (model.semantic, model.coarse_acoustics, model.fine_acoustics):
        _widen(stage, 12)
    model.save_pretrained(folder)
    generation = {
        "semantic_config": {"max_new_tokens": 12, "do_sample": True, "temperature": 0.7},
        "coarse_acoustics_config": {"do_sample": True, "temperature": 0.7},
        "fine_acoustics_config": {"temperature": 0.5},
    }
    generation_config = {"model_type": "bark", "codebook_size": 1024, "sample_rate": 24_000, **generation}
    (folder / "generation_config.json").write_text(json.dumps(generation_config))
    random = np.random.default_rng(seed)
    index: dict[str, Any] = {"repo_or_path": "suno/bark-small"}
    for name in presets:
        prompts = {
            "semantic_prompt": random.integers(0, 10_000, 60),
            "coarse_prompt": random.integers(0, 1024, (2, 90)),
            "fine_prompt": random.integers(0, 1024, (8, 90)),
        }
        index[name] = {part: f"speaker_embeddings/{name}_{part}.npy" for part in prompts}
        for part, prompt in prompts.items():
            path = folder / index[name][part]
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, prompt, allow_pickle=False)
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(index))
    return folder


def tiny_whisper(
    folder: Path,
    tokenizer: Path,
    *,
    mel_bands: int = 80,
    decoder_layers: int = 2,
    english_only: bool = False,
    half: bool = False,
    shard_size: str = "5GB",
    seed: int = 0,
) -> Path:
    """Build a recogniser like ``openai/whisper-tiny``, with the real vocabulary.

    Args:
        folder: Created; filled with what the hub's repository holds.
        tokenizer: The ``tokenizer.json`` of a multilingual Whisper.
        mel_bands: 80, or 128 as from large-v3 on.
        decoder_layers: Fewer than encoder layers in distilled checkpoints.
        english_only: Whether it is one like ``openai/whisper-tiny.en``, whose vocabulary is one word shorter.
        half: Whether weights are stored as float16.
        shard_size: Larger weights are cut into several files.
        seed: Of its weights.
    """
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(tokenizer.read_text(encoding="utf-8"))
    if english_only:
        _drop_last_word(content)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "WhisperTokenizer"}))
    special = {token["content"]: token["id"] for token in content["added_tokens"]}
    end = special["<|endoftext|>"]
    size = special["<|notimestamps|>"] + 1 + 1501
    config = WhisperConfig(
        vocab_size=size,
        d_model=16,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_layers=2,
        decoder_layers=decoder_layers,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_mel_bins=mel_bands,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=special["<|startoftranscript|>"],
    )
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config)
    _widen(model.model.encoder.layers, 8)
    _widen(model.model.decoder.layers, 8)
    (model.half() if half else model).save_pretrained(folder, max_shard_size=shard_size)
    languages = {name: number for name, number in special.items() if 4 < len(name) < 8 and name[2:-2].islower()}
    generation: dict[str, Any] = {
        "alignment_heads": [[decoder_layers - 1, 0], [decoder_layers - 1, 1]],
        # A fresh model says marks of time and of languages for ever.
        "suppress_tokens": [1, 2, *range(end + 1, size)],
        "begin_suppress_tokens": [220, end],
        "eos_token_id": end,
        "pad_token_id": end,
        "bos_token_id": end,
        "decoder_start_token_id": special["<|startoftranscript|>"],
        "no_timestamps_token_id": special["<|notimestamps|>"],
        "max_length": 448,
        "is_multilingual": not english_only,
    }
    if not english_only:
        generation["lang_to_id"] = languages
        generation["task_to_id"] = {"transcribe": special["<|transcribe|>"], "translate": special["<|translate|>"]}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    WhisperFeatureExtractor(feature_size=mel_bands).save_pretrained(folder)
    return folder


def _drop_last_word(tokenizer: dict[str, Any]) -> None:
    """Take the last word out of a vocabulary, and move the special tokens up by one."""
    words = tokenizer["model"]["vocab"]
    end = min(token["id"] for token in tokenizer["added_tokens"])
    tokenizer["model"]["vocab"] = {
        word: number - 1 if number >= end else number for word, number in words.items() if number != end - 1
    }
    for token in tokenizer["added_tokens"]:
        token["id"] -= 1
    for special in tokenizer["post_processor"]["special_tokens"].values():
        special["ids"] = [number - 1 for number in special["ids"]]


def add_words(folder: Path, words: list[str], like: str, *, marks_of_time: bool = True) -> None:
    """Let a tiny Whisper learn words, as a fine-tuning does.

    Args:
        folder: From `tiny_whisper`; changed.
        words: They get numbers of their own, after all others.
        like: A word of the old vocabulary; where the model would say it, it says the first of the new ones.
        marks_of_time: Whether the tokenizer knows marks of time, as it has since 2023; without, new words take their
            numbers.
    """
    import torch
    from transformers import AutoTokenizer, WhisperForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if marks_of_time:
        tokenizer.add_tokens([f"<|{number * 0.02:.2f}|>" for number in range(1501)])
    tokenizer.add_tokens(words)
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    model.resize_token_embeddings(max(len(tokenizer), model.config.vocab_size))
    new = tokenizer.convert_tokens_to_ids(words[0])
    with torch.no_grad():
        weights = model.get_output_embeddings().weight
        weights[new] = 1.5 * weights[tokenizer.convert_tokens_to_ids(like)]
    generation = model.generation_config
    generation.suppress_tokens = [number for number in generation.suppress_tokens if number != new]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
