"""SigLIP and SigLIP 2, held against transformers' own code on the same files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import CLIP
from sensorium.errors import InputError
from sensorium.retrieval.index import SearchIndex
from tests import real_media
from tests.checkpoints import dual_encoders

TOLERANCE = 1e-4
TEXTS = ["a photo of a cat", "Two DOGS in the street!", "a bird"]
KINDS = ("siglip", "siglip2", "naflex")


@pytest.fixture(scope="module")
def images() -> list[PIL.Image.Image]:
    pictures = [PIL.Image.open(real_media.photo(name)).convert("RGB") for name in ("chelsea", "astronaut", "coins")]
    return [*pictures, pictures[0].crop((0, 0, 300, 40)), pictures[1].resize((20, 19))]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_siglip(tmp_path_factory.mktemp("hub") / "tiny-siglip")) as clip:
        yield clip


@pytest.fixture(scope="module")
def siglip2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_siglip2(tmp_path_factory.mktemp("hub") / "tiny-siglip2")) as clip:
        yield clip


@pytest.fixture(scope="module")
def naflex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_siglip2_naflex(tmp_path_factory.mktemp("hub") / "tiny-siglip2-naflex")) as clip:
        yield clip


def reference(model: str, processor: str, clip: CLIP, images: list[PIL.Image.Image], texts: list[str]) -> Any:
    """Return what the classes of transformers, called as the model cards do, make of the same files and inputs."""
    import transformers

    folder = clip.checkpoint.folder
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer([text.lower() for text in texts], padding="max_length", max_length=64, return_tensors="pt")
    pixels = getattr(transformers, processor).from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.no_grad():
        return getattr(transformers, model).from_pretrained(folder).eval()(input_ids=tokens.input_ids, **pixels)


@pytest.mark.parametrize(
    ("family", "name", "model", "processor"),
    [
        ("SigLIP", "siglip", "SiglipModel", "SiglipImageProcessorPil"),
        ("SigLIP 2", "siglip2", "SiglipModel", "SiglipImageProcessorPil"),
        ("SigLIP 2 NaFlex", "naflex", "Siglip2Model", "Siglip2ImageProcessorPil"),
    ],
)
def test_equals_transformers(
    family: str,
    name: str,
    model: str,
    processor: str,
    images: list[PIL.Image.Image],
    request: pytest.FixtureRequest,
    parity: Callable[[str, str, str], None],
) -> None:
    clip: CLIP = request.getfixturevalue(name)
    theirs = reference(model, processor, clip, images, TEXTS)
    differences = [
        (clip.encode_image(images) - theirs.image_embeds).abs().max().item(),
        (clip.encode_text(TEXTS) - theirs.text_embeds).abs().max().item(),
        (clip.compute_similarity(images, TEXTS) - theirs.logits_per_image.sigmoid()).abs().max().item(),
    ]
    parity(
        family,
        f"transformers.{model}",
        "largest difference: images {:.0e}, texts {:.0e}, probabilities {:.0e}".format(*differences),
    )
    assert max(differences) < TOLERANCE
    # The check means something: other images and texts are far away.
    assert (theirs.image_embeds[0] - theirs.image_embeds[1]).abs().max() > 100 * TOLERANCE
    assert (theirs.text_embeds[0] - theirs.text_embeds[1]).abs().max() > 100 * TOLERANCE
    assert clip.embedding_size == theirs.image_embeds.shape[1]


@pytest.mark.parametrize("name", KINDS)
def test_each_score_stands_for_itself(name: str, images: list[PIL.Image.Image], request: pytest.FixtureRequest) -> None:
    clip: CLIP = request.getfixturevalue(name)
    assert clip.scoring == "sigmoid"
    together = clip.compute_similarity(images, TEXTS)
    alone = torch.cat([clip.compute_similarity(images, text) for text in TEXTS], dim=1)
    assert torch.allclose(together, alone, atol=1e-6)
    assert not torch.allclose(together.sum(-1), torch.ones(len(images)), atol=0.1)


@pytest.mark.parametrize("name", KINDS)
def test_classification_ranks_and_says_how_it_scores(
    name: str, images: list[PIL.Image.Image], request: pytest.FixtureRequest
) -> None:
    clip: CLIP = request.getfixturevalue(name)
    found = clip.zero_shot_classification(images[0], ["cat", "dog", "bird"])
    texts = [f"This is a photo of {label}." for label in ("cat", "dog", "bird")]
    expected = dict(zip(("cat", "dog", "bird"), clip.compute_similarity(images[0], texts)[0].tolist(), strict=True))
    assert {item.label: item.score for item in found} == pytest.approx(expected)
    assert [item.score for item in found] == sorted(expected.values(), reverse=True)
    assert found.scoring == found.to_dict()["scoring"] == "sigmoid"


def test_sure_looks_at_the_best_score_alone(siglip: CLIP) -> None:
    for scores, sure in (([0.3, 0.2], True), ([0.9, 0.8], True), ([0.05, 0.0001], False), ([0.02], False)):
        assert siglip.backend.is_sure(torch.zeros(len(scores)), torch.tensor(scores)) is sure


@pytest.mark.parametrize("name", KINDS)
def test_capitals_make_no_difference(name: str, request: pytest.FixtureRequest) -> None:
    clip: CLIP = request.getfixturevalue(name)
    rows = [clip.encode_text(text) for text in ("A PHOTO of a Cat", "a photo of a cat")]
    assert torch.allclose(*rows, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_a_text_beyond_the_window_is_never_cut(name: str, request: pytest.FixtureRequest) -> None:
    clip: CLIP = request.getfixturevalue(name)
    with pytest.raises(InputError, match=r"tokens, and tiny-\S+ reads at most 64"):
        clip.encode_text(["fine", "xyz " * 40])


def test_naflex_keeps_the_aspect_ratio(naflex: CLIP, images: list[PIL.Image.Image]) -> None:
    wide = images[3]
    assert wide.width > 7 * wide.height
    patches, real, (rows, columns) = naflex.backend.prepare(wide)
    assert rows * columns == real.sum() <= 16
    assert columns >= 4 * rows
    assert patches.shape == (16, 8 * 8 * 3)
    alone, together = naflex.encode_image(wide), naflex.encode_image(images)[3:4]
    assert torch.allclose(alone, together, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_half_precision_is_near(name: str, images: list[PIL.Image.Image], request: pytest.FixtureRequest) -> None:
    clip: CLIP = request.getfixturevalue(name)
    with CLIP(clip.checkpoint.folder, dtype="bfloat16") as half:
        assert (half.encode_image(images) * clip.encode_image(images)).sum(-1).min() > 0.98
        assert (half.encode_text(TEXTS) * clip.encode_text(TEXTS)).sum(-1).min() > 0.98


def test_a_search_index_takes_any_encoder(siglip: CLIP, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for name in ("chelsea", "astronaut", "coins"):
        shutil.copy(real_media.photo(name), album / f"{name}{real_media.photo(name).suffix}")
    index = SearchIndex(tmp_path / "index", model=siglip.checkpoint.folder)
    assert index.add(album).added == 3
    again = SearchIndex(tmp_path / "index")
    found = again.search(image=real_media.photo("coins"), limit=3)
    assert found[0].path.stem == "coins"
    assert found[0].score == pytest.approx(1, abs=1e-3)
    assert found.model == "tiny-siglip"
    by_text = again.search("a photo of a cat", limit=3)
    rows = siglip.encode_image([match.path for match in by_text])
    cosines = (rows @ siglip.encode_text("a photo of a cat").T)[:, 0].tolist()
    assert [match.score for match in by_text] == pytest.approx(cosines, abs=1e-3)
    assert cosines == sorted(cosines, reverse=True)


def test_a_hub_id_in_the_hubs_cache(
    siglip: CLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: list[PIL.Image.Image]
) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "models--google--siglip-tiny"
    shutil.copytree(siglip.checkpoint.folder, kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    with CLIP("google/siglip-tiny") as clip:
        assert clip.model == "google/siglip-tiny"
        assert torch.equal(clip.compute_similarity(images, TEXTS), siglip.compute_similarity(images, TEXTS))
