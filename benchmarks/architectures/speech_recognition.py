"""Speech recognition: the time of a second of sound, against transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, edit_json, half_precision, new_model

_RATE = 16_000
_PARAKEET = {
    **{"vocab_size": 8193, "blank_token_id": 8192, "decoder_hidden_size": 640, "num_decoder_layers": 2},
    "encoder_config": {
        **{"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 8},
        **{"num_key_value_heads": 8, "num_mel_bins": 128, "subsampling_conv_channels": 256},
    },
}


def parakeet(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Parakeet TDT 0.6B on noise, which a model with random weights hears like speech."""
    import numpy as np
    import torch
    from transformers import AutoModelForTDT, AutoProcessor

    from sensorium import SpeechToText
    from sensorium.speech.recogniser import Told
    from tests.checkpoints.recognisers import let_time_pass, tiny_parakeet

    tiny_parakeet(folder, "TDT")
    if size == "real":
        _enlarge(folder, device, let_time_pass)
    sound = np.random.default_rng(0).normal(scale=0.1, size=30 * _RATE).astype(np.float32)

    def ours() -> Way:
        task = SpeechToText(folder, device=device).load()

        def recognise(seconds: int) -> Any:
            with task.lease() as backend:
                window = backend.encode([sound[: seconds * _RATE]])
                return backend.recognise(window, Told(""), needs_words=lambda number, text: True)

        return Way(recognise, task.close)

    def plain() -> Way:
        processor = AutoProcessor.from_pretrained(folder)
        model = AutoModelForTDT.from_pretrained(folder, dtype=half_precision(device)).to(device).eval()

        def recognise(seconds: int) -> Any:
            inputs = processor(sound[: seconds * _RATE], sampling_rate=_RATE, return_tensors="pt")
            with torch.inference_mode():
                found = model.generate(**inputs.to(device, half_precision(device)))
            return processor.decode(found.sequences, durations=found.durations, skip_special_tokens=True)

        return Way(recognise, lambda: None)

    return compare(f"Parakeet TDT 0.6B ({size}), a second of sound", ours, "transformers", plain, device)


def _enlarge(folder: Path, device: str, let_time_pass: Any) -> None:
    model = new_model(folder / "config.json", _PARAKEET, device)
    let_time_pass(model, {**_PARAKEET, "durations": model.config.durations})
    model.save_pretrained(folder)
    settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    edit_json(
        folder / "processor_config.json", feature_extractor={**settings["feature_extractor"], "feature_size": 128}
    )
