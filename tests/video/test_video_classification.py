"""Action labels by VideoMAE, held against transformers and the chapter's frames, and labels of one's own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from sensorium import VideoQA
from sensorium.errors import (
    CancelledError,
    InputError,
    ModelUnavailableError,
    UnsupportedError,
)
from sensorium.media.audio_writer import write_audio
from sensorium.progress import Progress
from sensorium.video.video_classification import VideoClassifier, film_windows
from tests import films
from tests.checkpoints.video import ACTIONS, tiny_timesformer, tiny_videomae, tiny_vivit
from tests.refusals import refused


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_videomae(tmp_path_factory.mktemp("hub") / "tiny-videomae")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.film(tmp_path_factory.mktemp("films") / "short.mp4", count=73, rate=10)


def chapters_frames(path: Path, num_frames: int = 16) -> list[np.ndarray]:
    """Extract frames as the chapter does."""
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for index in np.linspace(0, count - 1, num_frames, dtype=int):
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, frame = capture.read()
        assert read
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    return frames


def test_equals_transformers_on_the_chapters_frames(
    checkpoint: Path, short: Path, parity: Callable[[str, str, str], None]
) -> None:
    from transformers import VideoMAEForVideoClassification
    from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

    frames = [Image.fromarray(frame) for frame in chapters_frames(short)]
    pixels = VideoMAEImageProcessorPil.from_pretrained(checkpoint)(frames, return_tensors="pt")
    model = VideoMAEForVideoClassification.from_pretrained(checkpoint).eval()
    with torch.inference_mode():
        theirs = model(**pixels).logits[0]
        other = model(pixel_values=pixels.pixel_values.flip(1)).logits[0]
    with VideoClassifier(checkpoint) as classifier:
        ours = classifier.backend.logits(frames)
        found = classifier.classify(short, top_k=len(ACTIONS))
    difference = (ours - theirs).abs().max().item()
    assert difference < 1e-4
    # The check means something: the same frames backwards are far away.
    assert (other - theirs).abs().max() > 100 * 1e-4
    # From the file, too: the frames are the chapter's, but for how two decoders turn colours into RGB.
    likely = dict(zip(ACTIONS, theirs.softmax(-1).tolist(), strict=True))
    assert {item.label: item.score for item in found.labels} == pytest.approx(likely, abs=0.02)
    parity(
        "VideoQA, videomae", "VideoMAEForVideoClassification on the same frames", f"largest difference {difference:.0e}"
    )


@pytest.mark.parametrize(
    ("build", "network", "processor"),
    [
        (tiny_timesformer, "TimesformerForVideoClassification", "VideoMAEImageProcessorPil"),
        (tiny_vivit, "VivitForVideoClassification", "VivitImageProcessor"),
    ],
)
def test_other_classifiers_equal_transformers(
    build: Callable[[Path], Path],
    network: str,
    processor: str,
    tmp_path: Path,
    short: Path,
    parity: Callable[[str, str, str], None],
) -> None:
    checkpoint = build(tmp_path / "classifier")
    frames = [Image.fromarray(frame) for frame in chapters_frames(short, 8)]
    pixels = getattr(transformers, processor).from_pretrained(checkpoint)(frames, return_tensors="pt")
    model = getattr(transformers, network).from_pretrained(checkpoint).eval()
    with torch.inference_mode():
        theirs = model(**pixels).logits[0]
        other = model(pixel_values=pixels.pixel_values.flip(1)).logits[0]
    with VideoClassifier(checkpoint) as classifier:
        ours = classifier.backend.logits(frames)
    difference = (ours - theirs).abs().max().item()
    assert difference < 1e-4
    assert (other - theirs).abs().max() > 10 * 1e-4
    # It stands in the chapter's pipeline, too.
    assert VideoQA(checkpoint).classify(short).labels[0].label in ACTIONS
    parity(f"VideoQA, {build.__name__}", f"{network} on the same frames", f"largest difference {difference:.0e}")


def test_classifiers_whose_frames_are_prepared_by_torchvision_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vjepa2", "architectures": ["VJEPA2ForVideoClassification"]}')
    (tmp_path / "video_preprocessor_config.json").write_text('{"video_processor_type": "VJEPA2VideoProcessor"}')
    with refused(UnsupportedError, tmp_path.name, "films", "finetuned-kinetics"):
        VideoClassifier(tmp_path).load()


def test_a_film_is_classified_stretch_by_stretch(checkpoint: Path, tmp_path: Path) -> None:
    film = films.film(tmp_path / "film.mp4", count=100, rate=4)
    told: list[Progress] = []
    found = VideoQA(checkpoint).classify(film, top_k=2, progress=told.append)
    assert [(window.start, window.end) for window in found.windows] == [(0, 8.333), (8.333, 16.667), (16.667, 25)]
    assert all(len(window.labels) == 2 for window in found.windows)
    assert found.labels[0].score >= found.labels[1].score
    assert found.model == "tiny-videomae"
    assert [report.done for report in told if report.unit == "stretches"] == [0, 1, 2, 3]
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        if report.done == 1:
            cancel.set()

    with pytest.raises(CancelledError):
        VideoQA(checkpoint).classify(film, progress=stop, cancel=cancel)


def test_stretches_cover_short_films_and_spread_over_long_ones() -> None:
    assert film_windows(0.04) == [(0, 0.04)]
    assert film_windows(10.0) == [(0, 10)]
    assert len(film_windows(10.1)) == 2
    assert len(film_windows(600)) == 60
    hours = film_windows(2 * 3600)
    assert len(hours) == 60
    assert hours[0] == (0, 10)
    assert hours[-1] == (7190, 7200)
    assert all(end - start == 10 for start, end in hours)


def test_fewer_frames_than_the_classifier_takes_are_seen_twice(checkpoint: Path, tmp_path: Path) -> None:
    film = films.film(tmp_path / "three.mp4", count=3, rate=10)
    frames = [Image.fromarray(frame) for frame in chapters_frames(film)]
    with VideoClassifier(checkpoint) as classifier:
        expected = classifier.backend.probabilities(frames)
        found = classifier.classify(film, top_k=1)
    assert found.labels[0].label == ACTIONS[int(expected.argmax())]
    assert found.labels[0].score == pytest.approx(float(expected.max()), abs=0.02)
    assert len(found.windows) == 1


def test_labels_of_ones_own(silent: Path) -> None:
    video_qa = VideoQA()
    found = video_qa.classify(silent, ["cat", "palace", "airplane"], top_k=2)
    assert len(found.labels) == 2
    assert {item.label for item in found.labels} == {"cat", "palace"}
    assert found.model == "conse-starter"
    told: list[Progress] = []
    again = video_qa.classify(silent, ["palace", "cat"], progress=told.append)
    assert not [report for report in told if report.unit == "frames"]
    assert len(again.labels) == 2


def test_wrong_input_is_one_sentence(checkpoint: Path, short: Path, silent: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"'socratic-video-qa' names no actions by itself.*labels"):
        VideoQA().classify(silent)
    with pytest.raises(InputError, match="no label to choose from"):
        VideoQA().classify(silent, [" "])
    with pytest.raises(InputError, match="top_k is 0"):
        VideoQA(checkpoint).classify(short, top_k=0)
    headless = tiny_videomae(tmp_path / "videomae-base", classifier=False)
    for user in (VideoQA(headless), VideoClassifier(headless)):
        with pytest.raises(UnsupportedError, match=r"'videomae-base' names no actions.*finetuned-kinetics"):
            user.classify(short)
    half = shutil.copytree(checkpoint, tmp_path / "half")
    (half / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailableError, match=r"'half' can't be opened: model\.safetensors is missing"):
        VideoQA(half).classify(short)
    sound = tmp_path / "sound.wav"
    write_audio(np.zeros(16000, dtype=np.float32), sound, 16000)
    with pytest.raises(InputError, match="sound"):
        VideoQA(checkpoint).classify(sound)
