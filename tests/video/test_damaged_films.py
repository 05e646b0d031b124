"""What is missing or damaged in a film is told with everything that is found out about it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import av
import pytest

from sensorium import VideoQA
from sensorium.video.video_classification import VideoClassifier
from tests.checkpoints.video import tiny_videomae
from tests.films import truncated


@pytest.fixture(scope="module")
def cut(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three fifths of a film whose table of contents is in front, as films for the web have it."""
    folder = tmp_path_factory.mktemp("cut")
    with (
        av.open(str(story)) as source,
        av.open(str(folder / "web.mp4"), "w", options={"movflags": "faststart"}) as web,
    ):
        streams = {stream.index: web.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                web.mux(packet)
    return truncated(folder / "web.mp4", folder / "cut.mp4", 0.6)


def said(result: Any) -> list[str]:
    """Return the warnings of a result, which are in its document too."""
    assert result.to_dict()["warnings"] == list(result.warnings)
    assert type(result).from_dict(result.to_dict()).warnings == result.warnings
    return [sentence for sentence in result.warnings if "cut.mp4 breaks off at second" in sentence]


def test_answers(video_qa: VideoQA, cut: Path, story: Path) -> None:
    described = said(video_qa.describe(cut))
    assert {sentence.partition("/")[0] for sentence in described} == {"The film ", "The sound of "}
    assert said(video_qa.answer_video_question(cut, "Is there a cup?")) == described, "from memory"
    assert video_qa.describe(story).warnings == ()


def test_what_is_compared_with_texts(video_qa: VideoQA, cut: Path) -> None:
    assert said(video_qa.classify(cut, ["cat", "car"]))
    assert said(video_qa.search(cut, "a cup of coffee"))
    assert said(video_qa.moderate(cut, labels=["weapons"]))


def test_named_actions(cut: Path, tmp_path: Path) -> None:
    with VideoClassifier(tiny_videomae(tmp_path / "tiny-videomae")) as classifier:
        assert said(classifier.classify(cut))


def test_subtitles_and_lists(video_qa: VideoQA, cut: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert said(video_qa.subtitles(cut, tmp_path / "cut.srt", "en"))
    with caplog.at_level(logging.WARNING):
        video_qa.moments(cut)
    assert any("cut.mp4 breaks off" in record.message for record in caplog.records), "a list has no room for it"
