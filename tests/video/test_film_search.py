"""Finding moments of a film, and its subtitles."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium import CLIP, VideoQA
from sensorium.errors import CancelledError, InputError
from sensorium.media.limits import Limits
from sensorium.progress import Progress
from sensorium.video.film_search import find_moments
from sensorium.video.frame_embeddings import FrameEmbeddings
from tests import films
from tests.checkpoints.clip import tiny_clip
from tests.memory import PEAK_MEMORY
from tests.real_media import film


@pytest.fixture(scope="module")
def video_qa() -> VideoQA:
    return VideoQA()


def test_what_is_searched_for_is_found_where_it_is(video_qa: VideoQA, silent: Path) -> None:
    cat = video_qa.search(silent, "a cat", limit=2)
    assert cat.moments[0].start == 0
    assert cat.moments[0].end == pytest.approx(2, abs=0.15)
    palace = video_qa.search(silent, "a palace")
    assert palace.moments[0].start == pytest.approx(2, abs=0.15)
    assert palace.moments[0].end == pytest.approx(4, abs=0.05)
    assert (palace.text, palace.model) == ("a palace", "conse-starter")
    scores = [moment.score for moment in palace.moments]
    assert scores == sorted(scores, reverse=True)


def test_a_film_is_looked_at_once(video_qa: VideoQA) -> None:
    told: list[Progress] = []
    video_qa.search(film("Megamind"), "a person", progress=told.append)
    assert [report for report in told if report.unit == "frames"]
    told.clear()
    video_qa.search(film("Megamind"), "a dog", progress=told.append)
    assert not [report for report in told if report.unit == "frames"]


def test_frames_around_a_moment_belong_to_it(tmp_path: Path) -> None:
    with CLIP(tiny_clip(tmp_path / "tiny-clip")) as clip:
        wanted = clip.encode_text("a cat")[0]
        other = torch.nn.functional.normalize(torch.randn(24, generator=torch.Generator().manual_seed(0)), dim=0)
        other = torch.nn.functional.normalize(other - (other @ wanted) * wanted, dim=0)
        cosines = [0.1, 0.9, 0.88, 0.1, 0.0, 0.5, 0.0]
        rows = torch.stack([cosine * wanted + (1 - cosine**2) ** 0.5 * other for cosine in cosines])
        frames = FrameEmbeddings(tuple(float(second) for second in range(7)), 1.0, 7.0, rows)
        found = find_moments(frames, clip, "a cat", limit=5)
    assert [(moment.start, moment.end) for moment in found.moments] == [(1, 3), (5, 6)]
    assert found.moments[0].score == pytest.approx(0.9, abs=1e-3)


_TWO_FILMS = """
import sys
from sensorium import CLIP
from sensorium.video.film import Film
from sensorium.video.frame_embeddings import embed_frames

checkpoint, short, long = sys.argv[1:]
with CLIP(checkpoint) as clip:
    embed_frames(Film(short), clip)
    before = peak_memory()
    found = embed_frames(Film(long), clip)
    print(len(found.times), round(found.step, 2), peak_memory() - before)
"""


def test_a_long_film_is_seen_in_steps_and_in_flat_memory(tmp_path: Path) -> None:
    checkpoint = tiny_clip(tmp_path / "tiny-clip")
    short = films.film(tmp_path / "short.mp4", count=50, rate=1, group=50)
    hour = films.repeated(short, tmp_path / "hour.mp4", 72)
    program = [sys.executable, "-c", PEAK_MEMORY + _TWO_FILMS, str(checkpoint), str(short), str(hour)]
    output = subprocess.run(program, capture_output=True, text=True, check=True, timeout=120).stdout
    frames, step, more = map(float, output.split())
    assert (frames, step) == (1800, 2.0)
    # 1800 pictures of 160 x 96 pixels would be 83 MB.
    assert more < 30


def test_subtitles_are_written(video_qa: VideoQA, story: Path, tmp_path: Path) -> None:
    written = video_qa.subtitles(story, tmp_path / "story.srt")
    assert written.path == tmp_path / "story.srt"
    assert written.model == "whisper-base"
    assert "Chelsea" in written.path.read_text()
    assert video_qa.subtitles(story, tmp_path / "story.vtt").path.read_text().startswith("WEBVTT")


def test_bytes_open_files_and_data_uris_are_films(video_qa: VideoQA, silent: Path) -> None:
    data = silent.read_bytes()
    uri = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    expected = video_qa.search(silent, "a cat").moments
    with silent.open("rb") as opened:
        for source in (data, opened, uri):
            assert video_qa.search(source, "a cat").moments == expected
            assert video_qa.moments(source)[0].start == 0


def test_limits_hold_for_films(silent: Path) -> None:
    guarded = VideoQA(limits=Limits(allow_files=False))
    data = silent.read_bytes()
    uri = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    for source in (data, uri):
        assert guarded.search(source, "a cat").moments
        assert guarded.describe(source)
    for source in (str(silent), silent):
        for call in (guarded.search, guarded.answer_video_question):
            with pytest.raises(InputError):
                call(source, "a cat")
        with pytest.raises(InputError):
            guarded.moderate(source)


def test_cancel_leaves_nothing(story: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        VideoQA().subtitles(story, tmp_path / "story.srt", cancel=cancel)
    with pytest.raises(CancelledError):
        VideoQA().search(film("vtest"), "people", cancel=cancel)
    assert not list(tmp_path.iterdir())


def test_wrong_input_is_one_sentence(video_qa: VideoQA, silent: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="text to search for is empty"):
        video_qa.search(silent, " ")
    with pytest.raises(InputError, match="limit is 0"):
        video_qa.search(silent, "a cat", limit=0)
    with pytest.raises(InputError, match="no sound"):
        video_qa.subtitles(silent, tmp_path / "silent.srt")
    empty = tmp_path / "sound.mp4"
    empty.write_bytes(np.zeros(1000, dtype=np.uint8).tobytes())
    with pytest.raises(InputError, match=r"sound\.mp4"):
        video_qa.search(empty, "a cat")
