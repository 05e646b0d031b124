"""An index of everything in one space: pictures, films with their sound, recordings and texts."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sensorium.errors import InputError, UnsupportedError
from sensorium.media.audio_writer import write_audio
from sensorium.media.video_writer import write_video
from sensorium.retrieval.index import SearchIndex
from sensorium.retrieval.passages import passages
from sensorium.vision_language.clip import CLIP
from tests.checkpoints.one_space import DIMENSION, tiny_embedding_gemma_2
from tests.real_media import photo
from tests.refusals import refused

RATE = 16_000
STORY = "A cat sits on the sofa and looks out of the window. "
BEACH = "两个人走在街上。一只鸟和一杯咖啡。"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tiny_embedding_gemma_2(tmp_path_factory.mktemp("hub") / "tiny-one-space")
    with CLIP(folder):
        yield folder


def tone(hertz: float, seconds: float) -> np.ndarray:
    return (np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE) / 3).astype(np.float32)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pictures, a film of six seconds with sound, a recording of five, and two texts."""
    folder = tmp_path_factory.mktemp("mixed")
    frames = []
    for name in ("chelsea", "coffee"):
        with Image.open(photo(name)) as image:
            frames.append(image.convert("RGB").resize((160, 120)))
            frames[-1].save(folder / f"{name}.jpg")
    both = np.concatenate([tone(300, 3), tone(2000, 3)])
    write_video(folder / "film.mp4", [frame for frame in frames for _ in range(15)], 5, audio=both, sample_rate=RATE)
    write_audio(np.concatenate([tone(500, 2), tone(3000, 2), tone(900, 0.9)]), folder / "song.wav", RATE)
    (folder / "story.txt").write_text(STORY * 60, encoding="utf-8")
    (folder / "beach.md").write_text(BEACH, encoding="utf-8")
    long_ago = 1_600_000_000
    for file in folder.iterdir():
        os.utime(file, (long_ago, long_ago))
    return folder


@pytest.fixture
def mixed(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "mixed"))


def test_everything_is_found_by_words_pictures_and_sound(checkpoint: Path, mixed: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index", model=checkpoint)
    report = index.add(mixed)
    assert (report.added, report.skipped, report.passed_over, report.warnings) == (6, (), (), ())
    assert {file.path.name: (file.kind, file.moments) for file in index.files()} == {
        "beach.md": ("text", 1),
        "chelsea.jpg": ("image", 1),
        "coffee.jpg": ("image", 1),
        "film.mp4": ("video", 6),  # three frames, and three windows of two seconds of its sound
        "song.wav": ("audio", 3),
        "story.txt": ("text", 3),
    }
    found = index.search("zwei Hunde laufen über die Straße", limit=6)
    assert Counter(match.kind for match in found) == {"image": 2, "moment": 1, "sound": 1, "text": 2}
    assert all((match.time is None) == (match.kind in ("image", "text")) for match in found)

    like = index.search(image=mixed / "coffee.jpg", limit=1)[0]
    assert (like.path.name, like.kind, like.score) == ("coffee.jpg", "image", pytest.approx(1, abs=1e-4))
    second = index.search(sound=tone(3000, 2), limit=1)[0]
    assert (second.path.name, second.kind, second.time) == ("song.wav", "sound", 2.0)
    heard = index.search(sound=tone(300, 2), kind="moment")
    assert [(match.path.name, match.time) for match in heard] == [("film.mp4", 0.0)]
    with CLIP(checkpoint) as clip:
        words = clip.text_rows("a cat", role="query")[0]
        passage = clip.text_rows(next(passages(BEACH)), role="document")[0]
    match = index.search("a cat", kind="text", limit=2)
    score = {each.path.name: each.score for each in match}["beach.md"]
    assert score == pytest.approx(float(words @ passage), abs=1e-5)


def test_only_what_changed_is_read_again(checkpoint: Path, mixed: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index", model=checkpoint)
    index.add(mixed)
    assert index.add(mixed).unchanged == 6
    (mixed / "story.txt").write_text(STORY, encoding="utf-8")
    (mixed / "song.wav").rename(mixed / "renamed.wav")
    (mixed / "beach.md").unlink()
    report = index.add(mixed)
    assert (report.updated, report.moved, report.removed, report.unchanged) == (1, 1, 1, 3)
    assert {file.path.name: file.moments for file in index.files() if file.kind in ("audio", "text")} == {
        "renamed.wav": 3,
        "story.txt": 1,
    }


def test_damaged_files_do_not_stop_the_rest(checkpoint: Path, mixed: Path, tmp_path: Path) -> None:
    (mixed / "noise.txt").write_bytes(bytes(range(256)) * 8)
    (mixed / "empty.md").write_text("  \n")
    (mixed / "broken.wav").write_bytes((mixed / "song.wav").read_bytes()[:40])
    write_audio(tone(500, 0.01), mixed / "click.wav", RATE)
    Image.new("RGB", (2, 3000), "red").save(mixed / "thread.png")
    index = SearchIndex(tmp_path / "index", model=checkpoint)
    report = index.add(mixed)
    assert report.added == 8
    assert [(file.path.name, file.path.name in file.reason) for file in report.skipped] == [
        ("broken.wav", True),
        ("empty.md", True),
        ("noise.txt", True),
    ]
    with refused(InputError, "no sound"):
        index.search(sound=np.zeros(0, np.float32))


def test_short_vectors_take_less_room_and_never_mix(checkpoint: Path, mixed: Path, tmp_path: Path) -> None:
    short = SearchIndex(tmp_path / "short", model=checkpoint, dimensions=8)
    short.add(mixed)
    assert short.search(sound=tone(3000, 2), limit=1)[0].time == 2.0
    assert SearchIndex(tmp_path / "short").search(image=mixed / "coffee.jpg", limit=1)[0].path.name == "coffee.jpg"
    with refused(InputError, "short", "8", "16"):
        SearchIndex(tmp_path / "short", dimensions=16).add(mixed)
    with refused(InputError, str(DIMENSION + 1), "tiny-one-space"):
        SearchIndex(tmp_path / "long", model=checkpoint, dimensions=DIMENSION + 1).add(mixed)
    with refused(InputError, "short", "tiny-one-space", "conse-starter"):
        SearchIndex(tmp_path / "short", model="conse-starter").add(mixed)


def test_an_encoder_of_pictures_passes_over_recordings_and_texts(mixed: Path, tmp_path: Path) -> None:
    index = SearchIndex(tmp_path / "index")
    for added in (3, 0):
        report = index.add(mixed)
        assert (report.added, report.skipped) == (added, ())
        assert [file.path.name for file in report.passed_over] == ["beach.md", "song.wav", "story.txt"]
        assert "conse-starter" in report.passed_over[0].reason
    named = index.add([mixed / "song.wav", mixed / "coffee.jpg"])
    assert ([file.path.name for file in named.passed_over], named.unchanged) == (["song.wav"], 1)
    with refused(UnsupportedError, "conse-starter", "sound"):
        index.search(sound=tone(300, 1))


def test_passages_are_paragraphs_or_groups_of_sentences() -> None:
    assert list(passages("One.\n\n\nTwo.")) == ["One.\nTwo."]
    found = list(passages(f"{STORY * 60}\n\n{BEACH}\n\n{'x' * 4000}"))
    assert all(0 < len(passage) <= 1500 for passage in found)
    assert "".join("".join(found).split()) == "".join(f"{STORY * 60}{BEACH}{'x' * 4000}".split())
    assert list(passages(" \n\n ")) == []
