"""``sensorium embed`` and ``detect-language``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sensorium.vision_language.clip import CLIP
from tests import real_media
from tests.cli.conftest import Run

CAT = real_media.photo("chelsea")


def test_pictures_and_texts_come_as_rows_in_order(run: Run, tmp_path: Path, loaded_clip: CLIP) -> None:
    result = run("embed", CAT, "--text", "a cat", "--text", "a rocket", "--json")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["input"] for row in rows] == [str(CAT), "a cat", "a rocket"]
    vectors = np.array([row["embedding"] for row in rows])
    np.testing.assert_allclose(vectors[0], np.asarray(loaded_clip.image_rows(CAT))[0], atol=1e-5)
    np.testing.assert_allclose(vectors[1:], np.asarray(loaded_clip.text_rows(["a cat", "a rocket"])), atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    saved = run("embed", CAT, "--text", "a cat", "-o", tmp_path / "vectors.npy")
    assert saved.exit_code == 0
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), vectors[:2], atol=1e-6)


@pytest.mark.usefixtures("loaded_clip")
def test_one_bad_picture_costs_the_others_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    result = run("embed", tmp_path / "broken.jpg", CAT)
    assert result.exit_code == 1
    assert "broken.jpg" in result.stderr
    assert len(json.loads(result.stdout)) > 100


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["embed"], "--text"), (["embed", "--text", "a", "-o", "x.txt"], "x.txt"), (["embed", "--text", " "], "text")],
)
def test_what_can_not_be_embedded_is_refused(run: Run, arguments: list[str], named: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert named in result.stderr


def test_the_language_that_is_spoken(run: Run) -> None:
    clips = {language: real_media.speech_clips(language)[0].path for language in ("en", "fr")}
    result = run("detect-language", *clips.values(), "--json")
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["language"] for each in found] == ["en", "fr"]
    assert all(each["probability"] > 0.5 for each in found)
    assert run("detect-language", clips["fr"]).stdout.startswith("fr ")


def test_an_encoder_of_texts_alone(run: Run) -> None:
    texts = ["--text", "一只猫", "--text", "eine Katze", "--text", "ein Flugzeug"]
    result = run("embed", *texts, "--role", "document", "--model", "multilingual-e5-small", "--json")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["model"] for row in rows} == {"multilingual-e5-small"}
    cat, katze, flugzeug = (np.array(row["embedding"]) for row in rows)
    assert cat @ katze > cat @ flugzeug
    refused = run("embed", CAT, "--model", "multilingual-e5-small")
    assert refused.exit_code == 2
    assert "texts only" in refused.stderr
