"""The tour, run whole with the starter models, and its page opened in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sensorium.cli.app import app
from sensorium.cli.tour import command_runner
from sensorium.errors import InputError
from sensorium.image_generation.text_to_image import read_settings
from sensorium.media.audio import read_audio
from sensorium.media.video import probe_video, sample_frames
from sensorium.models import catalog
from sensorium.tour.material import NARRATION
from sensorium.tour.steps import STEPS
from sensorium.tour.tour import run_tour
from tests.real_browser import chromium


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a finished tour, and what it printed."""
    printed: list[str] = []
    run = command_runner(get_command(app))
    page = run_tour(tmp_path_factory.mktemp("tour") / "it", run=run, write=printed.append)
    return page.parent, "\n".join(printed)


@pytest.fixture(scope="module")
def page(tour: tuple[Path, str]) -> Iterator[Any]:
    """The tour's page in headless Chromium; anything that it requests or complains about is recorded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        page = browser.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: page.complaints.append(request.url) if request.url.startswith("http") else None,
        )
        page.goto((tour[0] / "index.html").as_uri())
        yield page
        browser.close()


def test_prints_each_step_as_a_command_that_can_be_typed(tour: tuple[Path, str]) -> None:
    commands = re.findall(r"^\$ (?:printf .* \| )?sensorium (\w+)", tour[1], flags=re.MULTILINE)
    assert commands == [step.arguments[0] for step in STEPS]


def test_the_last_word_leads_to_the_studio(tour: tuple[Path, str]) -> None:
    assert tour[1].rstrip().endswith("sensorium studio")


def test_the_cat_is_a_cat_and_the_coffee_is_found(tour: tuple[Path, str]) -> None:
    classified, *_ = _outputs(tour[1], "classify")
    assert re.search(r"\bcat\b", classified)
    by_words, by_picture, moment = _outputs(tour[1], "search")
    assert re.search(r"[\w-]+\.(png|jpg)", by_words).group() == "coffee.png"  # type: ignore[union-attr]
    assert re.search(r"[\w-]+\.(png|jpg)", by_picture).group() == "temple.jpg"  # type: ignore[union-attr]
    assert "flower.jpg" in moment or "film.mp4" in moment


def test_what_is_written_is_read_and_answered_from(tour: tuple[Path, str]) -> None:
    [read] = _outputs(tour[1], "read")
    assert "Total 6.20" in read
    _, chinese, total = _outputs(tour[1], "ask")
    assert "建筑" in chinese
    assert "6.20" in total


def test_painted_pictures_say_how_they_were_made_and_can_be_made_again(tour: tuple[Path, str]) -> None:
    first, again = (tour[0] / name for name in ("car-2.png", "car-again.png"))
    assert first.read_bytes() == again.read_bytes()
    assert "the same picture, pixel for pixel" in _outputs(tour[1], "imagine")[1]
    for step in STEPS:
        for name in step.painted:
            settings = read_settings(tour[0] / name)
            assert settings.model == catalog.resolve(None, task="text-to-image").name
            assert settings.prompt in step.arguments or "--again" in step.arguments


def test_what_is_spoken_is_written_down_again(tour: tuple[Path, str]) -> None:
    import jiwer

    transcribed, _ = _outputs(tour[1], "transcribe")
    plain = jiwer.Compose([jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip()])
    spoken = plain(" ".join(sentence for _, sentence in NARRATION))
    assert jiwer.wer(spoken, plain(" ".join(transcribed.split()))) < 0.2


def test_the_film_shows_the_photographs_while_their_sentences_are_spoken(tour: tuple[Path, str]) -> None:
    film = tour[0] / "film.mp4"
    info = probe_video(film)
    assert info.has_audio
    assert abs(len(read_audio(film)) / 16000 - info.duration) < 0.5
    assert len(list(sample_frames(film, 6))) == 6
    subtitles = (tour[0] / "film.vtt").read_text(encoding="utf-8")
    assert subtitles.startswith("WEBVTT")
    assert "rocket" in subtitles
    rocket = re.search(r"(\d\d):(\d\d)\.(\d{3}) -->[^\n]*\n[^\n]*rocket", subtitles)
    assert rocket is not None
    answer = _outputs(tour[1], "watch")[1]
    assert "rocket" in answer.lower()


def test_a_second_tour_replaces_the_first_but_never_a_folder_of_yours(tour: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        run_tour(tmp_path, run=command_runner(get_command(app)))
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_the_page_is_whole_in_a_browser(page: Any) -> None:
    assert page.locator("article.step").count() == len(STEPS)
    assert page.locator("article.failed").count() == 0
    widths = page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth)")
    assert len(widths) >= 8
    assert min(widths) > 50
    shown = page.inner_text("#image-generation")
    assert re.search(r"\d+\.\d s a picture", shown)
    assert "“a cartoon of a red car”, 64 × 64 pixels, seed 7" in shown
    page.click("nav a[href='#models']")
    assert "painter-starter-canny" in page.inner_text("#models")
    assert "whisper-base" in page.inner_text("#models")
    assert page.complaints == []


def test_the_film_plays_with_subtitles_and_the_voice_can_be_heard(page: Any) -> None:
    played = page.evaluate(
        """async () => {
            const film = document.querySelector('video');
            film.muted = true;
            await film.play();
            await new Promise(done => setTimeout(done, 1500));
            film.pause();
            const cues = film.textTracks[0].cues;
            const voice = document.querySelector('audio');
            return {time: film.currentTime, width: film.videoWidth, cues: cues ? cues.length : 0,
                    first: cues && cues.length ? cues[0].text : '', voice: voice.duration};
        }"""
    )
    assert played["time"] > 0.5
    assert played["width"] == 640
    assert played["cues"] >= len(NARRATION) - 1
    assert "cat" in played["first"].lower()
    assert played["voice"] > 8


def _outputs(printed: str, command: str) -> list[str]:
    """What each call of one command printed."""
    parts = re.split(r"^\$ sensorium ", printed, flags=re.MULTILINE)[1:]
    return [part.partition("\n")[2].split("\n# ")[0] for part in parts if part.startswith(command + " ")]
