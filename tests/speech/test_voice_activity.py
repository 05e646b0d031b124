"""Finding speech in a stream and packing it into windows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensorium.media.audio import read_audio
from sensorium.media.voice_detector import SAMPLE_RATE
from sensorium.speech.voice_activity import Span, Window, speech_windows
from tests import real_media
from tests.speech.conftest import joined_clips, silence

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    return read_audio(real_media.speech_clips("en")[0].path)


def test_silence_and_emptiness_give_no_windows() -> None:
    assert list(speech_windows([silence(60)], longest=28)) == []
    assert list(speech_windows([], longest=28)) == []
    assert list(speech_windows([silence(0.01)], longest=28)) == []


def test_long_silence_is_cut_out_and_times_lead_back(speech: NDArray[np.float32]) -> None:
    recording = np.concatenate([silence(10), speech, silence(5), speech])
    (window,) = speech_windows([recording], longest=28)
    assert len(window.samples) / SAMPLE_RATE < 2 * 7.1 + 0.1
    assert len(window.spans) == 2
    for span in window.spans:
        part = window.samples[span.offset : span.offset + span.stop - span.start]
        assert np.array_equal(part, recording[span.start : span.stop])
    start, end = window.times(0.5, 1.0)
    assert start == pytest.approx(10.5, abs=0.3)
    assert end - start == pytest.approx(0.5)
    assert window.end == pytest.approx(10 + 7.1 + 5 + 7.1, abs=0.4)


def test_a_short_pause_is_kept_and_reported_as_silence(speech: NDArray[np.float32]) -> None:
    recording = np.concatenate([speech, silence(0.7), speech])
    (window,) = speech_windows([recording], longest=28)
    assert len(window.spans) == 1
    between = [(start, end) for start, end in window.silences if 6 < start < 8]
    assert len(between) == 1
    assert between[0][1] - between[0][0] == pytest.approx(1.2, abs=0.4)


def test_windows_never_get_too_long_and_miss_nothing() -> None:
    samples, _ = joined_clips("en", pause=0.4)
    windows = list(speech_windows([samples], longest=28))
    assert len(windows) >= 3
    assert max(len(window.samples) for window in windows) <= 28 * SAMPLE_RATE
    spans = [span for window in windows for span in window.spans]
    assert all(before.stop <= after.start for before, after in pairwise(spans))
    kept = sum(span.stop - span.start for span in spans)
    assert kept > 0.93 * len(samples)


def test_speech_without_a_pause_is_cut_without_loss(speech: NDArray[np.float32]) -> None:
    dense = np.concatenate([speech[int(0.4 * SAMPLE_RATE) : int(6.5 * SAMPLE_RATE)]] * 12)
    windows = list(speech_windows([dense], longest=28))
    assert max(len(window.samples) for window in windows) <= 28 * SAMPLE_RATE
    joined = np.concatenate([window.samples for window in windows])
    assert len(joined) >= len(dense) - 0.3 * SAMPLE_RATE
    assert np.array_equal(joined[: 20 * SAMPLE_RATE], dense[: 20 * SAMPLE_RATE])


@pytest.mark.parametrize("size", [160, 5000, 16000, 10**6])
def test_the_size_of_the_blocks_changes_nothing(size: int) -> None:
    samples, _ = joined_clips("en", pause=0.4)
    samples = samples[: 40 * SAMPLE_RATE]
    whole = list(speech_windows([samples], longest=20))
    blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
    cut = list(speech_windows(blocks, longest=20))
    assert [window.spans for window in cut] == [window.spans for window in whole]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(cut, whole, strict=True))


def test_times_stay_inside_their_stretch() -> None:
    spans = (Span(16_000, 32_000, 0), Span(160_000, 176_000, 16_000))
    window = Window(silence(2), spans)
    assert window.times(0.5, 0.75) == pytest.approx((1.5, 1.75))
    assert window.times(0.75, 1.2) == pytest.approx((1.75, 2.0))
    assert window.times(0.9, 1.6) == pytest.approx((10.0, 10.6))
    assert window.times(1.9, 5.0) == pytest.approx((10.9, 11.0))
