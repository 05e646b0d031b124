"""Vectors of texts by multilingual-e5-small, with real weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sensorium import TextEmbedder
from sensorium.errors import CancelledError, InputError, UnsupportedError

KEPT = np.load(Path(__file__).parent / "starter" / "multilingual_rows.npz")
"""Rows of the program of its package, made once."""


@pytest.fixture(scope="module")
def embedder() -> Iterator[TextEmbedder]:
    with TextEmbedder("multilingual-e5-small") as loaded:
        yield loaded


def test_it_has_one_precision() -> None:
    with pytest.raises(UnsupportedError, match="float16"):
        TextEmbedder("multilingual-e5-small", dtype="float16").load()


@pytest.mark.parametrize(("role", "prefix"), [("query", "query: "), ("document", "passage: "), (None, "query: ")])
def test_roles_are_the_prefixes_that_it_was_trained_with(embedder: TextEmbedder, role: str, prefix: str) -> None:
    kept = [(str(text), row) for text, row in zip(KEPT["texts"], KEPT["rows"], strict=True)]
    chosen = [(text.removeprefix(prefix), row) for text, row in kept if text.startswith(prefix)]
    rows = embedder.text_rows([text for text, _ in chosen], role=role)  # type: ignore[arg-type]
    assert len(chosen) >= 10
    assert (rows * np.stack([row for _, row in chosen])).sum(-1).min() > 0.999


def test_a_question_finds_its_answer_in_another_language(embedder: TextEmbedder) -> None:
    question = embedder.text_rows("How is coffee made?", role="query")
    texts = [
        "咖啡是用热水冲泡磨碎的咖啡豆制成的。",
        "Der Zug nach Köln fährt um neun Uhr.",
        "Le chat dort sur le canapé.",
    ]
    rows = embedder.text_rows(texts, role="document")
    assert int((rows @ question[0]).argmax()) == 0
    assert rows.shape == (3, embedder.embedding_size)
    assert np.allclose(np.linalg.norm(rows, axis=-1), 1, atol=1e-5)


def test_what_can_not_be_embedded_is_one_sentence(embedder: TextEmbedder) -> None:
    for text, said in {"": "''", "a\ud800": "Unicode", "word " * 600: "512"}.items():
        with pytest.raises(InputError, match=said):
            embedder.text_rows(["a cat", text])
    with pytest.raises(InputError, match="no text"):
        embedder.text_rows([])
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        embedder.text_rows("a cat", cancel=cancel)


def test_tokens_are_counted_with_the_prefix(embedder: TextEmbedder) -> None:
    assert embedder.count_tokens("猫") == embedder.count_tokens(["猫", "猫"]) / 2 == 7
