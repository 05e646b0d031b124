"""Letters of several tokens come whole, and nothing is lost between pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sensorium.language.text_pieces import PieceDecoder, complete_text


def pieces_of_text(tokens: Iterable[int], text_of: Callable[[list[int]], str]) -> list[str]:
    """Return what each token adds, and what is left at the end if there is something."""
    decoder = PieceDecoder(text_of)
    pieces = [decoder.add(token) for token in tokens]
    rest = decoder.rest()
    return [*pieces, rest] if rest else pieces


def test_letters_of_several_tokens_come_whole() -> None:
    data = "a 猫!".encode()

    def text_of(tokens: list[int]) -> str:
        return bytes(tokens).decode(errors="replace")

    assert pieces_of_text(data, text_of) == ["a", " ", "", "", "猫", "!"]
    assert pieces_of_text(data[:4], text_of) == ["a", " ", "", ""]
    pairs = [data[start : start + 2] for start in range(0, len(data), 2)]
    assert pieces_of_text(range(len(pairs)), lambda some: text_of([*b"".join(pairs[one] for one in some)])) == [
        "a ",
        "",
        "猫!",
    ]
    assert pieces_of_text(range(2), lambda some: text_of([*b"".join((b"a", b"b\xe7")[one] for one in some)])) == [
        "a",
        "",
        "b",
    ]
    assert complete_text(text_of(list(data[:4]))) == "a "


def test_nothing_is_lost_between_pieces() -> None:
    def words(tokens: list[int]) -> str:
        # Like sentencepiece, which drops the space before the first word.
        return "".join(f" w{token}" for token in tokens)[1:]

    assert "".join(pieces_of_text(range(5), words)) == "w0 w1 w2 w3 w4"
