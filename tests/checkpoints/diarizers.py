"""Tiny diarizers in the hub's on-disk layout: real configuration, random weights or weights that one can foretell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.checkpoints.speech import tiny_speaker_encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def tiny_nemotron_diarizer(
    folder: Path,
    *,
    only: int | None = None,
    lively: NDArray[np.float32] | None = None,
    look_back: int = 2,
    seed: int = 0,
) -> Path:
    """Build a checkpoint like ``nvidia/Nemotron-3-Diarization``.

    Args:
        folder: Created; filled with what the hub's repository holds.
        only: The speaker who is heard all the time, and alone; None for who seems to speak by chance.
        lively: Samples at 16 kHz in which everybody seems to speak half of the time.
        look_back: How many frames each chunk looks back.
        seed: Of the weights.
    """
    import torch
    from transformers import (
        Nemotron3DiarizationAudioConfig,
        Nemotron3DiarizationConfig,
        Nemotron3DiarizationForAudioFrameClassification,
        Nemotron3DiarizationHeadConfig,
        Nemotron3DiarizationProcessor,
        Nemotron3DiarizationStreamingConfig,
        NemotronAsrStreamingFeatureExtractor,
    )

    torch.manual_seed(seed)
    config = Nemotron3DiarizationConfig(
        audio_config=Nemotron3DiarizationAudioConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, num_mel_bins=16
        ),
        head_config=Nemotron3DiarizationHeadConfig(hidden_size=8, num_speakers=4, audio_hidden_size=16),
        streaming_config=Nemotron3DiarizationStreamingConfig(speaker_cache_length=24, num_speakers=4),
        chunk_length=17,
        chunk_right_context=4,
        chunk_left_context=look_back,
        fifo_length=8,
        speaker_cache_update_period=12,
    )
    model = Nemotron3DiarizationForAudioFrameClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(30.0)  # so that what it says depends on what it hears
        if only is not None:
            model.classifier.out_proj.weight.zero_()
            model.classifier.out_proj.bias.fill_(-9.0)[only] = 9.0
    processor = Nemotron3DiarizationProcessor(NemotronAsrStreamingFeatureExtractor(feature_size=16))
    if lively is not None:
        with torch.no_grad():
            logits = model.eval()(**processor(lively, sampling_rate=16_000)).logits[0]
            model.classifier.out_proj.bias -= logits.median(dim=0).values
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def tiny_voice_encoder(folder: Path, voices: Sequence[NDArray[np.float32]], *, seed: int = 0) -> Path:
    """Build a speaker encoder like ``microsoft/wavlm-base-plus-sv`` to whom voices sound different.

    Args:
        folder: Created; filled with what the hub's repository holds.
        voices: Samples at 16 kHz. A fresh network's vectors all point the same way; it is shifted so that these don't.
        seed: Of the weights.
    """
    import torch
    from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

    tiny_speaker_encoder(folder, seed=seed)
    model = WavLMForXVector.from_pretrained(folder).eval()
    features = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    with torch.no_grad():
        vectors = [model(**features(voice, sampling_rate=16_000, return_tensors="pt")).embeddings for voice in voices]
        model.feature_extractor.bias -= torch.cat(vectors).mean(dim=0)
    model.save_pretrained(folder)
    return folder


def tiny_frame_diarizer(
    folder: Path, *, lesson: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None, seed: int = 0, **names: Any
) -> Path:
    """Build a checkpoint like ``microsoft/wavlm-base-plus-sd``, for two speakers.

    Args:
        folder: Created; filled with what the hub's repository holds.
        lesson: Samples at 16 kHz, and who speaks in each frame of 20 ms, of shape [frames, 2]: the last layer is fitted
            to them.
        seed: Of the weights.
        names: Further settings, such as ``id2label``.
    """
    import torch
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForAudioFrameClassification

    torch.manual_seed(seed)
    config = WavLMConfig(
        hidden_size=48, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=[32] * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, num_labels=2, **names,
    )  # fmt: skip
    model = WavLMForAudioFrameClassification(config).eval()
    features = Wav2Vec2FeatureExtractor(return_attention_mask=True)
    if lesson is not None:
        samples, speaking = lesson
        with torch.inference_mode():
            inputs = features(samples, sampling_rate=16_000, return_tensors="pt")
            heard = model.wavlm(**inputs).last_hidden_state[0]
            wanted = torch.from_numpy(speaking[: len(heard)]).float() * 2 - 1
            heard = torch.cat([heard, torch.ones(len(heard), 1)], dim=1)
            fitted = torch.linalg.lstsq(heard, wanted).solution
        with torch.no_grad():
            model.classifier.weight.copy_(10 * fitted[:-1].T)
            model.classifier.bias.copy_(10 * fitted[-1])
    model.save_pretrained(folder)
    features.save_pretrained(folder)
    return folder
