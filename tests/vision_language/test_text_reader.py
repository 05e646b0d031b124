"""Reading on photographs of print, and on drawn writing."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import PIL.Image
import PIL.ImageChops
import PIL.ImageDraw
import PIL.ImageFilter
import PIL.ImageFont
import pytest

from sensorium import TextReader
from sensorium.errors import CancelledError, InputError, UnsupportedError
from sensorium.media.image import read_image
from sensorium.progress import Progress
from sensorium.vision_language.pp_ocr.text_boxes import text_boxes
from sensorium.vision_language.writing import Writing
from tests import real_media

WITHOUT_WRITING = ("chelsea", "coffee", "coins", "flower", "squirrel")

PAGES = {
    # Lu Xun, 1921
    "Chinese, simplified": """
我冒了严寒，回到相隔二千余里，别了二十余年的故乡去。时候既然是深冬；渐近故乡时，天气又阴晦了，冷风吹进船舱中，呜呜的响，
从篷隙向外一望，苍黄的天底下，远近横着几个萧索的荒村，没有一些活气。我的心禁不住悲凉起来了。""",
    # Tao Yuanming, 421
    "Chinese, traditional": """
晉太元中，武陵人捕魚為業。緣溪行，忘路之遠近。忽逢桃花林，夾岸數百步，中無雜樹，芳草鮮美，落英繽紛。漁人甚異之，復前行，
欲窮其林。林盡水源，便得一山，山有小口，彷彿若有光。便捨船，從口入。初極狹，才通人。復行數十步，豁然開朗。""",
    # Natsume Soseki, 1905
    "Japanese": """
吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは
記憶している。吾輩はここで始めて人間というものを見た。しかもあとで聞くとそれは書生という人間中で一番獰悪な種族であったそうだ。""",
}


@pytest.fixture(scope="module")
def reader() -> Iterator[TextReader]:
    with TextReader() as loaded:
        yield loaded


def drawn(*texts: tuple[tuple[int, int], str], size: tuple[int, int], letters: int = 30) -> PIL.Image.Image:
    """Return a white picture with black texts at some places."""
    image = PIL.Image.new("RGB", size, "white")
    draw = PIL.ImageDraw.Draw(image)
    for place, text in texts:
        draw.text(place, text, fill="black", font=PIL.ImageFont.load_default(letters))
    return image


def two_columns() -> PIL.Image.Image:
    sentence = "the quick brown fox jumps over dogs"
    texts = [
        ((30 + 480 * column, 90 + 40 * row), f"{'LR'[column]}{row + 1} {sentence}")
        for column in (0, 1)
        for row in range(8)
    ]
    return drawn(((200, 15), "A title across the page"), *texts, size=(960, 440), letters=20)


def as_if_photographed(text: str) -> PIL.Image.Image:
    """Return a page of 20 characters a row: a little turned and blurred, with noise, darker at its right."""
    rows = [text[start : start + 20] for start in range(0, len(text), 20)]
    page = PIL.Image.new("RGB", (680, 80 + 48 * len(rows)), "white")
    font = PIL.ImageFont.truetype(real_media.chinese_font(), 30)
    for number, row in enumerate(rows):
        PIL.ImageDraw.Draw(page).text((40, 40 + 48 * number), row, fill="black", font=font)
    turned = page.rotate(2, expand=True, fillcolor="white", resample=PIL.Image.Resampling.BICUBIC)
    pixels = np.asarray(turned.filter(PIL.ImageFilter.GaussianBlur(1)), np.float32)
    noise = np.random.default_rng(0).normal(0, 8, (*pixels.shape[:2], 1))
    lit = pixels * np.linspace(1, 0.5, pixels.shape[1])[None, :, None] + noise
    return PIL.Image.fromarray(lit.clip(0, 255).astype(np.uint8))


def characters_wrong(expected: str, found: str) -> float:
    return float(jiwer.cer(" ".join(expected.split()), " ".join(found.split())))


@pytest.mark.parametrize("name", ["page", "level", "slanted", "linux"])
def test_print_and_hand_are_read(reader: TextReader, name: str, measured: Callable[[str], None]) -> None:
    path, expected = real_media.writing(name)
    found = reader.read(path)
    wrong = characters_wrong(
        expected.casefold(), found.text.splitlines()[0].casefold() if name == "linux" else found.text.casefold()
    )
    measured(f"pp-ocrv6-small on {name!r}: {wrong:.3f} of the characters wrong")
    assert wrong < 0.05
    assert all(line.confidence > 0.5 for line in found.lines)


@pytest.mark.parametrize("language", PAGES)
def test_chinese_and_japanese_are_read(reader: TextReader, language: str, measured: Callable[[str], None]) -> None:
    text = "".join(PAGES[language].split())
    found = "".join(reader.read(as_if_photographed(text)).text.split())
    # Full and half width are the same character to a reader.
    wrong = float(jiwer.cer(*(unicodedata.normalize("NFKC", each) for each in (text, found))))
    measured(f"pp-ocrv6-small on a page of print in {language}: {wrong:.3f} of {len(text)} characters wrong")
    assert wrong < 0.03


def test_a_page_on_its_side_is_read_all_the_same(reader: TextReader) -> None:
    path, _ = real_media.writing("biscuits")
    image = PIL.Image.open(path)
    for turned in (image, image.rotate(180), image.rotate(-90, expand=True)):
        words = reader.read(turned).text.upper().replace(" ", "")
        assert all(word in words for word in ("PANDUCALE", "CRISPALMONDCOOKIES", "CANTUCCINI")), words


@pytest.mark.parametrize("turn", [7, 270])
def test_columns_are_read_one_after_the_other_however_the_page_lies(reader: TextReader, turn: int) -> None:
    page = two_columns().rotate(turn, expand=True, fillcolor="white", resample=PIL.Image.Resampling.BICUBIC)
    starts = [line.split()[0] for line in reader.read(page).text.splitlines()]
    assert starts == ["A", *(f"{column}{row}" for column in "LR" for row in range(1, 9))]


def test_a_receipt_is_read_row_by_row(reader: TextReader) -> None:
    rows = [("Milk", "1.20"), ("Coffee beans", "8.90"), ("TOTAL", "10.10")]
    texts = [((x, 30 + 60 * row), pair[side]) for row, pair in enumerate(rows) for side, x in enumerate((30, 350))]
    assert reader.read(drawn(*texts, size=(480, 220))).text.splitlines() == [" ".join(row) for row in rows]


def test_boxes_lie_around_the_writing_and_begin_at_its_top_left(reader: TextReader) -> None:
    image = drawn(((100, 60), "Hello World"), size=(500, 200))
    (line,) = reader.read(image).lines
    (left, top), (right, _), (_, bottom), _ = line.box
    assert 85 < left < 105
    assert 50 < top < 72
    assert 85 < bottom < 110
    assert 240 < right < 300
    (turned,) = reader.read(image.rotate(180)).lines
    assert (turned.text, line.text) == ("Hello World", "Hello World")
    assert np.allclose(np.array([500, 200]) - turned.box, line.box, atol=5)


def test_white_on_black_and_a_thin_strip(reader: TextReader) -> None:
    sign = PIL.ImageChops.invert(drawn(((40, 50), "EXIT"), size=(300, 200), letters=80))
    strip = drawn(((2, 1), "one thin line of text"), size=(220, 20), letters=14)
    assert [found.text for found in reader.read([sign, strip])] == ["EXIT", "one thin line of text"]


def test_small_writing_in_a_big_picture_and_in_a_panorama(reader: TextReader) -> None:
    photo = read_image(real_media.photo("coffee"))
    for size, place in (((4000, 3000), (2900, 200)), ((20_000, 500), (15_000, 100))):
        image = photo.resize(size)
        PIL.ImageDraw.Draw(image).text(place, "small writing 12345", font=PIL.ImageFont.load_default(90))
        (line,) = reader.read(image).lines
        assert line.text == "small writing 12345"
        assert np.allclose(line.box[0], np.array(place), atol=60)


def test_nothing_is_written_in_most_pictures(reader: TextReader) -> None:
    for name in WITHOUT_WRITING:
        found = reader.read(real_media.photo(name))
        assert (found.text, found.lines) == ("", ()), name
    for size in ((1, 1), (1, 60_000), (3000, 2)):
        assert reader.read(PIL.Image.new("RGB", size, "white")).lines == ()


def test_a_glance_shows_clear_writing(reader: TextReader, measured: Callable[[str], None]) -> None:
    assert all(reader.shows_writing(real_media.writing(name)[0]) for name in ("page", "biscuits", "linux"))
    shown = [
        name for name in (*WITHOUT_WRITING, "china", "building", "dog") if reader.shows_writing(real_media.photo(name))
    ]
    measured(f"a glance takes {', '.join(shown) or 'none'} of eight photographs without writing for written ones")
    assert len(shown) < 4


def test_a_list_with_progress_and_cancel(reader: TextReader, tmp_path: Path) -> None:
    told: list[Progress] = []
    page, photo = real_media.writing("linux")[0], real_media.photo("chelsea")
    found = reader.read([page, photo], progress=lambda event: told.append(event))
    assert [bool(each.lines) for each in found] == [True, False]
    assert [(event.done, event.total) for event in told] == [(0, 2), (1, 2), (2, 2)]
    assert reader.read([]) == []
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        reader.read(page, cancel=cancel)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(page.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"damaged\.png"):
        reader.read(damaged)


def test_results_survive_json_and_threads(reader: TextReader) -> None:
    path = real_media.writing("linux")[0]
    alone = reader.read(path)
    assert Writing.from_dict(alone.to_dict()) == alone
    assert (alone.model, alone.width, alone.height) == ("pp-ocrv6-small", *PIL.Image.open(path).size)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(reader.read, [path] * 3)) == [alone] * 3


def test_only_the_cpu_and_one_precision() -> None:
    with pytest.raises(InputError, match="made for the CPU"):
        TextReader(device="cuda").load()
    with pytest.raises(UnsupportedError, match="float16"):
        TextReader(dtype="float16").load()


def test_boxes_of_a_map() -> None:
    likely = np.zeros((100, 200), np.float32)
    likely[20:30, 10:110] = 0.9  # a line, and a faint one below it
    likely[60:70, 10:110] = 0.4
    (box,) = text_boxes(likely)
    assert (box.x, box.y, box.angle) == (pytest.approx(60, abs=1), pytest.approx(25, abs=1), 0)
    assert box.height > 20
    corners = box.corners()
    assert all(one[0] < other[0] for one, other in pairwise(corners[:2]))
    assert text_boxes(np.zeros((32, 32), np.float32)) == []
    assert text_boxes(np.eye(32, dtype=np.float32)) == []
