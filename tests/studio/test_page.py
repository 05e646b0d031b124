"""What holds for the whole page: languages, other devices, reloads, restarts, keyboards, readers of screens."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

import sensorium.studio
from sensorium.studio.page import TABS
from sensorium.studio.wording import LANGUAGES, Wording, preferred_language
from tests.server.conftest import served
from tests.studio.conftest import LONG, Open, begin, go_to, wait_until_done

SOURCE = Path(sensorium.studio.__file__).parent


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9", "en"),
        ("fr,zh;q=0.3,en;q=0.5", "en"),
        ("fr", "en"),
        ("", "en"),
        ("zh;q=x,zh", "zh"),
    ],
)
def test_a_browser_gets_its_language(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


def test_each_text_is_there_in_each_language_and_used() -> None:
    english, *others = (Wording(language)._words for language in LANGUAGES)
    for words in others:
        assert words.keys() == english.keys()
        for key, text in words.items():
            assert set(re.findall(r"{(\w+)", text)) == set(re.findall(r"{(\w+)", english[key])), key
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    literal = set(re.findall(r'"([a-z]+\.[a-z_0-9]+)"', code)) - {path.name for path in SOURCE.rglob("*.js")}
    begun = set(re.findall(r'f"([a-z]+\.[a-z_]*){', code))
    unused = [key for key in english if key not in literal and not any(key.startswith(each) for each in begun)]
    assert unused == []
    assert [key for key in literal if key.split(".")[0] in {"page", "job", *TABS} and key not in english] == []


def test_the_page_leads_to_its_language_and_to_the_other(studio: str, open_page: Open) -> None:
    sent = {"accept-language": "zh-CN"}
    assert httpx2.get(f"{studio}/studio", headers=sent, trust_env=False).headers["location"] == "/studio/zh/"
    page = open_page("paint", "zh")
    expect(page.locator("#paint-go")).to_have_text("绘画")
    page.get_by_role("link", name="English").click()
    page.wait_for_url("**/studio/en/")
    go_to(page, "paint")
    expect(page.locator("#paint-go")).to_have_text("Paint")


def begin_long_painting(page: Page) -> None:
    """Start a job that would take minutes."""
    page.locator("#paint-prompt textarea").fill("a red house")
    page.get_by_text("Size, steps, model").click()
    page.get_by_label("Steps").fill("900")
    begin(page, "paint")
    page.locator("#paint-status progress").wait_for()


def test_a_reload_and_another_device_find_a_running_job_and_cancel_it(open_page: Open) -> None:
    page = open_page("paint")
    begin_long_painting(page)
    page.reload()
    go_to(page, "paint")
    page.locator("#paint-status progress").wait_for()
    other = open_page("paint")
    other.locator("#paint-status progress").wait_for()
    other.locator("#paint-cancel").click()
    for each in (other, page):
        each.locator("#paint-status", has_text="Cancelled").wait_for()


def test_a_server_that_restarts_goes_on_with_a_job(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.set_default_timeout(LONG)
    try:
        with served(tmp_path / "data") as (address, server):
            page.goto(f"{address}/studio/en/")
            go_to(page, "paint")
            page.locator("#paint-prompt textarea").fill("a red house")
            page.get_by_text("Size, steps, model").click()
            page.get_by_label("Steps").fill("150")
            begin(page, "paint")
            page.locator("#paint-status progress").wait_for()
            end(server)
        port = address.rpartition(":")[2]
        with served(tmp_path / "data", "--port", port) as (again, _):
            assert again == address
            page.reload()
            go_to(page, "paint")
            wait_until_done(page, "paint")
            page.locator("#paint-gallery img").first.wait_for()
    finally:
        page.close()


def end(server: subprocess.Popen[str]) -> None:
    server.terminate()
    server.wait(60)


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_on_a_tab_keeps_anybody_out(open_page: Open, tab: str, dark: bool) -> None:
    page = open_page(tab, dark=dark)
    parts = page.locator("[role=tabpanel]:visible [role=tab]:visible").all()
    for part in parts or [None]:
        if part is not None:
            part.click()
        page.wait_for_timeout(500)
        assert serious_findings(page) == []


def serious_findings(page: Page) -> list[str]:
    """Return what axe finds of what is shown that keeps people out."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def reach(page: Page, name: str) -> None:
    """Press Tab until something with an id has the focus."""
    for _ in range(150):
        if page.evaluate("document.activeElement.id") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard doesn't lead to {name}")


@pytest.mark.parametrize(
    ("tab", "button", "panel"),
    [
        ("see", "see-classify-example", "see-classify"),
        ("paint", "paint-example", "paint"),
        ("hear", "hear-example", "hear"),
        ("speak", "speak-example", "speak"),
        ("watch", "watch-example", "watch"),
    ],
)
def test_a_job_of_each_sense_is_done_with_the_keyboard_alone(
    open_page: Open, tab: str, button: str, panel: str
) -> None:
    page = open_page("machine")
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    reach(page, f"tab-{tab}-button")
    page.keyboard.press("Enter")
    page.locator(f"#{button}").wait_for()
    reach(page, button)
    wait_until_done(page, panel, begin(page, panel, press="Enter"))


def test_a_prompt_is_typed_and_painted_with_the_keyboard_alone(open_page: Open) -> None:
    page = open_page("paint")
    page.locator("#paint-prompt textarea").focus()
    page.keyboard.type("a red house")
    reach(page, "paint-go")
    wait_until_done(page, "paint", begin(page, "paint", press="Enter"))
    page.locator("#paint-gallery img").first.wait_for()
