"""What stands in for torchaudio, held against the formulas that torchaudio and Kaldi document, step by step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sensorium.speech.families.mel_features import MelSpectrogram, compute_deltas, kaldi_filter_bank

RATE = 16_000


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=RATE // 2).astype(np.float32)


def _triangles(edges: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Return [bands, frequencies]: each band rises from one edge to the next and falls to the one after that."""
    rows = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
        rows.append(np.maximum(0, np.minimum(rising, falling)))
    return np.stack(rows)


def test_mel_spectrogram(sound: np.ndarray) -> None:
    size, length, hop, bands = 512, 400, 160, 80
    ours = MelSpectrogram(RATE, size, length, hop, bands)(torch.from_numpy(sound)[None])[0].numpy()
    padded = np.pad(sound.astype(np.float64), size // 2, mode="reflect")
    window = np.zeros(size)
    start = (size - length) // 2
    window[start : start + length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    frames = np.stack([padded[at : at + size] * window for at in range(0, len(padded) - size + 1, hop)])
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), bands + 2) / 2595) - 1)
    theirs = _triangles(edges, np.linspace(0, RATE / 2, size // 2 + 1)) @ power.T
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_deltas() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 4, 9))
    for reach in (1, 2):
        ours = compute_deltas(torch.from_numpy(rows), win_length=2 * reach + 1).numpy()
        padded = np.pad(rows, ((0, 0), (0, 0), (reach, reach)), mode="edge")
        theirs = sum(
            step * (padded[..., reach + step :][..., :9] - padded[..., reach - step :][..., :9])
            for step in range(1, reach + 1)
        ) / (2 * sum(step * step for step in range(1, reach + 1)))
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_kaldis_filter_bank(sound: np.ndarray) -> None:
    length, hop, size, bands = 400, 160, 512, 80
    ours = kaldi_filter_bank(torch.from_numpy(sound)[None], bands, 25, 10, RATE, "hamming").numpy()
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(length) / (length - 1))
    frames = []
    for at in range(0, len(sound) - length + 1, hop):
        frame = sound[at : at + length].astype(np.float64)
        frame = frame - frame.mean()
        frames.append((frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])) * window)
    power = np.abs(np.fft.rfft(np.stack(frames), size)) ** 2
    mel = 1127 * np.log(1 + np.arange(size // 2 + 1) * RATE / size / 700)
    edges = np.linspace(1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + RATE / 2 / 700), bands + 2)
    theirs = np.log(np.maximum(power @ _triangles(edges, mel).T, np.finfo(np.float32).eps))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
