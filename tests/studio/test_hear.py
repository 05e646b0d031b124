"""Listening on the page: subtitles that grow, are edited and saved."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, expect

from sensorium.media.audio import read_audio
from tests import real_media
from tests.films import film
from tests.real_browser import chromium
from tests.studio.conftest import LONG, Open, begin, go_to, named, put_in

RATE = 16_000
EDITED = "The number you dialed is out of service --> for now."


def clip(text: str, language: str = "en") -> Path:
    """Return the recording in which something is said."""
    return next(each.path for each in real_media.speech_clips(language) if text in each.text)


def begin_with(page: Page, file: Path) -> str:
    """Put a recording on the page and begin to write it down; return the job."""
    page.locator("#hear-recording button").first.wait_for()  # all of the tab is there
    put_in(page, "#hear-file", file, shown=named(file))
    return begin(page, "hear")


def written_down(page: Page, file: Path) -> None:
    """Put a recording on the page and wait for its text."""
    begin_with(page, file)
    wait_for_subtitles(page)


def wait_for_subtitles(page: Page) -> None:
    """Wait until all subtitles are there."""
    page.locator("#hear-cancel").wait_for(state="hidden")
    page.locator("#hear-cues .cue-save").wait_for()


def texts(page: Page) -> list[str]:
    """Return what the subtitles of the table say."""
    return [each.input_value() for each in page.locator("#hear-cues .cue-text").all()]


def said(page: Page) -> str:
    return " ".join(" ".join(texts(page)).split())


def saved(page: Page, format: str) -> str:
    """Return the file that a button saves."""
    with page.expect_download() as download:
        page.locator(f"#hear-cues button[data-format={format}]").click()
    assert download.value.suggested_filename.endswith(f".{format}")
    return download.value.path().read_text("utf-8")


def long_recording(path: Path, times: int) -> Path:
    """Write a recording in which the same is said many times."""
    samples = read_audio(clip("not in service"))
    sound = np.concatenate([np.concatenate([samples, np.zeros(RATE, np.float32)])] * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32_767).astype("<i2").tobytes())
    return path


def test_subtitles_are_edited_played_and_saved(open_page: Open) -> None:
    page = open_page("hear")
    written_down(page, clip("not in service"))
    expect(page.locator("#hear-cues .cue-text").first).to_be_editable()
    assert said(page).startswith("The number you have dialed is not in service.")
    expect(page.locator("#hear-facts")).to_contain_text("English")

    begins = float(page.locator("#hear-cues .cue-start").nth(1).input_value().removeprefix("0:"))
    page.locator("#hear-cues .cue-jump").nth(1).click()
    page.wait_for_function(f"document.querySelector('#hear-cues audio').currentTime >= {begins}")
    expect(page.locator("#hear-cues .cue").nth(1)).to_have_attribute("aria-current", "true")

    page.locator("#hear-cues .cue-text").first.fill(EDITED)
    page.locator("#hear-cues .cue-end").first.fill("0:01.17")
    page.locator("#hear-cues .cue-end").first.press("Tab")
    expect(page.locator("#hear-cues .cue-warning").first).to_contain_text("people read 20")
    expect(page.locator("#hear-text textarea")).to_have_value(f"{EDITED}\nPlease check the number and try again.")
    srt = saved(page, "srt")
    assert srt.startswith("1\n00:00:00,1")
    assert " --> 00:00:01,170\nThe number you dialed is out of service → for now.\n\n2\n" in srt
    assert saved(page, "vtt").startswith("WEBVTT\n\n00:00:00.1")
    assert saved(page, "txt").splitlines()[1] == "Please check the number and try again."
    assert json.loads(saved(page, "json"))[0]["end"] == 1.17

    page.reload()
    go_to(page, "hear")
    expect(page.locator("#hear-cues .cue-text").first).to_have_value(EDITED)
    page.locator("#hear-cues .cue-undo").click()
    expect(page.locator("#hear-cues .cue-warning").first).to_be_empty()
    assert said(page).startswith("The number you have dialed is not in service.")


def test_segments_come_while_it_listens_after_a_reload_too_and_stay_when_it_is_cancelled(
    open_page: Open, tmp_path: Path
) -> None:
    page = open_page("hear")
    begin_with(page, long_recording(tmp_path / "long.wav", 100))
    page.locator("#hear-cues .cue").first.wait_for()
    expect(page.locator("#hear-cancel")).to_be_visible()
    assert page.locator("#hear-cues .cue-text").first.get_attribute("readonly") is not None
    page.reload()
    go_to(page, "hear")
    page.locator("#hear-cues .cue").nth(1).wait_for()
    page.locator("#hear-cancel").click()
    page.locator("#hear-status p", has_text="Cancelled").wait_for()
    expect(page.locator("#hear-cues .cue-text").first).to_be_editable()
    assert "dialed" in saved(page, "srt")


def test_a_film_shows_its_subtitles(open_page: Open, tmp_path: Path) -> None:
    sound = read_audio(clip("not in service"))
    page = open_page("hear", "zh")
    begin_with(page, film(tmp_path / "film.mp4", 40, 8, sound=sound))
    page.locator("#hear-facts", has_text="英语").wait_for()
    assert said(page).startswith("The number you have dialed")
    shown = "document.querySelector('#hear-cues video').textTracks[0].cues"
    assert page.evaluate(f"[...{shown}].map(cue => cue.text)") == texts(page)


def test_speech_in_another_language_is_written_down_in_english(open_page: Open) -> None:
    page = open_page("hear")
    page.locator("#hear-task").get_by_text("In English").click()
    written_down(page, real_media.speech_clips("fr")[0].path)
    expect(page.locator("#hear-facts")).to_contain_text("French")
    assert "between you and the machine" in said(page)


def test_nothing_to_listen_to_is_said(open_page: Open) -> None:
    page = open_page("hear")
    page.locator("#hear-go").click()
    expect(page.locator("#hear-status [role=alert]")).to_contain_text("no recording")


def test_the_example_runs_with_one_click(open_page: Open) -> None:
    page = open_page("hear", narrow=True)
    begin(page, "hear", "#hear-example")
    wait_for_subtitles(page)
    assert "cup of coffee" in said(page)


def test_a_recording_is_made_through_the_page(browser: Browser, studio: str, tmp_path: Path) -> None:
    recording = long_recording(tmp_path / "voice.wav", 1)
    options = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    options.append(f"--use-file-for-fake-audio-capture={recording}%noloop")
    speaking = browser.browser_type.launch(executable_path=str(chromium()), args=options)
    try:
        page = speaking.new_page()
        page.set_default_timeout(LONG)
        page.goto(f"{studio}/studio/en/")
        page.get_by_role("tab").first.wait_for()
        go_to(page, "hear")
        page.locator("#hear-recording").get_by_role("button", name="Record").click()
        page.wait_for_timeout(6000)  # what is said lasts so long
        with page.expect_response(lambda answer: "/upload" in answer.url):  # it counts once it has been sent
            page.locator("#hear-recording").get_by_role("button", name="Stop").first.click()
        page.locator("#hear-recording").get_by_role("button", name="Play").first.wait_for()
        begin(page, "hear")
        wait_for_subtitles(page)
        assert "number you have dialed" in said(page)
    finally:
        speaking.close()
