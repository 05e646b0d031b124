"""Each of several inputs becomes a file with a name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorium.cli.inputs import Input, gather
from sensorium.cli.output_names import output_names
from tests import real_media


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.mp3", "b.mp3"], ["a.srt", "b.srt"]),
        (["C1.mp4", "C1.wav", "C2.mp4"], ["C1.mp4.srt", "C1.wav.srt", "C2.srt"]),
        (["C1.mp4", "c1.wav"], ["C1.mp4.srt", "c1.wav.srt"]),
        (["day 1/C1.mp4", "day 2/C1.mp4"], ["day 1/C1.mp4.srt", "day 2/C1.mp4.srt"]),
        (["x/day/C1.mp4", "y/day/C1.mp4"], ["C1.mp4-1.srt", "C1.mp4-2.srt"]),
        (["../C1.mp4", "C1.mp4"], ["C1.mp4-1.srt", "C1.mp4-2.srt"]),
        (["https://example.org/C1.mp4?key=1", "C1.ogg"], ["C1.mp4.srt", "C1.ogg.srt"]),
        (["-", "standard-input.wav"], ["standard-input.srt", "standard-input.wav.srt"]),
        (["C1.mp4", "C1.wav", "C1.mp4.mp3"], ["C1.mp4.srt", "C1.wav.srt", "C1.mp4.mp3.srt"]),
    ],
)
def test_names(names: list[str], expected: list[str]) -> None:
    found = output_names([Input(name) for name in names], "srt")
    assert len({str(name).casefold() for name in found}) == len(names)
    assert found == [Path(name) for name in expected]


def test_subfolders_of_a_folder_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recording = real_media.speech_clips("en")[0].path.read_bytes()
    for name in ("talks/C1.wav", "talks/C1.mp3", "talks/day 2/C1.wav", "talks/day 2/deep/C1.wav", "C1.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(recording)
    for folder in ("talks", "./talks/", str(tmp_path / "talks")):
        items = gather([folder, "C1.wav"], ("audio",))
        assert [str(name) for name in output_names(items, "txt")] == [
            "C1.mp3.txt",
            "talks/C1.wav.txt",
            "day 2/C1.txt",
            "day 2/deep/C1.txt",
            "C1.wav.txt",
        ]
