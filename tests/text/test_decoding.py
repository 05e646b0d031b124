"""Text files are read in the encoding that they are saved in, as far as that is sure."""

from __future__ import annotations

import pytest

from sensorium.errors import InputError
from sensorium.text.decoding import decode_text
from tests.refusals import refused

ENGLISH = "It’s a truth — “universally” acknowledged — that the café costs £5. The naïve man paid."
SPANISH = "Mañana iré a la montaña con mi hermana. ¿Dónde está el niño pequeño? Está aquí, señora."
CHINESE = "我们从小就喜欢在河边玩耍，每到夏天就会和朋友们一起去游泳，那时候的天空总是很蓝。"
RUSSIAN = "Привет, мир! Мы живём в большом городе и любим читать книги вечером."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [ENGLISH, CHINESE, "a"])
def test_what_says_its_encoding(text: str, encoding: str) -> None:
    decoded = decode_text(text.encode(encoding), "x")
    assert (decoded.text, decoded.guessed) == (text, False)


def test_a_mark_of_the_other_byte_order() -> None:
    assert decode_text(b"\xfe\xff" + ENGLISH.encode("utf-16-be"), "x").text == ENGLISH


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ENGLISH, "cp1252"),
        (SPANISH, "cp1252"),
        (ENGLISH, "utf-16-le"),
        (ENGLISH, "utf-16-be"),
        (CHINESE, "gb18030"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
    ],
)
def test_what_surely_looks_like_an_encoding(text: str, encoding: str) -> None:
    decoded = decode_text(text.encode(encoding), "x")
    assert (decoded.text, decoded.guessed) == (text, True)


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 4,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\2\0\0\0",
        "吾輩は猫である。名前はまだ無い。".encode("euc_jp"),  # valid in Korean and Chinese encodings too
        b"\xff\xfea",
    ],
)
def test_what_nobody_can_tell_is_refused(data: bytes) -> None:
    with refused(InputError, "the file x", "UTF-"):
        decode_text(data, "the file x")
