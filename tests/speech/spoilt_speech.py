"""Speech as it is heard in bad conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sensorium.speech.tempo import change_tempo
from tests.speech.conftest import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


def quiet(samples: Samples) -> Samples:
    """30 dB less."""
    return (samples * 10 ** (-30 / 20)).astype(np.float32)


def in_noise(samples: Samples) -> Samples:
    """White noise, 10 dB under the speech."""
    loud = samples[np.abs(samples) > 0.01] if np.abs(samples).max() > 0.01 else samples
    noise = np.random.default_rng(len(samples)).normal(0, np.sqrt(np.mean(loud**2) / 10), len(samples))
    return (samples + noise).astype(np.float32)


def by_telephone(samples: Samples) -> Samples:
    """300 to 3,400 Hz, 8,000 samples a second, 8 bits by the μ-law."""
    from scipy.signal import butter, resample_poly, sosfilt

    band = sosfilt(butter(6, [300, 3400], "bandpass", fs=SAMPLE_RATE, output="sos"), samples)
    narrow = resample_poly(resample_poly(band, 1, 2), 2, 1)
    steps = np.round(np.sign(narrow) * np.log1p(255 * np.abs(np.clip(narrow, -1, 1))) / np.log(256) * 127) / 127
    return (np.sign(steps) * (256 ** np.abs(steps) - 1) / 255).astype(np.float32)


def fast(samples: Samples) -> Samples:
    """1.45 times as fast, at the same pitch."""
    return change_tempo(samples, SAMPLE_RATE, 1.45)


def backwards(samples: Samples) -> Samples:
    """Played backwards and higher: a voice without words, as a baby's babble is."""
    from scipy.signal import resample_poly

    return np.ascontiguousarray(resample_poly(samples[::-1], 2, 3).astype(np.float32))


SPOILT: dict[str, Callable[[Samples], Samples]] = {
    "quiet": quiet,
    "in noise": in_noise,
    "by telephone": by_telephone,
    "fast": fast,
}
