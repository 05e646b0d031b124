"""Which texts an English-only checkpoint refuses."""

from __future__ import annotations

import pytest

from sensorium.errors import UnsupportedError
from sensorium.language.written_language import require_language
from sensorium.models.catalog import Checkpoint

_ENGLISH = Checkpoint(name="small", task="text-generation", languages=("en",))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("图片里有什么？", "Chinese"),
        ("Сколько людей на фото?", "Cyrillic"),
        ("写真に猫はいますか", "Japanese|Chinese"),
        ("고양이가 있나요?", "Korean"),
        ("Quelle est la couleur de la voiture ?", "French"),
        ("¿Cuántas personas hay en la foto?", "Spanish"),
        ("Wie viele Leute sind auf dem Bild?", "German"),
        ("Was steht auf dem Schild?", "German"),
        ("Wie viel kostet es?", "German"),
        ("Y a-t-il un arbre ?", "French"),
        ("Che cosa c'è nella foto?", "Italian"),
    ],
)
def test_other_languages_are_named_and_refused(text: str, language: str) -> None:
    with pytest.raises(UnsupportedError, match=f"The question is written in ({language}).*'small' knows only English"):
        require_language(text, _ENGLISH, what="question")


@pytest.mark.parametrize(
    "text",
    [
        "What is in the image?",
        "cat?",
        "Is there a café au lait on the table?",
        "What does 'Wie viele sind das' mean in English, and who says it?",
        "Describe la Tour Eiffel.",
        "12 + 30 = ?",
        "What does 你好 mean?",
    ],
)
def test_english_passes(text: str) -> None:
    require_language(text, _ENGLISH, what="question")


def test_a_multilingual_checkpoint_refuses_nothing() -> None:
    require_language("图片里有什么？", Checkpoint(name="large", task="text-generation"), what="question")
