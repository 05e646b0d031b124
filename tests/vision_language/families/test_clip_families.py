"""Dual encoders of the CLIP kind and BLIP for retrieval, held against transformers' own code on the same files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import CLIP, ImageQA
from sensorium.errors import InputError, InsufficientMemoryError, ModelUnavailableError, UnsupportedError
from sensorium.suitability import tasks_for
from tests import real_media
from tests.checkpoints import dual_encoders, vision_language
from tests.refusals import refused

TOLERANCE = 1e-4
ENGLISH = ["a photo of a cat", "two dogs in the street!", "a bird"]
CHINESE = ["一张猫的照片", "两个人走在街上", "火箭"]


@pytest.fixture(scope="module")
def images() -> list[PIL.Image.Image]:
    pictures = [PIL.Image.open(real_media.photo(name)).convert("RGB") for name in ("chelsea", "astronaut", "coins")]
    return [*pictures, pictures[0].crop((0, 0, 300, 40)), pictures[1].resize((20, 19))]


@pytest.fixture(scope="module")
def chinese_clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_chinese_clip(tmp_path_factory.mktemp("hub") / "tiny-chinese-clip")) as clip:
        yield clip


@pytest.fixture(scope="module")
def altclip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_altclip(tmp_path_factory.mktemp("hub") / "tiny-altclip")) as clip:
        yield clip


@pytest.fixture(scope="module")
def metaclip_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_metaclip_2(tmp_path_factory.mktemp("hub") / "tiny-metaclip-2")) as clip:
        yield clip


@pytest.fixture(scope="module")
def aimv2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_aimv2(tmp_path_factory.mktemp("hub") / "tiny-aimv2")) as clip:
        yield clip


@pytest.fixture(scope="module")
def blip_retrieval(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    folder = tmp_path_factory.mktemp("hub") / "tiny-blip-itm"
    with CLIP(vision_language.tiny_blip(folder, head="retrieval")) as clip:
        yield clip


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CLIP]:
    with CLIP(dual_encoders.tiny_vision_text_dual_encoder(tmp_path_factory.mktemp("hub") / "tiny-lit")) as clip:
        yield clip


def reference(model: str, processor: str, clip: CLIP, images: list[PIL.Image.Image], texts: list[str]) -> Any:
    """Return what the classes of transformers, called directly, make of the same files and inputs."""
    import transformers

    folder = clip.checkpoint.folder
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    pixels = getattr(transformers, processor).from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.no_grad():
        return getattr(transformers, model).from_pretrained(folder).eval()(**tokens, **pixels)


@pytest.mark.parametrize(
    ("family", "name", "model", "processor", "texts"),
    [
        ("Chinese-CLIP", "chinese_clip", "ChineseCLIPModel", "ChineseCLIPImageProcessorPil", CHINESE),
        ("AltCLIP", "altclip", "AltCLIPModel", "CLIPImageProcessorPil", [*ENGLISH, *CHINESE]),
        ("MetaCLIP 2", "metaclip_2", "MetaClip2Model", "CLIPImageProcessorPil", [*ENGLISH, *CHINESE]),
        ("AIMv2", "aimv2", "Aimv2Model", "CLIPImageProcessorPil", ENGLISH),
        ("VisionTextDualEncoder", "pair", "VisionTextDualEncoderModel", "ViTImageProcessorPil", ENGLISH),
    ],
)
def test_equals_transformers(
    family: str,
    name: str,
    model: str,
    processor: str,
    texts: list[str],
    images: list[PIL.Image.Image],
    request: pytest.FixtureRequest,
    parity: Callable[[str, str, str], None],
) -> None:
    clip: CLIP = request.getfixturevalue(name)
    theirs = reference(model, processor, clip, images, texts)
    differences = [
        (clip.encode_image(images) - theirs.image_embeds).abs().max().item(),
        (clip.encode_text(texts) - theirs.text_embeds).abs().max().item(),
        (clip.compute_similarity(images, texts) - theirs.logits_per_image.softmax(-1)).abs().max().item(),
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
    assert clip.scoring == "softmax"
    assert clip.embedding_size == theirs.image_embeds.shape[1]


def test_blip_for_retrieval_equals_transformers(
    blip_retrieval: CLIP, images: list[PIL.Image.Image], parity: Callable[[str, str, str], None]
) -> None:
    import transformers

    folder = blip_retrieval.checkpoint.folder
    processor = transformers.BlipProcessor(
        transformers.BlipImageProcessorPil.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)
    )
    model: Any = transformers.BlipForImageTextRetrieval.from_pretrained(folder).eval()
    inputs = processor(images=images, text=ENGLISH, padding=True, return_tensors="pt")
    with torch.no_grad():
        cosines = model(**inputs, use_itm_head=False).itm_score
    difference = (blip_retrieval.encode_image(images) @ blip_retrieval.encode_text(ENGLISH).T - cosines).abs().max()
    parity(
        "BLIP for retrieval", "transformers.BlipForImageTextRetrieval", f"largest difference: cosines {difference:.0e}"
    )
    assert difference < TOLERANCE
    assert (cosines[0] - cosines[1]).abs().max() > 100 * TOLERANCE
    likely = blip_retrieval.compute_similarity(images, ENGLISH)
    assert torch.allclose(likely, (cosines / 0.07).softmax(-1), atol=1e-3)
    assert blip_retrieval.embedding_size == model.config.image_text_hidden_size


def test_blip_for_retrieval_is_for_nothing_else(blip_retrieval: CLIP) -> None:
    folder = Path(blip_retrieval.checkpoint.folder)
    assert tasks_for(blip_retrieval.checkpoint, folder) == ("image-text-similarity",)
    with refused(UnsupportedError, "tiny-blip-itm", "image-text-similarity"):
        ImageQA(folder).load()


def test_blip_2_for_retrieval_is_for_no_task(tmp_path: Path) -> None:
    config = {"model_type": "blip-2", "architectures": ["Blip2ForImageTextRetrieval"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert tasks_for(CLIP(tmp_path).checkpoint, tmp_path) == ()
    with refused(UnsupportedError, tmp_path.name, "blip-2-retrieval"):
        CLIP(tmp_path).load()


@pytest.mark.parametrize(
    ("name", "labels", "sentences"),
    [
        ("chinese_clip", ["猫", "火箭"], ["一张猫的照片", "一张火箭的照片"]),
        ("altclip", ["cat", "火箭"], ["a photo of a cat", "一张火箭的照片"]),
        ("pair", ["cat", "bird"], ["a photo of a cat", "a photo of a bird"]),
    ],
)
def test_labels_come_in_the_sentence_of_the_family(
    name: str, labels: list[str], sentences: list[str], images: list[PIL.Image.Image], request: pytest.FixtureRequest
) -> None:
    clip: CLIP = request.getfixturevalue(name)
    found = clip.zero_shot_classification(images[0], labels)
    expected = clip.compute_similarity(images[0], sentences)[0].tolist()
    assert {item.label: item.score for item in found} == pytest.approx(dict(zip(labels, expected, strict=True)))
    assert found.scoring == found.to_dict()["scoring"] == "softmax"
    assert sum(item.score for item in found) == pytest.approx(1)


def test_a_language_that_the_checkpoint_does_not_know(chinese_clip: CLIP, pair: CLIP) -> None:
    for clip in (chinese_clip, pair):
        with pytest.raises(InputError, match=r"doesn't know the characters of 'зелёный'"):
            clip.encode_text("зелёный")


@pytest.mark.parametrize("name", ["chinese_clip", "altclip", "pair"])
def test_a_text_beyond_the_window_is_never_cut(name: str, request: pytest.FixtureRequest) -> None:
    clip: CLIP = request.getfixturevalue(name)
    assert clip.encode_text("cat " * 62).shape[0] == 1
    with pytest.raises(InputError, match=r"has 65 tokens, and tiny-\S+ reads at most 64"):
        clip.encode_text("cat " * 63)


def test_running_out_of_memory_is_one_sentence(
    pair: CLIP, images: list[PIL.Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: torch.Tensor) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(pair.backend._model, "get_image_features", refuse)
    with pytest.raises(
        InsufficientMemoryError, match="A batch of 5 images for tiny-lit needs more memory than is left"
    ):
        pair.encode_image(images)


def test_a_checkpoint_of_another_family_is_one_sentence(altclip: CLIP, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(altclip.checkpoint.folder, tmp_path / "mixed"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "clip"}))
    with pytest.raises(ModelUnavailableError, match=r"damaged, or only half there|weights are missing") as raised:
        CLIP(folder).load()
    assert "\n" not in str(raised.value)
    (folder / "preprocessor_config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailableError, match="CLIPImageProcessorPil are missing or damaged"):
        CLIP(folder).load()
