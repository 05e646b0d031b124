"""Does the page answer a click while the machine paints and listens?

A server on the starter paints a long picture, which the page has started, and writes down a long recording. While both
are in progress, clicks are timed in the browser, from the click to the frame that shows the answer:

- the dice, whose number comes from the server;
- "Paint", from the click to the line that says that the new job waits. It is cancelled then.

It clicks until both jobs have come further; the note tells how far.

    python -m benchmarks.studio [--clicks 30]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.__main__ import table as as_table
from benchmarks.measure import quantile, row
from benchmarks.served import sensorium_serve
from sensorium.media.audio import read_audio
from tests.real_browser import chromium
from tests.real_media import speech_clips
from tests.sound_tracks import RATE, with_channels

AIM = 300
"""Milliseconds."""
PATIENCE = 120_000
ROUNDS = 60
"""How often it clicks at most until both jobs have come further."""
MINUTES, STEPS = 15, 1000
"""Of the recording and of the picture: longer than the clicks take."""

TIMED_CLICK = """
([button, shown, mark]) => new Promise((answer) => {
  const seen = () => { const place = document.querySelector(shown); return place?.value ?? place?.textContent ?? ""; };
  const before = seen(), begun = performance.now();
  const look = () => {
    const now = seen();
    if (mark ? now.includes(mark) : now !== before) answer(performance.now() - begun);
    else requestAnimationFrame(look);
  };
  document.querySelector(button).click();
  requestAnimationFrame(look);
})
"""
"""Clicks, and looks at each frame whether a text is there, or else whether anything has changed."""


def run(clicks: int = 30) -> list[dict[str, Any]]:
    """Measure."""
    with (
        tempfile.TemporaryDirectory() as place,
        sensorium_serve(Path(place) / "data") as (address, _),
        httpx2.Client(base_url=address, trust_env=False, timeout=60) as http,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(chromium()))
        painting, other = (_opened(browser.new_context().new_page(), address) for _ in range(2))
        jobs = [_begin_transcription(http, Path(place)), _begin_painting(painting, http)]
        before = [_in_progress(http, job) for job in jobs]
        dice: list[float] = []
        begun: list[float] = []
        after = before
        while len(dice) < clicks or (len(begun) < ROUNDS and not _further(before, after)):
            dice += [_timed(painting, "#paint-dice", "#paint-seed :is(input, textarea)") for _ in range(3)]
            begun.append(_begun_and_cancelled(other))
            after = [_progress(http, job) for job in jobs]
        browser.close()
        _cancel(http, jobs)
    note = "; ".join(_came(*each) for each in zip(("recording", "picture"), before, after, strict=True))
    return [
        row("a click on the dice of the page, a picture and a transcription in progress", _told(dice), note=note),
        row("a click on Paint, until the page says that the job waits, the same", _told(begun), note=note),
    ]


def _opened(page: Page, address: str) -> Page:
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/studio/en/")
    page.locator("#tab-paint-button").click()
    page.locator("#paint-prompt textarea").fill("a red house")
    return page


def _begin_transcription(http: httpx2.Client, folder: Path) -> str:
    clips = [read_audio(clip.path, sample_rate=RATE) for clip in speech_clips("en")]
    whole = np.resize(np.concatenate(clips), MINUTES * 60 * RATE)
    recording = with_channels(folder / "long.wav", [whole]).read_bytes()
    sent = http.post("/v1/sensorium/uploads?name=long.wav", content=recording).raise_for_status().json()
    job = http.post("/v1/sensorium/transcribe?background=true", json={"audio": f"upload:{sent['id']}"})
    return str(job.raise_for_status().json()["id"])


def _begin_painting(page: Page, http: httpx2.Client) -> str:
    page.get_by_text("Size, steps, model").click()
    page.get_by_label("Steps").fill(str(STEPS))
    page.locator("#paint-go").click()
    page.locator("#paint-status progress").wait_for()
    jobs = http.get("/v1/sensorium/jobs").raise_for_status().json()["jobs"]
    return next(str(job["id"]) for job in jobs if job["operation"] == "imagine")


def _in_progress(http: httpx2.Client, job: str) -> dict[str, Any]:
    """Return a job's progress as soon as it has made some."""
    while not (found := _progress(http, job)).get("done"):
        time.sleep(0.2)
    return found


def _progress(http: httpx2.Client, job: str) -> dict[str, Any]:
    """Return how far a running job is.

    Raises:
        RuntimeError: It has ended, so that nothing was measured beside it.
    """
    found = http.get(f"/v1/sensorium/jobs/{job}").raise_for_status().json()
    if found["state"] not in ("queued", "running"):
        raise RuntimeError(f"the job {found['operation']} is {found['state']} already: {found.get('error')}")
    return found.get("progress") or {}


def _further(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> bool:
    return all(now["done"] > then["done"] for then, now in zip(before, after, strict=True))


def _timed(page: Page, button: str, shown: str, mark: str = "") -> float:
    milliseconds = float(page.evaluate(TIMED_CLICK, [button, shown, mark]))
    page.wait_for_timeout(200)
    return milliseconds


def _begun_and_cancelled(page: Page) -> float:
    """Return what the click took that begins a job behind the one that runs."""
    took = _timed(page, "#paint-go", "#paint-status", "Waiting")
    page.locator("#paint-cancel").click()
    page.locator("#paint-status", has_text="Cancelled").wait_for()
    return took


def _cancel(http: httpx2.Client, jobs: Sequence[str]) -> None:
    for job in jobs:
        http.post(f"/v1/sensorium/jobs/{job}/cancel").raise_for_status()


def _told(times: Sequence[float]) -> str:
    within = sum(each <= AIM for each in times)
    half = quantile(times, 0.5)
    return f"median {half:.0f} ms, at most {max(times):.0f} ms; {within} of {len(times)} within {AIM} ms"


def _came(what: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    of = f" of {after['total']:.0f}" if after["total"] else ""
    return f"{what}: from {before['done']:.0f} to {after['done']:.0f}{of} {after['unit']}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studio")
    parser.add_argument("--clicks", type=int, default=30)
    print(as_table(run(parser.parse_args().clicks)))
