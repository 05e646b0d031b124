"""Builds what joins other languages to the starter's English: ``python training/conse_starter/build_english_nouns.py``.

It writes the embeddings of English nouns by multilingual-e5-small, among which a text in another language is looked
for, and the list of words by which a text is taken for English. It takes about five minutes on one core.

The nouns are those of WordNet that are frequent (early in MiniLM's vocabulary) and no names of somebody or some place,
and all names that the starter has for things and for people.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from pathlib import Path

import numpy as np
from debian import open_package
from safetensors.numpy import save_file

from sensorium.models import catalog, store
from sensorium.vision_language.starter.english_text import people_words
from sensorium.vision_language.starter.multilingual_encoder import MultilingualEncoder
from sensorium.vision_language.starter.vocabulary import class_names, known_words

DATA = Path(__file__).parents[2] / "src" / "sensorium" / "vision_language" / "starter" / "data"
LIVING = {"05", "20"}
"""WordNet's numbers for animals and plants."""
FREQUENT = 14_000
SHORTEST = 3
LANGUAGES = (
    *("ar", "de", "el", "es", "fr", "he", "hi", "it", "ja", "ko", "nl", "pl", "pt_BR", "ru", "th", "tr", "vi", "zh_CN"),
)
LONGEST_LABEL = 4
"""In words of the English label."""


def main() -> None:
    """Fetch the sources, compute, write into the package."""
    checkpoint = catalog.named("multilingual-e5-small")
    encoder = MultilingualEncoder(store.locate(checkpoint), checkpoint=checkpoint)
    rank = vocabulary_ranks()
    with tempfile.TemporaryDirectory() as temporary:
        wordnet = open_package("wordnet-base", Path(temporary)) / "usr/share/wordnet"
        nouns = common_nouns(wordnet)
        dictionary = open_package("wamerican", Path(temporary)) / "usr/share/dict/american-english"
        english = english_words(wordnet) | set(rank) | set(dictionary.read_text(encoding="utf-8").lower().split())
        labels = foreign_labels(open_package("tuxpaint-stamps-default", Path(temporary)))
    frequent = {noun for noun in nouns if rank.get(noun, FREQUENT) < FREQUENT}
    words = sorted(frequent | set(known_words()) | set().union(*people_words()))
    rows = encoder.encode([f"query: {word}" for word in words])
    foreign = encoder.encode([f"query: {label}" for label in labels]).mean(0)
    centred = rows - rows.mean(0)
    centred /= np.linalg.norm(centred, axis=-1, keepdims=True)
    save_file(
        {"rows": np.rint(centred * 127 / np.abs(centred).max()).astype(np.int8), "mean_of_foreign": foreign},
        DATA / "english_nouns.safetensors",
    )
    (DATA / "english_nouns.json").write_text(json.dumps(words), encoding="utf-8")
    english |= {word for name in (*class_names(), *words) for word in re.findall("[a-z]+", name.lower())}
    listed = "\n".join(sorted({word for word in english if re.fullmatch("[a-z]{2,}", word)}))
    (DATA / "english_words.txt.gz").write_bytes(gzip.compress(listed.encode(), mtime=0))
    (DATA / "english_nouns.safetensors").chmod(0o644)
    print(f"{len(words)} nouns, mean of {len(labels)} labels in other languages, {listed.count(chr(10)) + 1} words")


def vocabulary_ranks() -> dict[str, int]:
    """Return the whole words of MiniLM's vocabulary with their place in it, the frequent ones first."""
    lines = (store.locate(catalog.named("conse-starter")) / "text/vocab.txt").read_text(encoding="utf-8").splitlines()
    return {word: place for place, word in enumerate(lines) if re.fullmatch("[a-z]{2,}", word)}


def common_nouns(wordnet: Path) -> set[str]:
    """Return the nouns whose first meaning is no name."""
    proper = set()
    for line in entries(wordnet / "data.noun"):
        fields = line.split("|")[0].split()
        named = (fields[4 + 2 * i].replace("_", " ") for i in range(int(fields[3], 16)))
        proper |= {(name.lower(), fields[0]) for name in named if name != name.lower()}
    found = set()
    for line in entries(wordnet / "index.noun"):
        fields = line.split()
        word, first = fields[0].replace("_", " "), fields[-int(fields[2])]
        if (word, first) not in proper and len(word) >= SHORTEST:
            found.add(word)
    return found


def english_words(wordnet: Path) -> set[str]:
    """Return the words of WordNet and the irregular forms that it lists, but no scientific names."""
    words = set()
    for kind in ("noun", "verb", "adj", "adv"):
        for line in entries(wordnet / f"data.{kind}"):
            fields = line.split("|")[0].split()
            scientific = kind == "noun" and fields[1] in LIVING
            for i in range(int(fields[3], 16)):
                word = fields[4 + 2 * i].partition("(")[0]
                words |= set() if scientific and word != word.lower() else set(word.lower().split("_"))
        for line in (wordnet / f"{kind}.exc").read_text(encoding="latin-1").splitlines():
            words.add(line.split()[0])
    return words


def foreign_labels(package: Path) -> list[str]:
    """Return what the stamps of a drawing program are called in other languages."""
    labels = set()
    for path in sorted((package / "usr/share/tuxpaint/stamps").rglob("*.txt")):
        first, *translations = path.read_text(encoding="utf-8").splitlines()
        if len(first.split()) > LONGEST_LABEL:
            continue
        for line in translations:
            language, _, text = line.partition(".utf8=")
            if language in LANGUAGES and (label := re.split(r"[.!(—,。，|]", text)[0].strip()):
                labels.add(label)
    return sorted(labels)[::3]


def entries(path: Path) -> list[str]:
    """Return the lines of a WordNet file without its licence."""
    return [line for line in path.read_text(encoding="latin-1").splitlines() if not line.startswith(" ")]


if __name__ == "__main__":
    main()
