"""The classifier for nudity: as its publishers prepare pictures, and what it says of harmless ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import PIL.Image
import pytest

from sensorium.errors import InputError
from sensorium.models import catalog, store
from sensorium.vision_language.nudity import NudityDetector
from tests import real_media


@pytest.fixture(scope="module")
def detector() -> Iterator[NudityDetector]:
    with NudityDetector() as loaded:
        yield loaded


def as_published(picture: PIL.Image.Image, tmp_path: Path) -> float:
    """Return what the network says of a picture that is prepared as in ``classify_nsfw.py``."""
    small = picture.resize((256, 256), PIL.Image.Resampling.BILINEAR)
    small.save(tmp_path / "small.jpg")
    pixels = np.asarray(PIL.Image.open(tmp_path / "small.jpg"))[16:240, 16:240, ::-1].astype(np.float32)
    folder = store.locate(catalog.named("open-nsfw"))
    session = onnxruntime.InferenceSession(str(folder / "open-nsfw.onnx"))
    (output,) = session.run(None, {session.get_inputs()[0].name: (pixels - np.float32([104, 117, 123]))[None]})
    return float(np.asarray(output)[0, 1])


def test_scores_are_those_of_the_published_program(detector: NudityDetector, tmp_path: Path) -> None:
    for name in ("chelsea", "astronaut", "coffee"):
        picture = PIL.Image.open(real_media.photo(name)).convert("RGB")
        assert detector.score(picture) == pytest.approx(as_published(picture, tmp_path), abs=0.01)


def test_harmless_pictures_score_low(detector: NudityDetector, measured: Callable[[str], None]) -> None:
    scores = {name: detector.score(path) for name, path in real_media.photos().items()}
    worst = max(scores, key=lambda name: scores[name])
    middle = float(np.median(list(scores.values())))
    measured(
        f"Nudity: {len(scores)} harmless photos score {middle:.4f} in the middle, at most {scores[worst]:.2f} ({worst})"
    )
    assert scores[worst] < 0.8


def test_what_is_no_picture_is_refused(detector: NudityDetector, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("no picture")
    with pytest.raises(InputError, match=r"letter\.txt"):
        detector.score(letter)
