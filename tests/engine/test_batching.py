"""What goes through a model together, and what is too heavy for that."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sensorium.engine.batching import MOST_CALLS, MOST_PIXELS, batches, weight_of
from sensorium.media.audio_writer import write_audio
from sensorium.media.limits import Limits
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.tasks import Tasks


class _Looking(Operation):
    """Look at media; not registered, because it has no result."""

    media_files: tuple[Media, ...] = ()


def looking_at(*files: Path | str) -> float:
    return weight_of(_Looking(media_files=tuple(map(str, files))), Tasks())


def picture(path: Path, width: int, height: int) -> Path:
    Image.new("1", (width, height)).save(path)
    return path


def test_items_of_one_key_are_together_in_their_order() -> None:
    items = ["a1", "b1", "a2", "alone1", "b2", "alone2"]
    keys = {"a": "a", "b": "b"}
    assert batches(items, lambda item: keys.get(item[0] if item[1].isdigit() else "-"), lambda item: 0.1) == [
        ["a1", "a2"],
        ["b1", "b2"],
        ["alone1"],
        ["alone2"],
    ]


def test_a_number_as_a_key_is_not_mistaken_for_none() -> None:
    assert batches([5, 6, 7], lambda item: 0 if item > 5 else None, lambda item: 0.1) == [[5], [6, 7]]


def test_a_batch_holds_what_it_can_bear_and_what_is_too_heavy_is_alone() -> None:
    assert batches([0.5, 0.5, 0.25, 7.0, 0.5], lambda item: "key", lambda item: item) == [
        [0.5, 0.5],
        [0.25],
        [7.0],
        [0.5],
    ]
    assert [len(batch) for batch in batches(range(MOST_CALLS + 1), lambda item: "key", lambda item: 0.0)] == [
        MOST_CALLS,
        1,
    ]


def test_what_is_alone_is_not_weighed() -> None:
    def weigh(item: str) -> float:
        raise AssertionError(item)

    assert batches(["a", "b"], lambda item: item, weigh) == [["a"], ["b"]]


def test_pictures_weigh_by_their_pixels_from_headers_alone(tmp_path: Path) -> None:
    large = picture(tmp_path / "large.png", 10_000, 10_000)
    assert looking_at(large) == 100_000_000 / MOST_PIXELS > 1
    whole = large.read_bytes()
    large.write_bytes(whole[: len(whole) // 2])  # whoever decodes it would notice
    assert looking_at(large) > 1
    photos = [picture(tmp_path / f"{number}.png", 1600, 1250) for number in range(32)]
    assert looking_at(*photos) == pytest.approx(1.0)


def test_sound_weighs_by_its_seconds(tmp_path: Path) -> None:
    for seconds in (3, 30):
        write_audio(np.zeros(seconds * 16_000, np.float32), tmp_path / f"{seconds}.wav", 16_000)
    assert looking_at(tmp_path / "30.wav") == pytest.approx(30 / 240, rel=0.01)
    assert looking_at(tmp_path / "3.wav", tmp_path / "30.wav") == pytest.approx(33 / 240, rel=0.01)


def test_long_sound_is_alone(tmp_path: Path) -> None:
    write_audio(np.zeros(31 * 16_000, np.float32), tmp_path / "long.wav", 16_000)
    assert looking_at(tmp_path / "long.wav") > 1


def test_no_more_go_together_than_the_operation_says() -> None:
    assert batches("abcde", lambda item: "key", lambda item: 0.1, lambda item: 2) == [["a", "b"], ["c", "d"], ["e"]]


def test_what_cannot_be_read_weighs_nothing_and_addresses_are_not_fetched(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert looking_at(broken, tmp_path / "missing.png") == 0
    refused = Tasks(limits=Limits(allow_files=False))
    assert weight_of(_Looking(media_files=(str(picture(tmp_path / "a.png", 10, 10)),)), refused) == 0
    assert looking_at("https://example.invalid/cat.png") == 0.25
    inside = base64.b64encode(picture(tmp_path / "b.png", 10, 10).read_bytes()).decode()
    assert looking_at(f"data:image/png;base64,{inside}") == 100 / MOST_PIXELS
