"""Painting on the page."""

from __future__ import annotations

import io
from pathlib import Path

import PIL.Image
import PIL.ImageChops
from playwright.sync_api import Page, expect

from tests import real_media
from tests.studio.conftest import Open, begin, go_to, put_in, wait_until_done


def painted(page: Page) -> PIL.Image.Image:
    """Return the first picture of the gallery."""
    picture = page.locator("#paint-gallery img").first
    picture.wait_for()
    data = page.request.get(picture.get_attribute("src") or "").body()
    return PIL.Image.open(io.BytesIO(data)).convert("RGB")


def paint(page: Page, prompt: str, seed: int) -> PIL.Image.Image:
    page.locator("#paint-prompt textarea").fill(prompt)
    page.locator("#paint-seed input, #paint-seed textarea").fill(str(seed))
    begin_and_wait(page)
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
    go_to(page, "paint")
    wait_until_done(page, "paint")
    assert painted(page).tobytes() == first.tobytes()


def files_of_gallery(page: Page) -> list[PIL.Image.Image]:
    """Return all pictures of the gallery."""
    pictures = page.locator("#paint-gallery .grid-container img, #paint-gallery .thumbnail-lg img").all()
    data = [page.request.get(each.get_attribute("src") or "").body() for each in pictures]
    return [PIL.Image.open(io.BytesIO(each)).convert("RGB") for each in data]


def begin_and_wait(page: Page) -> None:
    wait_until_done(page, "paint", begin(page, "paint"))
    page.wait_for_timeout(500)


def cat_file(folder: Path) -> Path:
    with PIL.Image.open(real_media.photo("chelsea")) as cat:
        cat.convert("RGB").resize((128, 128)).save(folder / "cat.png")
    return folder / "cat.png"


def drop_to_be_read(page: Page, file: Path) -> None:
    """Put a file into the field for pictures that shall be read."""
    with page.expect_file_chooser() as chooser:
        page.locator("#paint-read button[aria-dropeffect]").click()
    chooser.value.set_files(file)


def test_settings_come_back_with_a_click_and_from_a_file(open_page: Open, tmp_path: Path) -> None:
    page = open_page("paint")
    paint(page, "a red house", 11)
    picture = page.request.get(page.locator("#paint-gallery img").first.get_attribute("src") or "").body()
    (tmp_path / "house.png").write_bytes(picture)
    prompt, seed = page.locator("#paint-prompt textarea"), page.locator("#paint-seed :is(input, textarea)")
    prompt.fill("something else")
    seed.fill("")
    expect(page.locator("#paint-settings")).to_contain_text("painter-starter")
    page.locator("#paint-gallery img").first.click()
    page.locator("#paint-use").click()
    expect(prompt).to_have_value("a red house")
    expect(seed).to_have_value("11")
    page.reload()
    go_to(page, "paint")
    page.get_by_role("button", name="Read how a picture was made").click()
    drop_to_be_read(page, tmp_path / "house.png")
    expect(prompt).to_have_value("a red house")
    expect(seed).to_have_value("11")
    page.locator("#paint-read button[aria-label*='lear'], #paint-read button[aria-label*='emove']").first.click()
    drop_to_be_read(page, cat_file(tmp_path))
    expect(page.locator("#paint-read-told [role=alert]")).to_contain_text("cat.png")


def test_the_prompt_is_counted_while_it_is_written(open_page: Open) -> None:
    page = open_page("paint")
    page.locator("#paint-prompt textarea").fill("a red house")
    expect(page.locator("#paint-tokens")).to_contain_text("3 of", timeout=60_000)
    page.locator("#paint-prompt textarea").fill("a red house " * 60 + "zebra")
    expect(page.locator("#paint-tokens")).to_contain_text("zebra", timeout=60_000)


def test_a_picture_is_repainted(open_page: Open, tmp_path: Path) -> None:
    page = open_page("paint")
    page.locator("#paint-prompt textarea").fill("a red house")
    page.get_by_label("a picture", exact=True).check()
    page.locator("#paint-go").click()
    expect(page.locator("#paint-status [role=alert]")).to_contain_text("no picture")
    put_in(page, "#paint-picture", cat_file(tmp_path))
    begin_and_wait(page)
    (made,) = files_of_gallery(page)
    assert made.width == made.height


def test_only_what_is_marked_changes(open_page: Open, tmp_path: Path) -> None:
    page = open_page("paint")
    page.locator("#paint-prompt textarea").fill("a red house")
    page.get_by_label("a part of a picture").check()
    canvas = page.locator("#paint-marked canvas").first
    canvas.wait_for()  # earlier, its field takes a picture that it then can't draw
    page.locator("#paint-marked").get_by_role("button", name="Upload").last.wait_for()
    put_in(page, "#paint-marked", cat_file(tmp_path), shown="[aria-label='Brush Size']")
    page.wait_for_timeout(1500)
    page.locator("#paint-go").click()
    expect(page.locator("#paint-status [role=alert]")).to_contain_text("Nothing is marked")
    box = canvas.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.locator("#paint-marked button[aria-label*='rush'], #paint-marked button[title*='rush']").first.click()
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 30, middle[1] + 20, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1000)
    begin_and_wait(page)
    (made,) = files_of_gallery(page)
    with PIL.Image.open(tmp_path / "cat.png") as cat:
        before = cat.convert("RGB").resize(made.size)
    corner = PIL.ImageChops.difference(made.crop((0, 0, 8, 8)), before.crop((0, 0, 8, 8)))
    assert max(value for _, value in corner.getextrema()) < 24
    assert made.tobytes() != before.tobytes()


def test_the_layout_of_a_picture_is_followed_with_its_map_beside(open_page: Open, tmp_path: Path) -> None:
    page = open_page("paint")
    page.locator("#paint-prompt textarea").fill("a red house")
    page.get_by_label("the layout of a picture").check()
    put_in(page, "#paint-layout", cat_file(tmp_path))
    begin_and_wait(page)
    _, drawn = files_of_gallery(page)
    assert {pixel for pixel in drawn.convert("L").getdata() if pixel in (0, 255)} == {0, 255}
    expect(page.locator("#paint-gallery")).to_contain_text("followed: canny")


def test_earlier_pictures_are_opened_again(open_page: Open) -> None:
    page = open_page("paint")
    first = paint(page, "a red house", 21)
    paint(page, "a blue boat", 22)
    shown = page.locator("#paint-gallery img").first.get_attribute("src")
    page.get_by_role("button", name="Painted before").click()
    page.locator("#paint-refresh").click()
    page.wait_for_timeout(1500)
    page.locator("#paint-earlier img").nth(1).click()
    expect(page.locator("#paint-gallery img").first).not_to_have_attribute("src", shown or "", timeout=60_000)
    assert painted(page).tobytes() == first.tobytes()
