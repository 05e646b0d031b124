"""EmbeddingGemma 2, held against transformers' own classes on the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium import CLIP
from sensorium.errors import InputError, UnsupportedError
from sensorium.vision_language.embeddable import Passage, SoundWindow
from sensorium.vision_language.shortening import shortened
from tests import real_media
from tests.checkpoints.clip import tiny_clip
from tests.checkpoints.one_space import DIMENSION, DOCUMENT, QUERY, tiny_embedding_gemma_2
from tests.refusals import refused

TOLERANCE = 1e-5
TEXTS = ["a photo of a cat", "Zwei Hunde laufen über die Straße, und ein Bus hält an", "一张猫的照片", "x"]


@pytest.fixture(scope="module")
def images() -> list[PIL.Image.Image]:
    pictures = [PIL.Image.open(real_media.photo(name)).convert("RGB") for name in ("chelsea", "astronaut")]
    return [*pictures, pictures[0].crop((0, 0, 300, 40)), pictures[1].resize((20, 19))]


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    """Two windows, and a shorter one; the encoder takes two seconds at once."""
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    return [noise, (np.sin(np.arange(32_000) / 9) / 3).astype(np.float32), noise[:20_000]]


@pytest.fixture(scope="module")
def one_space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(tiny_embedding_gemma_2(tmp_path_factory.mktemp("hub") / "tiny-one-space")) as clip:
        yield clip


class Reference:
    """What the classes of transformers make of the same files, one input at a time."""

    def __init__(self, folder: Path) -> None:
        import transformers

        self._model = transformers.EmbeddingGemma2Model.from_pretrained(folder).eval()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._look = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
        self._listen = transformers.AutoFeatureExtractor.from_pretrained(folder)

    def text(self, text: str) -> torch.Tensor:
        return self._embedding(text)

    def image(self, image: PIL.Image.Image) -> torch.Tensor:
        seen = self._look(images=image, return_tensors="pt")
        count = int(seen.pop("num_soft_tokens_per_image")[0])
        return self._embedding(f"<|image>{'<|image|>' * count}<image|>", **seen)

    def sound(self, samples: np.ndarray) -> torch.Tensor:
        heard = self._listen([samples], return_tensors="pt")
        count = int(heard["input_features_mask"][0][::2][::2].sum())
        return self._embedding(f"<|audio>{'<|audio|>' * count}<audio|>", **heard)

    def _embedding(self, text: str, **more: Any) -> torch.Tensor:
        tokens = self._tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = self._model(**tokens, **more).last_hidden_state[0]
        return torch.nn.functional.normalize(states.mean(0), dim=0)


def test_equals_transformers(
    one_space: CLIP,
    images: list[PIL.Image.Image],
    sounds: list[np.ndarray],
    parity: Callable[[str, str, str], None],
) -> None:
    assert one_space.checkpoint.folder is not None
    theirs = Reference(Path(one_space.checkpoint.folder))
    passages = [row for _, row in one_space.encode_images([Passage(text) for text in TEXTS])]
    pairs = {
        "pictures": (one_space.encode_image(images), [theirs.image(each) for each in images]),
        "sounds": (one_space.encode_sound(sounds), [theirs.sound(each) for each in sounds]),
        "texts": (one_space.encode_text(TEXTS), [theirs.text(each) for each in TEXTS]),
        "queries": (one_space.encode_text(TEXTS, role="query"), [theirs.text(QUERY + each) for each in TEXTS]),
        "documents": (torch.from_numpy(np.stack(passages)), [theirs.text(DOCUMENT + each) for each in TEXTS]),
    }
    differences = {name: (ours - torch.stack(plain)).abs().max().item() for name, (ours, plain) in pairs.items()}
    told = ", ".join(f"{name} {difference:.0e}" for name, difference in differences.items())
    parity("EmbeddingGemma 2", "transformers.EmbeddingGemma2Model", f"largest difference: {told}")
    assert max(differences.values()) < TOLERANCE
    texts = one_space.encode_text(TEXTS)
    assert (texts - one_space.encode_text(TEXTS, role="query")).abs().max() > 0.01


def test_kinds_go_through_together_in_their_order(
    one_space: CLIP, images: list[PIL.Image.Image], sounds: list[np.ndarray]
) -> None:
    mixed = [images[0], SoundWindow(0.0, sounds[1]), Passage(TEXTS[0]), SoundWindow(2.0, sounds[2]), images[2]]
    alone = [
        one_space.image_rows([images[0]])[0],
        one_space.sound_rows(sounds[1])[0],
        one_space.text_rows(TEXTS[0], role="document")[0],
        one_space.sound_rows(sounds[2])[0],
        one_space.image_rows([images[2]])[0],
    ]
    together = [row for _, row in one_space.encode_images(mixed, batch_size=5)]
    assert np.abs(np.stack(together) - np.stack(alone)).max() < TOLERANCE
    assert one_space.kinds == {"image", "video", "audio", "text"}
    assert one_space.embedding_size == DIMENSION


def test_a_long_recording_is_the_mean_of_its_windows(one_space: CLIP, sounds: list[np.ndarray]) -> None:
    whole = one_space.sound_rows(np.concatenate(sounds))[0]
    mean = one_space.sound_rows(sounds).sum(0)
    assert np.abs(whole - mean / np.linalg.norm(mean)).max() < TOLERANCE


def test_short_vectors_are_the_beginnings_of_long_ones(one_space: CLIP) -> None:
    rows = one_space.text_rows(TEXTS)
    short = shortened(rows, 8, one_space)
    assert np.abs(short - rows[:, :8] / np.linalg.norm(rows[:, :8], axis=1, keepdims=True)).max() < 1e-6
    assert shortened(rows, None, one_space) is rows
    for wrong in (0, DIMENSION + 1):
        with refused(InputError, str(wrong), str(DIMENSION)):
            shortened(rows, wrong, one_space)


def test_words_that_the_model_reserves_are_plain_text(one_space: CLIP) -> None:
    rows = one_space.text_rows(["a <|image|> in a text<eos>", "a < |image|> in a text< eos>"])
    assert np.abs(rows[0] - rows[1]).max() < TOLERANCE


def test_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    deaf = CLIP(tiny_embedding_gemma_2(tmp_path / "deaf", hears=False))
    assert deaf.kinds == {"image", "video", "text"}
    with refused(UnsupportedError, "deaf", "sound"):
        deaf.sound_rows(np.zeros(16_000, np.float32))
    with refused(InputError, "float16", "deaf"):
        CLIP(deaf.checkpoint.folder, dtype="float16").text_rows("a cat")
    with refused(UnsupportedError, "last", "lasttoken"):
        CLIP(tiny_embedding_gemma_2(tmp_path / "last", pooling="lasttoken")).text_rows("a cat")
    clip = CLIP(tiny_clip(tmp_path / "clip"))
    with refused(UnsupportedError, "clip", "sound"):
        clip.sound_rows(np.zeros(16_000, np.float32))
    with refused(InputError, "8 numbers"):
        shortened(clip.text_rows("a cat"), 8, clip)
