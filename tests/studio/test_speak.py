"""Speaking on the page: heard while it is spoken, saved, and in the voice of a recording."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests import real_media
from tests.studio.conftest import Open, begin, go_to, put_in, wait_until_done
from tests.studio.test_hear import said, written_down

PLAYER = "document.querySelector('#speak-player audio')"
SENTENCE = "The train leaves from platform nine. A cup of coffee stands on a wooden table."


def speak(page: Page, text: str) -> str:
    page.locator("#speak-text textarea").fill(text)
    return begin(page, "speak")


def saved(page: Page, path: Path) -> Path:
    """Save the file of the speech."""
    with page.expect_download() as download:
        page.locator("#speak-player a").click()
    download.value.save_as(path)
    return path


def test_speech_plays_while_it_is_spoken_and_says_what_was_written(open_page: Open, tmp_path: Path) -> None:
    page = open_page("speak")
    job = speak(page, SENTENCE)
    page.wait_for_function(f"{PLAYER}.currentTime > 0 && {PLAYER}.src.includes('/studio/sound/')")
    wait_until_done(page, "speak", job)
    file = saved(page, tmp_path / "speech.mp3")

    page.reload()
    go_to(page, "speak")
    page.wait_for_function(f"{PLAYER}.duration > 3 && {PLAYER}.duration < 20")

    go_to(page, "hear")
    written_down(page, file)
    assert "cup of coffee" in said(page)


def test_a_file_that_cannot_grow_plays_when_it_is_done(open_page: Open, tmp_path: Path) -> None:
    page = open_page("speak", narrow=True)
    page.locator("#speak-format input").click()
    page.get_by_role("option", name="WAV").click()
    speak(page, "Good morning.")
    page.wait_for_function(f"{PLAYER}.currentTime > 0 && {PLAYER}.src.endsWith('.wav')")
    assert saved(page, tmp_path / "speech.wav").read_bytes()[:4] == b"RIFF"


def test_what_voice_there_is_can_be_chosen(open_page: Open) -> None:
    page = open_page("speak")
    page.locator("#speak-voice input").click()
    page.get_by_role("option", name="hibari").click()
    assert "hibari" in wait_until_done(page, "speak", speak(page, "Good morning."))


def test_long_speech_is_cancelled(open_page: Open) -> None:
    page = open_page("speak")
    speak(page, SENTENCE * 100)
    page.wait_for_function(f"{PLAYER}.currentTime > 0")
    page.locator("#speak-cancel").click()
    page.locator("#speak-status p", has_text="Cancelled").wait_for()


def test_no_voice_is_imitated_without_a_recording_consent_and_a_model_for_it(open_page: Open) -> None:
    page = open_page("speak")
    page.locator("#speak-text textarea").fill("Good morning.")
    page.locator("#speak-clone button").first.click()
    alert = page.locator("#speak-status [role=alert]")
    page.locator("#speak-clone-go").click()
    expect(alert).to_contain_text("no recording")

    page.locator("#speak-reference").get_by_role("button", name="Upload").click()
    put_in(page, "#speak-reference", real_media.speech_clips("en")[0].path, shown="button[aria-label=Play]")
    page.locator("#speak-clone-go").click()
    expect(alert).to_contain_text("agree")

    page.locator("#speak-consent").get_by_role("textbox").fill("I am the speaker")
    page.locator("#speak-clone-go").click()
    expect(alert).to_contain_text("csm-1b")


def test_the_example_runs_with_one_click(open_page: Open) -> None:
    page = open_page("speak", "zh")
    begin(page, "speak", "#speak-example")
    page.wait_for_function(f"{PLAYER}.currentTime > 0")
    expect(page.locator("#speak-facts")).to_contain_text("cup of coffee")
