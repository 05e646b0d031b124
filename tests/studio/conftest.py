"""A server with the page, and a real browser that opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as NotShownError

from sensorium.studio.wording import Wording
from tests.real_browser import chromium
from tests.server.conftest import served

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LONG = 120_000
"""Milliseconds that a job of the starter may take on a busy machine."""

expect.set_options(timeout=LONG)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Not for all tests: while Playwright is there, no other test can run an event loop of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium()))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose page all tests share."""
    with served(tmp_path_factory.mktemp("studio") / "data") as (address, _):
        yield address


@pytest.fixture
def open_page(browser: Browser, studio: str) -> Iterator[Open]:
    """Opens the page in a browser of its own; at the end, nothing was asked of other machines and nothing failed."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def opened(tab: str = "paint", language: str = "en", *, narrow: bool = False, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport=NARROW if narrow else WIDE,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "response",
            lambda answer: problems.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )
        page.on("request", lambda sent: problems.append(sent.url) if _is_elsewhere(sent.url, studio) else None)
        page.goto(f"{studio}/studio/{language}/")
        page.get_by_role("tab").first.wait_for()
        go_to(page, tab)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def go_to(page: Page, tab: str) -> None:
    """Open a tab by its name in the code; on a narrow page it may be in the menu of those that don't fit."""
    page.get_by_role("tab").first.wait_for()
    button = page.locator(f"#tab-{tab}-button")
    if not button.is_visible():
        page.get_by_role("button", name="More tabs").or_(page.locator(".overflow-menu > button")).first.click()
        # What doesn't fit has no name in the code there: only its words.
        words = Wording("zh" if "/zh/" in page.url else "en")
        page.locator(f".overflow-dropdown button:has-text('{words(f'page.{tab}')}')").click()
    else:
        button.click()


def begin(page: Page, panel: str, button: str = "", *, press: str = "") -> str:
    """Start a job of a panel; return its id as soon as the page shows where it stands.

    Args:
        page: The page.
        panel: The panel's name.
        button: What is clicked; the panel's main button unless told.
        press: A key that is pressed instead of a click, on what has the focus.
    """
    line = page.locator(f"#{panel}-status :is([data-job], [role=alert])").first
    line.wait_for(state="attached")  # the page has found out by then what there was before
    before = line.get_attribute("data-job") or ""
    if press:
        page.keyboard.press(press)
    else:
        page.locator(button or f"#{panel}-go").click()
    shown = page.locator(f"#{panel}-status [data-job]:not([data-job='{before}'], [data-job=''])")
    shown.wait_for(state="attached")
    return shown.get_attribute("data-job") or ""


def wait_until_done(page: Page, panel: str, job: str | None = None) -> str:
    """Wait until the job of a panel is done, whichever it is unless told; return its line."""
    which = "" if job is None else f"[data-job='{job}'] "
    line = page.locator(f"#{panel}-status {which}p[role=status]", has_text="Done")
    line.wait_for()
    return line.text_content() or ""


def _is_elsewhere(url: str, studio: str) -> bool:
    return not url.startswith((studio, "data:", "blob:", "about:"))


def put_in(page: Page, selector: str, *files: Path, shown: str = "img", count: int = 1) -> None:
    """Put files into a field for files, and wait until they are shown.

    Args:
        page: The page.
        selector: Of the field.
        files: The files.
        shown: What the field shows then, as a selector inside of it.
        count: How many of these.
    """
    for _ in range(6):  # a field that is drawn anew just then loses what is put into it
        page.locator(f"{selector} input[type=file]").set_input_files([str(file) for file in files])
        with suppress(NotShownError):
            page.locator(f"{selector} {shown}").nth(count - 1).wait_for(timeout=20_000)
            return
    raise AssertionError(f"{selector} doesn't show {shown}")


def named(file: Path) -> str:
    """Return the selector under which a field for any files shows a file."""
    return f"td[aria-label='{file.name}']"
