"""Moderation: policies that users write, what is flagged where, and what the checkpoint could not judge."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from PIL import Image

from sensorium import CLIP, VideoQA
from sensorium.errors import CancelledError, InputError, UnsupportedError
from sensorium.media.limits import Limits
from sensorium.progress import Progress
from sensorium.video import film as film_module
from sensorium.video.moderation_policy import read_policy, shipped_policy_text
from tests import real_media
from tests.checkpoints.clip import tiny_clip

CATS = """
name = "no cats"
ordinary = ["a building", "a dog", "food"]

[[labels]]
name = "cats"
threshold = 0.5
shows = ["a cat", "a kitten"]

[[labels]]
name = "drinks"
threshold = 0.9
shows = ["a cup"]
"""


@pytest.fixture(scope="module")
def video_qa() -> VideoQA:
    return VideoQA()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "cats.toml"
    path.write_text(CATS)
    return path


def table(**changes: Any) -> dict[str, Any]:
    """Return a policy with one label, with changes to that label."""
    label = {"name": "cats", "threshold": 0.5, "shows": ["a cat"], **changes}
    return {"name": "mine", "ordinary": ["a dog"], "labels": [label]}


def test_moments_of_a_film_are_flagged_with_times_and_thresholds(video_qa: VideoQA, silent: Path, policy: Path) -> None:
    found = video_qa.moderate(silent, policy)
    assert found.flagged
    first, closest = found.moments
    assert (first.label, first.threshold, first.flagged) == ("cats", 0.5, True)
    # The cat is there for the first of two halves, the palace for the second.
    assert first.start == 0
    assert first.end == pytest.approx(2, abs=0.15)
    assert first.score >= 0.5
    assert (closest.label, closest.flagged) == ("drinks", False)
    assert closest.score < 0.9
    assert (found.policy, found.model) == ("no cats", "conse-starter")
    assert "people" in found.limits
    assert json.loads(json.dumps(found.to_dict()))["moments"][0]["label"] == "cats"


def test_a_picture_is_judged_without_times(video_qa: VideoQA, policy: Path) -> None:
    path = real_media.photo("chelsea")
    by_path = video_qa.moderate(path, policy)
    assert by_path.flagged
    assert (by_path.moments[0].start, by_path.moments[0].end, by_path.frames) == (None, None, 1)
    picture = Image.open(path).convert("RGB")
    for source in (picture, path.read_bytes()):
        again = video_qa.moderate(source, policy)
        assert again.moments[0].score == pytest.approx(by_path.moments[0].score, abs=1e-3)


def test_a_moving_gif_is_judged_frame_by_frame(video_qa: VideoQA, policy: Path, tmp_path: Path) -> None:
    frames = [Image.open(real_media.photo(name)).convert("RGB").resize((320, 240)) for name in ("home", "chelsea")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=2000)
    found = video_qa.moderate(tmp_path / "moving.gif", policy, labels=["cats"])
    assert [(moment.start, moment.flagged) for moment in found.moments] == [(2.0, True)]


def test_the_shipped_policy_on_ordinary_pictures(video_qa: VideoQA, measured: Callable[[str], None]) -> None:
    photos = real_media.photos()
    flagged = sorted(name for name, path in photos.items() if video_qa.moderate(path).flagged)
    measured(f"Moderation, shipped policy, starter: {len(flagged)} of {len(photos)} harmless photos flagged {flagged}")
    assert len(flagged) <= 1
    found = video_qa.moderate(photos["chelsea"])
    # What the starter was never trained to see is not said to be absent.
    assert {"violence", "hate symbols", "blood and injuries"} <= set(found.not_judged)
    assert {moment.label: moment.model for moment in found.moments} == {
        "weapons": "conse-starter",
        "alcohol": "conse-starter",
        "nudity": "open-nsfw",
    }
    assert found.model == "conse-starter + open-nsfw"
    assert "people" in found.limits
    assert "nudity" in found.limits.lower()


NUDITY_ALONE = {"labels": [{"name": "nothing to wear", "threshold": 0.01, "judge": "nudity"}]}


def test_a_label_that_names_a_classifier_needs_no_texts(silent: Path) -> None:
    told: list[Progress] = []
    with VideoQA(encoder="nowhere/such-an-encoder") as video_qa:
        picture = video_qa.moderate(real_media.photo("chelsea"), NUDITY_ALONE)
        film = video_qa.moderate(silent, NUDITY_ALONE, progress=told.append)
    (moment,) = picture.moments
    assert (moment.label, moment.model, picture.model, picture.not_judged) == (
        ("nothing to wear", "open-nsfw", "open-nsfw", ())
    )
    assert 0 <= moment.score < 0.8
    assert film.frames >= 4
    assert all(found.start is not None for found in film.moments)
    assert [report for report in told if report.unit == "frames"]


def test_a_film_is_read_once_for_encoder_and_classifier(silent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = Mock(wraps=film_module.sample_frames)
    monkeypatch.setattr(film_module, "sample_frames", sampled)
    with VideoQA() as video_qa:
        both = video_qa.moderate(silent)
        assert sampled.call_count == 1
        alone = video_qa.moderate(silent, NUDITY_ALONE)
        assert sampled.call_count == 1
    with VideoQA() as video_qa:
        again = video_qa.moderate(silent, NUDITY_ALONE)
    (nudity,) = (moment for moment in both.moments if moment.label == "nudity")
    assert nudity.score == max(moment.score for moment in alone.moments)
    # Frames are smaller where the encoder doesn't need them: the network still sees nearly the same.
    assert max(moment.score for moment in again.moments) == pytest.approx(nudity.score, abs=0.02)


def test_other_encoders_judge_every_label(tmp_path: Path) -> None:
    from transformers import CLIPModel, CLIPProcessor

    folder = tiny_clip(tmp_path / "tiny-clip")
    path = real_media.photo("chelsea")
    video_qa = VideoQA(encoder=folder)
    assert video_qa.moderate(path).not_judged == ()
    found = video_qa.moderate(path, table(shows=["a cat", "two people fighting"]))
    assert found.not_judged == ()
    assert (found.model, found.limits) == ("tiny-clip", "")
    texts = ["a photo of a dog", "a photo of a cat", "two people fighting"]
    image = Image.open(path).convert("RGB")
    inputs = CLIPProcessor.from_pretrained(folder)(text=texts, images=image, return_tensors="pt", padding=True)
    expected = CLIPModel.from_pretrained(folder)(**inputs).logits_per_image.softmax(-1)[0, 1:].sum().item()
    assert found.moments[0].score == pytest.approx(expected, abs=1e-4)


def test_frames_are_encoded_once_for_all_questions(silent: Path, policy: Path) -> None:
    video_qa = VideoQA()
    told: list[Progress] = []
    video_qa.moderate(silent, progress=told.append)
    assert [report for report in told if report.unit == "frames"]
    told.clear()
    video_qa.moderate(silent, policy, progress=told.append)
    video_qa.search(silent, "a cat", progress=told.append)
    assert not [report for report in told if report.unit == "frames"]


def test_cancel_stops(policy: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        VideoQA().moderate(real_media.film("vtest"), policy, cancel=cancel)


def test_policies_that_make_no_sense_are_one_sentence(video_qa: VideoQA, policy: Path, tmp_path: Path) -> None:
    cat = real_media.photo("chelsea")
    with pytest.raises(InputError, match=r"There is no policy file 'nowhere\.toml'"):
        video_qa.moderate(cat, "nowhere.toml")
    for name in ("long" * 100, "null\0", "half \ud800"):
        with pytest.raises(InputError, match="There is no policy file"):
            video_qa.moderate(cat, name)
    broken = tmp_path / "broken.toml"
    broken.write_text("name = \n")
    with pytest.raises(InputError, match=r"broken\.toml' is not valid TOML"):
        video_qa.moderate(cat, broken)
    with pytest.raises(InputError, match=r"'no cats' has no label 'dogs'.*Choose cats, drinks"):
        video_qa.moderate(cat, policy, labels=["dogs"])
    for threshold in (0, 1.5, -1, "high", None, True):
        with pytest.raises(InputError, match="threshold of the label 'cats' is"):
            video_qa.moderate(cat, table(threshold=threshold))
    for wrong, complaint in (
        ({"labels": []}, "has no labels"),
        ({"labels": [{"threshold": 0.5}]}, "has no name"),
        (table(shows=[]), "doesn't say what it shows"),
        (table(shows=[], judge="kindness"), "has the judge 'kindness', which doesn't exist"),
        (table(judge="nudity"), "has both a judge and texts"),
        ({**table(), "ordinary": []}, "doesn't say what ordinary pictures show"),
        ({**table(), "labels": table()["labels"] * 2}, "has the label 'cats' twice"),
    ):
        with pytest.raises(InputError, match=complaint):
            video_qa.moderate(cat, wrong)
    with pytest.raises(UnsupportedError, match=r"'conse-starter' can judge none of sadness"):
        video_qa.moderate(cat, table(name="sadness", shows=["a sad mood"]))


def test_a_policy_file_is_not_read_where_nobody_may_name_files(policy: Path) -> None:
    strict = VideoQA(limits=Limits(allow_files=False))
    with pytest.raises(InputError, match="policy"):
        strict.moderate(Image.new("RGB", (64, 64)), policy)


def test_wrong_sources_are_one_sentence(video_qa: VideoQA, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("no film\n" * 100)
    for name in ("letter.mp4", "nowhere.mp4"):
        with pytest.raises(InputError, match=name):
            video_qa.moderate(tmp_path / name)


def test_the_shipped_policy_is_a_file_to_copy(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text(shipped_policy_text())
    assert read_policy(copy) == read_policy(None)
    copy.write_bytes(b"\xef\xbb\xbf" + shipped_policy_text().replace("\n", "\r\n").encode())  # as Windows has it
    assert read_policy(copy) == read_policy(None)
    assert all(0 < label.threshold <= 1 for label in read_policy(None).labels)


def test_an_encoder_that_judges_texts_one_by_one_gives_the_highest(tmp_path: Path) -> None:
    from tests.checkpoints.dual_encoders import tiny_siglip

    folder = tiny_siglip(tmp_path / "tiny-siglip")
    path = real_media.photo("chelsea")
    found = VideoQA(encoder=folder).moderate(path, table(threshold=1.0, shows=["a cat", "a bird"]))
    with CLIP(folder) as clip:
        texts = [clip.backend.label_text(label) for label in ("cat", "bird")]
        expected = clip.compute_similarity(path, texts).max().item()
    assert found.moments[0].score == pytest.approx(expected, abs=1e-4)


CHINESE = {
    "name": "不要猫",
    "ordinary": ["建筑", "狗", "食物"],
    "labels": [
        {"name": "猫", "threshold": 0.5, "shows": ["猫", "一只小猫"]},
        {"name": "打架", "threshold": 0.5, "shows": ["打架"]},
    ],
}


def test_a_policy_in_another_language(video_qa: VideoQA, measured: Callable[[str], None]) -> None:
    scores = {name: video_qa.moderate(real_media.photo(name), CHINESE) for name in ("chelsea", "home")}
    measured(f"Moderation, Chinese policy, starter: cat {[found.moments[0].score for found in scores.values()]}")
    assert [found.flagged for found in scores.values()] == [True, False]
    assert all(found.not_judged == ("打架",) for found in scores.values())
