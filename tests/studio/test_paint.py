"""Painting on the page."""

from __future__ import annotations

import io

import PIL.Image
from playwright.sync_api import Page

from tests.studio.conftest import Open, wait_until_done


def painted(page: Page) -> PIL.Image.Image:
    """Return the first picture of the gallery."""
    picture = page.locator("#paint-gallery img").first
    picture.wait_for()
    data = page.request.get(picture.get_attribute("src") or "").body()
    return PIL.Image.open(io.BytesIO(data)).convert("RGB")


def paint(page: Page, prompt: str, seed: int) -> PIL.Image.Image:
    page.locator("#paint-prompt textarea").fill(prompt)
    page.locator("#paint-seed input, #paint-seed textarea").fill(str(seed))
    page.locator("#paint-go").click()
    page.locator("#paint-cancel").wait_for()
    wait_until_done(page, "paint")
    page.wait_for_timeout(500)
    return painted(page)


def test_a_picture_follows_its_prompt_and_its_seed(open_page: Open) -> None:
    page = open_page("paint")
    first = paint(page, "a red house", 7)
    assert paint(page, "a red house", 7).tobytes() == first.tobytes()
    assert paint(page, "a blue boat", 7).tobytes() != first.tobytes()


def test_a_reload_finds_the_picture_again(open_page: Open) -> None:
    page = open_page("paint")
    first = paint(page, "a red house", 7)
    page.reload()
    wait_until_done(page, "paint")
    assert painted(page).tobytes() == first.tobytes()
