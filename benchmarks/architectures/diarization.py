"""Who speaks when: the time of 20 seconds of sound, against transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, half_precision

_SECONDS = 20
_RATE = 16_000


def nemotron_diarization(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Nemotron 3 Diarization, which hears one speaker all the time: random weights would change every frame."""
    import numpy as np
    import torch
    from transformers import AutoModelForAudioFrameClassification, AutoProcessor

    from sensorium import SpeakerDiarization
    from tests.checkpoints.diarizers import tiny_nemotron_diarizer

    if size == "real":
        _build(folder, device)
    else:
        tiny_nemotron_diarizer(folder, only=0)
    noise = np.random.default_rng(0).standard_normal(_SECONDS * _RATE).astype(np.float32) * 0.1

    def ours() -> Way:
        task = SpeakerDiarization(folder, device=device).load()
        return Way(lambda count: task.diarize(np.tile(noise, count)), task.close)

    def plain() -> Way:
        processor = AutoProcessor.from_pretrained(folder)
        precision = half_precision(device)
        model = AutoModelForAudioFrameClassification.from_pretrained(folder, dtype=precision).to(device).eval()

        def generate(count: int) -> Any:
            inputs = processor(np.tile(noise, count), sampling_rate=_RATE).to(device, precision)
            with torch.inference_mode():
                logits = model(**inputs).logits
            return processor.extract_speaker_dict(logits, inputs.attention_mask)

        return Way(generate, lambda: None)

    question = f"Nemotron 3 Diarization ({size}), {_SECONDS} seconds of sound"
    return compare(question, ours, "transformers", plain, device)


def _build(folder: Path, device: str) -> None:
    """Build the checkpoint in the library's default sizes, which are those that are published."""
    import torch
    from transformers import (
        Nemotron3DiarizationConfig,
        Nemotron3DiarizationForAudioFrameClassification,
        Nemotron3DiarizationProcessor,
        NemotronAsrStreamingFeatureExtractor,
    )

    torch.manual_seed(0)
    with torch.device(device):
        model = Nemotron3DiarizationForAudioFrameClassification._from_config(
            Nemotron3DiarizationConfig(), dtype=half_precision(device)
        )
    with torch.no_grad():
        model.classifier.out_proj.weight.zero_()
        model.classifier.out_proj.bias.fill_(-9.0)[0] = 9.0
    model.save_pretrained(folder)
    features = NemotronAsrStreamingFeatureExtractor(feature_size=model.config.audio_config.num_mel_bins)
    Nemotron3DiarizationProcessor(features).save_pretrained(folder)
