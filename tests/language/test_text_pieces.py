"""Letters of several tokens come whole, and nothing is lost between pieces."""

from __future__ import annotations

from collections.abc import Iterator

from sensorium.language.text_pieces import complete_text, pieces_of_text


def test_letters_of_several_tokens_come_whole() -> None:
    data = "a 猫!".encode()

    def text_of(tokens: list[int]) -> str:
        return bytes(tokens).decode(errors="replace")

    assert list(pieces_of_text(iter(data), text_of)) == ["a", " ", "", "", "猫", "!"]
    assert list(pieces_of_text(iter(data[:4]), text_of)) == ["a", " ", "", ""]
    pairs = [data[start : start + 2] for start in range(0, len(data), 2)]
    assert list(pieces_of_text(range(len(pairs)), lambda some: text_of([*b"".join(pairs[one] for one in some)]))) == [
        "a ",
        "",
        "猫!",
    ]
    assert list(pieces_of_text(range(2), lambda some: text_of([*b"".join((b"a", b"b\xe7")[one] for one in some)]))) == [
        "a",
        "",
        "b",
    ]
    assert complete_text(text_of(list(data[:4]))) == "a "


def test_nothing_is_lost_between_pieces() -> None:
    def words(tokens: list[int]) -> str:
        # Like sentencepiece, which drops the space before the first word.
        return "".join(f" w{token}" for token in tokens)[1:]

    def numbers() -> Iterator[int]:
        yield from range(5)

    assert "".join(pieces_of_text(numbers(), words)) == "w0 w1 w2 w3 w4"
