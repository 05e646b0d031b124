"""Voices: the time of a spoken sentence, against transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.architectures.comparison import Way, compare, edit_json, new_model

SENTENCE = "Hello you, it is late."
_FRAMES = 20
"""A sentence is no shorter; random weights would end it at once."""
_VOICE_FRAMES = 125
_KEPT = ("pad_token_id", "audio_prompt_token_id", "audio_latent_token_id", "audio_bos_token_id", "encoder_config")
"""What the tiny checkpoint's tokenizer decides, and that its codec can only decode."""


def phonon(size: str, device: str, folder: Path) -> dict[str, Any]:
    """Measure Phonon at the size that transformers has for it by default (56 M), with its codec (10 M)."""
    from transformers import AutoModelForTextToWaveform, AutoProcessor, set_seed

    from sensorium import TextToSpeech
    from tests.checkpoints.voices import tiny_phonon, tiny_phonon_codec

    codec, voice = tiny_phonon_codec(folder / "codec"), folder / "voice"
    tiny_phonon(voice, codec=str(codec), voices=())
    if size == "real":
        enlarge_voice(voice, codec, device)
    edit_json(voice / "generation_config.json", min_frames_before_eos=_FRAMES)

    def ours() -> Way:
        task = TextToSpeech(voice, device=device).load()
        return Way(lambda count: list(task.stream(f"{SENTENCE} " * count, seed=0)), task.close)

    def plain() -> Way:
        from safetensors.torch import load_file

        processor = AutoProcessor.from_pretrained(voice)
        processor.audio_tokenizer.to(device)
        model = AutoModelForTextToWaveform.from_pretrained(voice, dtype="float32").to(device).eval()
        latents = [load_file(voice / "default-voice.safetensors")["speaker_wavs"][0].T]
        content = [{"type": "audio"}, {"type": "text", "text": SENTENCE}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)

        def sentence(seed: int) -> Any:
            set_seed(seed)
            inputs = processor(text=prompt, audio_prompt_latents=latents, return_tensors="pt").to(device)
            return processor.decode(model.generate(**inputs).audio_latents[0])

        return Way(lambda count: list(map(sentence, range(count))), lambda: None)

    return compare(f"Phonon ({size}), a sentence of two seconds", ours, "transformers", plain, device)


def enlarge_voice(voice: Path, codec: Path, device: str) -> None:
    """Give a tiny Phonon and its codec the sizes that the library has for them by default, and new random weights."""
    import torch
    from safetensors.torch import save_file
    from transformers import GradiumPhononTTSConfig, PocketTTSAudioTokenizerConfig

    generation = (voice / "generation_config.json").read_bytes()
    for folder, defaults in ((voice, GradiumPhononTTSConfig()), (codec, PocketTTSAudioTokenizerConfig())):
        known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        sizes = {name: value for name, value in defaults.to_dict().items() if name in known and name not in _KEPT}
        model = new_model(folder / "config.json", {**sizes, "architectures": known["architectures"]}, device)
        model.float().save_pretrained(folder)
    (voice / "generation_config.json").write_bytes(generation)
    save_file({"speaker_wavs": torch.randn(1, 512, _VOICE_FRAMES)}, voice / "default-voice.safetensors")
