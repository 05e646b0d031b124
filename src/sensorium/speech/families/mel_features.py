"""The three functions of torchaudio that transformers' extractors of sound call, by the formulas of its documentation.

torchaudio must have been built for the very torch that is installed, so it often isn't there. Without it transformers
refuses Granite Speech and Fun-ASR. Where it is installed, it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sensorium.models.json_files import json_table

if TYPE_CHECKING:
    import torch

_EXTRACTORS: Mapping[str, str] = {
    "GraniteSpeechFeatureExtractor": "granite_speech",
    "GraniteSpeech5FeatureExtractor": "granite_speech5",
    "FunAsrNanoFeatureExtractor": "fun_asr_nano",
}
"""The packages of transformers that have an extractor which calls torchaudio."""
_LOWEST_HERTZ = 20.0
_PREEMPHASIS = 0.97
_SMALLEST = 1.1920928955078125e-07


def lend_torchaudio(folder: Path) -> None:
    """Let transformers open a checkpoint's extractor without torchaudio, if that is all that it would be needed for.

    Args:
        folder: The checkpoint's folder.
    """
    name = _extractor(folder)
    if name in _EXTRACTORS and find_spec("torchaudio") is None:
        extractor(name)


def extractor(name: str) -> Any:
    """Return a class of transformers that extracts features, with `TORCHAUDIO` in place of torchaudio.

    Args:
        name: One of the classes that call torchaudio.
    """
    package = _EXTRACTORS[name]
    root = f"transformers.models.{package}"
    module: Any = import_module(f"{root}.feature_extraction_{package}")
    module.torchaudio, module.requires_backends = TORCHAUDIO, _is_here
    # Both have a stand-in that refuses to be opened.
    for place in (import_module(root), sys.modules["transformers"]):
        setattr(place, name, getattr(module, name))
    return getattr(module, name)


class MelSpectrogram:
    """How strong the mel bands of a sound are: the squared magnitude of its Fourier transform, summed in triangles.

    Args:
        sample_rate: Samples a second.
        n_fft: Samples that are transformed at once.
        win_length: Samples of the Hann window.
        hop_length: Samples from one window to the next.
        n_mels: Bands, on the scale of HTK.
    """

    def __init__(self, sample_rate: int, n_fft: int, win_length: int, hop_length: int, n_mels: int) -> None:
        import torch
        from transformers.audio_utils import mel_filter_bank

        bands = mel_filter_bank(n_fft // 2 + 1, n_mels, 0.0, sample_rate / 2, sample_rate, norm=None, mel_scale="htk")
        self._bands = torch.from_numpy(bands).float()
        self._window = torch.hann_window(win_length)
        self._sizes = (n_fft, hop_length, win_length)

    def to(self, device: Any) -> MelSpectrogram:
        """Move to a device."""
        self._bands, self._window = self._bands.to(device), self._window.to(device)
        return self

    def __call__(self, waveform: torch.Tensor) -> torch.Tensor:
        """Return [..., bands, frames] of [..., samples]."""
        import torch

        spectrum = torch.stft(waveform, *self._sizes, window=self._window, return_complex=True)
        return (spectrum.abs() ** 2).transpose(-1, -2).matmul(self._bands).transpose(-1, -2)


def compute_deltas(specgram: torch.Tensor, win_length: int = 5) -> torch.Tensor:
    """Return how fast [..., bands, frames] change: the slope of the line through the frames around each."""
    import torch

    reach = (win_length - 1) // 2
    steps = range(-reach, reach + 1)
    frames = specgram.shape[-1]
    padded = torch.nn.functional.pad(specgram.flatten(0, -2)[None], (reach, reach), mode="replicate")[0]
    slopes = torch.stack([step * padded[:, reach + step : reach + step + frames] for step in steps]).sum(dim=0)
    return (slopes / sum(step * step for step in steps)).reshape(specgram.shape)


def kaldi_filter_bank(
    waveform: torch.Tensor,
    num_mel_bins: int,
    frame_length: float,
    frame_shift: float,
    sample_frequency: float,
    window_type: str,
) -> torch.Tensor:
    """Return Kaldi's logarithmic mel energies, [frames, bands], of one sound, [1, samples].

    Args:
        waveform: The sound.
        num_mel_bins: How many bands.
        frame_length: In milliseconds.
        frame_shift: From one frame to the next, in milliseconds.
        sample_frequency: Samples a second.
        window_type: The name of the window, such as ``"hamming"``.
    """
    import torch
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    length, hop = (int(sample_frequency * milliseconds / 1000) for milliseconds in (frame_length, frame_shift))
    size = 1 << (length - 1).bit_length()
    bands = mel_filter_bank(
        size // 2 + 1, num_mel_bins, _LOWEST_HERTZ, sample_frequency / 2, int(sample_frequency),
        norm=None, mel_scale="kaldi", triangularize_in_mel_space=True,
    )  # fmt: skip
    energies = spectrogram(
        waveform[0].numpy(), window_function(length, window_type, periodic=False), length, hop, fft_length=size,
        power=2.0, center=False, preemphasis=_PREEMPHASIS, mel_filters=bands, log_mel="log", mel_floor=_SMALLEST,
        remove_dc_offset=True,
    )  # fmt: skip
    return torch.from_numpy(energies.T.copy()).float()


TORCHAUDIO = SimpleNamespace(
    transforms=SimpleNamespace(MelSpectrogram=MelSpectrogram),
    functional=SimpleNamespace(compute_deltas=compute_deltas),
    compliance=SimpleNamespace(kaldi=SimpleNamespace(fbank=kaldi_filter_bank)),
)


def _is_here(caller: Any, backends: Any) -> None:
    """Stand where transformers asks for packages."""


def _extractor(folder: Path) -> str:
    """Return the class of a checkpoint's extractor; "" if its files name none."""
    whole = json_table(folder / "processor_config.json")
    for part in ("feature_extractor", "audio_processor"):
        nested = whole.get(part)
        if isinstance(nested, dict) and nested.get("feature_extractor_type"):
            return str(nested["feature_extractor_type"])
    return str(json_table(folder / "preprocessor_config.json").get("feature_extractor_type", ""))
