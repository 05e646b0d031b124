"""Seeing on the page: labels, searches, captions and conversations, by what they say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests import real_media
from tests.studio.conftest import Open, begin, named, put_in, wait_until_done


def part(page: Page, name: str) -> None:
    page.locator(f"#tab-see-{name}-button").click()


def card(page: Page, results: str, title: str) -> Locator:
    return page.locator(f"#{results} .card", has=page.locator("h3", has_text=title))


def said(page: Page) -> list[str]:
    """Return what both sides have said."""
    return [text.strip() for text in page.locator("#see-chat li p").all_inner_texts()]


def test_each_of_many_pictures_gets_its_label_and_a_reload_finds_them(open_page: Open) -> None:
    page = open_page("see")
    cat, coffee = real_media.photo("chelsea"), real_media.photo("coffee")
    put_in(page, "#see-classify-pictures", cat, coffee, count=2)
    page.locator("#see-labels textarea").fill("a cat, a cup of coffee，a rocket")
    wait_until_done(page, "see-classify", begin(page, "see-classify"))
    for again in (False, True):
        if again:
            page.reload()
        for picture, label in ((cat, "a cat"), (coffee, "a cup of coffee")):
            found = card(page, "see-classify-results", picture.name)
            expect(found.locator(".bars li").first.locator("span").first).to_have_text(label)
    assert (
        page.locator("#see-classify-results img").first.evaluate("each => each.decode().then(() => each.naturalWidth)")
        > 100
    )


def test_what_is_missing_is_said_in_one_sentence(open_page: Open) -> None:
    page = open_page("see", "zh")
    page.locator("#see-classify-go").click()
    expect(page.locator("#see-classify-status [role=alert]")).to_contain_text("还没有标签")


def test_a_picture_is_described_and_asked_about(open_page: Open) -> None:
    page = open_page("see")
    part(page, "ask")
    put_in(page, "#see-ask-pictures", real_media.photo("astronaut"))
    wait_until_done(page, "see-ask", begin(page, "see-ask"))
    expect(card(page, "see-ask-results", "astronaut")).to_contain_text("person")
    page.locator("#see-question textarea").fill("How many people are there?")
    wait_until_done(page, "see-ask", begin(page, "see-ask"))
    expect(card(page, "see-ask-results", "astronaut")).to_contain_text("How many people are there?")
    expect(card(page, "see-ask-results", "astronaut")).to_contain_text("one", ignore_case=True)


def test_what_is_written_is_read(open_page: Open) -> None:
    page = open_page("see")
    part(page, "read")
    wait_until_done(page, "see-read", begin(page, "see-read", "#see-read-example"))
    expect(card(page, "see-read-results", "receipt.png")).to_contain_text("TOTAL", ignore_case=True)
    cat = real_media.photo("chelsea")
    put_in(page, "#see-read-pictures", cat)
    wait_until_done(page, "see-read", begin(page, "see-read"))
    expect(card(page, "see-read-results", cat.name)).to_contain_text("Nothing is written there")


def test_a_search_finds_a_picture_by_words_and_a_moment_of_a_film_that_plays_from_there(open_page: Open) -> None:
    page = open_page("see")
    part(page, "search")
    wait_until_done(page, "see-search", begin(page, "see-search", "#see-search-example"))
    titles = page.locator("#see-search-results h3")
    expect(titles).to_have_count(7)
    assert set(titles.all_inner_texts()[:2]) == {"coffee.png", "film.mp4"}
    film = page.locator("#see-search-results video")
    found = float(film.get_attribute("src").partition("#t=")[2])  # type: ignore[union-attr]
    assert found > 0
    film.evaluate("film => { film.muted = true; return film.play(); }")
    page.wait_for_function(f"document.querySelector('#see-search-results video').currentTime > {found}")
    page.locator("#see-by-picture button").first.click()
    rocket = real_media.photo("rocket")
    put_in(page, "#see-query-picture", rocket, shown=named(rocket))
    page.locator("#see-query textarea, #see-query input").fill("")
    begin(page, "see-search")
    expect(titles.first).to_have_text("rocket.jpg")


def test_all_pictures_of_a_folder_are_indexed(open_page: Open, tmp_path: Path) -> None:
    for name in ("chelsea", "coffee"):
        shutil.copy(real_media.photo(name), tmp_path)
    (tmp_path / "notes.txt").write_text("not a picture")
    page = open_page("see")
    part(page, "search")
    page.get_by_text("Options of the index").click()
    page.locator("#see-index-name textarea, #see-index-name input").fill("folder")
    with page.expect_file_chooser() as chooser:
        page.locator("#see-index-folder").click()
    chooser.value.set_files(tmp_path)
    page.locator("#see-index-files td[aria-label]").nth(1).wait_for()
    wait_until_done(page, "see-index", begin(page, "see-index"))
    expect(page.locator("#see-index-results")).to_contain_text("2 were added")


def test_an_index_that_is_being_built_is_found_after_a_reload_and_cancelled(open_page: Open) -> None:
    page = open_page("see")
    part(page, "search")
    film = real_media.film("vtest")
    put_in(page, "#see-index-files", film, shown=named(film))
    page.get_by_text("Options of the index").click()
    page.locator("#see-every input[type=number]").fill("0.5")
    page.locator("#see-index-name textarea, #see-index-name input").fill("slow")
    begin(page, "see-index")
    page.reload()
    part(page, "search")
    page.locator("#see-index-cancel").click()
    expect(page.locator("#see-index-status")).to_contain_text("Cancelled")


def test_a_conversation_is_streamed_branched_and_saved(open_page: Open, tmp_path: Path) -> None:
    page = open_page("see")
    part(page, "chat")
    wait_until_done(page, "see-chat", begin(page, "see-chat", "#see-chat-example"))
    first = said(page)
    assert "daisy" in first[1]
    page.locator("#see-say textarea").fill("Is it a cat?")
    page.locator("#see-say textarea").focus()
    wait_until_done(page, "see-chat", begin(page, "see-chat", press="Enter"))
    expect(page.locator("#see-chat li.assistant p")).to_have_count(2)
    assert said(page)[:3] == [*first, "Is it a cat?"]
    assert "no cat" in said(page)[3]
    expect(page.locator("#see-say textarea")).to_have_value("")

    page.locator("#see-chat button[data-turn='2']").click()
    expect(page.locator("#see-changed textarea")).to_have_value("Is it a cat?")
    page.locator("#see-changed textarea").fill("What color is it?")
    wait_until_done(page, "see-chat", begin(page, "see-chat", "#see-instead"))
    expect(page.locator("#see-chat")).not_to_contain_text("Is it a cat?")
    other = said(page)
    assert other[:3] == [*first, "What color is it?"]
    with page.expect_download() as saved:
        page.locator("#see-chat-json").click()
    document = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert [message["role"] for message in document["messages"]] == ["user", "assistant"] * 2
    assert document["messages"][3]["content"] == other[3]
    assert list(document["pictures"].values()) == ["flower.jpg"]
    with page.expect_download() as saved:
        page.locator("#see-chat-markdown").click()
    assert "*Picture: flower.jpg*" in Path(saved.value.path()).read_text(encoding="utf-8")

    page.locator("#see-branches input").click()
    page.get_by_role("option", name="Is it a cat? (2)").click()
    expect(page.locator("#see-chat")).to_contain_text("no cat")
