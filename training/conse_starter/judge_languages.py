"""Judges how words of other languages are understood: ``python training/conse_starter/judge_languages.py``.

The words are what Unicode's CLDR (Debian's package ``unicode-cldr-core``) calls pictographs, in up to two words of
English; they took no part in the making of the nouns. It takes about five minutes on one core.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from debian import open_package

from sensorium import CLIP
from sensorium.vision_language.starter.english_nouns import shared_english_nouns
from sensorium.vision_language.starter.vocabulary import find_thing

LANGUAGES = ("zh", "de", "ru", "ja")
FIRST_PICTOGRAPH = 0x1F300
NO_NOUN = re.compile(
    "face|button|symbol|sign|flag|arrow|hand|circle|square|heart|hair|skin|clock|person|man|woman|[^a-z -]"
)


def main() -> None:
    """Print what is refused, what is right, and what is taken for a thing."""
    with tempfile.TemporaryDirectory() as temporary:
        annotations = open_package("unicode-cldr-core", Path(temporary)) / "usr/share/unicode/cldr/common/annotations"
        english, *others = (names(annotations / f"{language}.xml") for language in ("en", *LANGUAGES))
    chosen = [
        sign
        for sign, name in english.items()
        if ord(sign[0]) >= FIRST_PICTOGRAPH and not NO_NOUN.search(name) and len(name.split()) <= 2
        if all(sign in each for each in others)
    ]
    with CLIP("conse-starter") as clip:
        nouns = shared_english_nouns(clip, "猫")
        meant = clip.text_rows([english[sign] for sign in chosen])
        is_thing = np.array([find_thing(english[sign]) is not None for sign in chosen])
        taken = []
        for language, words in zip(LANGUAGES, others, strict=True):
            texts = [words[sign] for sign in chosen]
            understood = np.array([each is not None for each in nouns.understand(texts)])
            rows = clip.text_rows([text for text, known in zip(texts, understood, strict=True) if known])
            order = np.argsort(-(rows @ meant.T), axis=-1)[:, :5] == np.flatnonzero(understood)[:, None]
            taken.append([nouns.is_thing(text) for text in texts])
            print(
                f"{language}: of {len(chosen)} names {1 - understood.mean():.3f} not understood; the same name in "
                f"English nearest {order[:, 0].sum() / len(chosen):.2f}, among five {order.sum() / len(chosen):.2f}"
            )
    for half, name in enumerate(("even", "odd")):
        found, things = np.array(taken)[:, half::2], is_thing[half::2]
        print(
            f"{name} ones taken for things: {found[:, things].mean():.2f} of those of things, "
            f"{found[:, ~things].mean():.2f} of the others"
        )


def names(path: Path) -> dict[str, str]:
    """Return what pictographs are called, in a file of CLDR."""
    entries = ElementTree.parse(path).iter("annotation")
    return {entry.get("cp", ""): (entry.text or "").strip() for entry in entries if entry.get("type") == "tts"}


if __name__ == "__main__":
    main()
