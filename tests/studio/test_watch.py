"""Watching on the page: a film, what it is about, and moments that play."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.studio.conftest import Open, begin, go_to, wait_until_done

VIDEO = "document.querySelector('#watch-film video')"


def try_example(page: Page) -> None:
    wait_until_done(page, "watch", begin(page, "watch", "#watch-example"))
    page.locator("#watch-film video").wait_for()


def play_from(page: Page, number: int) -> float:
    """Click a moment of the list; return the second at which the film plays."""
    page.locator("#watch-answer .moments button").nth(number).click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0 && !{VIDEO}.seeking")
    second: float = page.evaluate(f"{VIDEO}.currentTime")
    page.evaluate(f"{VIDEO}.pause()")
    return second


def test_a_film_is_described_and_plays_from_its_moments_after_a_reload_too(open_page: Open) -> None:
    page = open_page("watch")
    try_example(page)
    answer = page.locator("#watch-answer")
    expect(answer).to_contain_text("cat")
    expect(answer).to_contain_text("rocket")
    last = page.locator("#watch-answer .moments button").last
    begins = float(last.get_attribute("data-seek") or "0")
    assert begins > 3
    assert begins <= play_from(page, page.locator("#watch-answer .moments button").count() - 1) < begins + 3
    page.reload()
    go_to(page, "watch")
    wait_until_done(page, "watch")
    page.locator("#watch-film video").wait_for()
    assert begins <= play_from(page, page.locator("#watch-answer .moments button").count() - 1) < begins + 3


def test_what_is_asked_found_and_looked_for(open_page: Open) -> None:
    page = open_page("watch")
    try_example(page)
    page.locator("#watch-ask").click()
    expect(page.locator("#watch-status [role=alert]")).to_contain_text("question is empty")
    page.locator("#watch-question textarea, #watch-question input").fill("a cup of coffee")
    page.locator("#watch-find").click()
    found = page.locator("#watch-answer .moments li").first
    expect(found).to_contain_text("a cup of coffee", timeout=120_000)
    assert 2 < float(found.locator("button").get_attribute("data-seek") or "0") < 7
    page.get_by_text("Look for what a policy names").click()
    page.locator("#watch-moderate").click()
    expect(page.locator("#watch-answer")).to_contain_text("Nothing was marked", timeout=120_000)
    expect(page.locator("#watch-answer .moments")).to_contain_text("weapons")
    page.locator("#watch-subtitle").click()
    expect(page.locator("#watch-answer .moments")).to_contain_text("rocket waits", timeout=120_000)
    expect(page.locator("#watch-film track")).to_have_count(1)
