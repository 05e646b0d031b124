"""The shipped graphs, held against the networks in torch, with the real weights."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium import CLIP
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.models import catalog, store
from sensorium.vision_language.starter.efficientnet_lite import EfficientNetLite0, as_pixels, preprocess, squeeze
from sensorium.vision_language.starter.sentence_encoder import SentenceEncoder
from tests import real_media
from training.conse_starter import torch_networks

CHECKPOINT = catalog.named("conse-starter")
WITH_A_RECIPE_OF_ITS_OWN = "multilingual_e5_small.onnx"
RECIPE = Path(torch_networks.__file__).with_name("export_graphs.py")
TEXTS = ["cat", "a man with a camera", "", "Two dogs in the street!", "café 747", *(f"thing {n}" for n in range(70))]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def folder() -> Path:
    return store.locate(CHECKPOINT)


@pytest.fixture(scope="module")
def classifier(folder: Path) -> EfficientNetLite0:
    return EfficientNetLite0(folder, CHECKPOINT)


@pytest.fixture(scope="module")
def reference(folder: Path) -> torch_networks.EfficientNetLite0:
    return torch_networks.EfficientNetLite0(folder / "image" / "efficientnet-lite0.pth")


@pytest.fixture(scope="module")
def photos() -> list[PIL.Image.Image]:
    names = ("chelsea", "astronaut", "coffee", "rocket", "street")
    return [PIL.Image.open(real_media.photo(name)).convert("RGB") for name in names]


def test_the_classifier_equals_the_network_in_torch(
    classifier: EfficientNetLite0, reference: torch_networks.EfficientNetLite0, photos: list[PIL.Image.Image]
) -> None:
    small = np.stack([as_pixels(photo.resize((128, 96))) for photo in photos])
    for pixels in (np.stack([preprocess(photo) for photo in photos]), small):
        seen = classifier.see(pixels)
        with torch.inference_mode():
            features = reference.features(torch.from_numpy(pixels))
            probabilities = reference(torch.from_numpy(pixels)).softmax(-1)
        assert seen.features.shape == tuple(features.shape)
        assert np.abs(seen.features - features.numpy()).max() < TOLERANCE
        assert np.abs(seen.probabilities - probabilities.numpy()).max() < TOLERANCE
        # The check means something: two photographs are far apart.
        assert np.abs(seen.probabilities[0] - seen.probabilities[1]).max() > 0.1


def test_a_very_long_picture_is_not_resized_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    resize = PIL.Image.Image.resize

    def watched(image: PIL.Image.Image, size: tuple[int, int], *options: Any) -> PIL.Image.Image:
        made.append(size[0] * size[1])
        assert made[-1] < 1_000_000  # the whole of it would be 4,294,000,000
        return resize(image, size, *options)

    monkeypatch.setattr(PIL.Image.Image, "resize", watched)
    line = PIL.Image.new("RGB", (65_535, 1))
    line.paste((255, 0, 0), (32_700, 0, 32_800, 1))  # the middle, which is what is seen
    for picture in (line, line.transpose(PIL.Image.Transpose.ROTATE_90)):
        assert (preprocess(picture) == np.array([255, 0, 0], np.uint8)[:, None, None]).all()
    assert len(made) == 2


def test_class_activation_equals_the_network_in_torch(
    classifier: EfficientNetLite0, reference: torch_networks.EfficientNetLite0, photos: list[PIL.Image.Image]
) -> None:
    pixels = np.stack([squeeze(photo) for photo in photos])
    seen = classifier.see(pixels)
    weight = reference.classifier.weight.detach()
    for picture, classes in ((0, [281, 282, 285]), (2, [504, 967])):
        with torch.inference_mode():
            features = reference.features(torch.from_numpy(pixels[picture][None]))[0]
            likely = reference.classifier(features.mean((1, 2))).softmax(-1)[classes]
            directions = (likely / likely.sum()).unsqueeze(-1) * (weight[classes] - weight.mean(0))
            expected = torch.einsum("kc,chw->hw", directions, features).numpy()
        found = classifier.class_activation(seen, picture, classes)
        assert found.shape == (7, 7)
        assert np.abs(found - expected).max() < TOLERANCE
        assert np.ptp(expected) > 1


def test_the_sentence_encoder_equals_the_network_in_torch(folder: Path) -> None:
    rows = SentenceEncoder(folder, CHECKPOINT).encode(TEXTS)
    expected = torch_networks.SentenceEncoder(folder / "text").encode(TEXTS).numpy()
    assert rows.shape == expected.shape
    assert np.abs(rows - expected).max() < TOLERANCE
    assert np.abs(expected[0] - expected[1]).max() > 0.05


def test_threads_see_the_same(classifier: EfficientNetLite0, photos: list[PIL.Image.Image]) -> None:
    pixels = [preprocess(photo)[None] for photo in photos] * 4
    alone = [classifier.see(one).probabilities for one in pixels]
    with ThreadPoolExecutor(6) as pool:
        together = [seen.probabilities for seen in pool.map(classifier.see, pixels)]
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_the_pickle_in_the_weights_is_never_read(
    folder: Path, tmp_path: Path, classifier: EfficientNetLite0, photos: list[PIL.Image.Image]
) -> None:
    weights = tmp_path / "image" / "efficientnet-lite0.pth"
    weights.parent.mkdir()
    # The pickles end where the kernel of the first layer begins.
    content = (folder / "image" / "efficientnet-lite0.pth").read_bytes()
    pickled = content.index(b"_fc.bias") + 64
    weights.write_bytes(b"." * pickled + content[pickled:])
    with pytest.raises((pickle.UnpicklingError, RuntimeError, IndexError)):
        torch.load(weights, weights_only=True)
    pixels = np.stack([preprocess(photo) for photo in photos])
    found = EfficientNetLite0(tmp_path, CHECKPOINT).see(pixels).probabilities
    assert np.array_equal(found, classifier.see(pixels).probabilities)


def test_a_folder_behind_a_link_is_opened(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "checkpoints"
    link.symlink_to(folder.parent)
    assert SentenceEncoder(link / folder.name, CHECKPOINT).encode(["cat"]).shape == (1, 384)


def test_weights_that_are_missing_or_half_there_are_told(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    weights = copy / "image" / "efficientnet-lite0.pth"
    weights.write_bytes(weights.read_bytes()[:5_000_000])
    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match="conse-starter") as caught:
            EfficientNetLite0(copy, CHECKPOINT)
        assert caught.value.remedy
        weights.unlink(missing_ok=True)


def test_another_device_is_refused() -> None:
    with pytest.raises(InputError, match="conse-starter") as caught:
        CLIP("conse-starter", device="cuda").load()
    assert "cpu" in caught.value.remedy


def test_the_recipe_writes_the_shipped_graphs(tmp_path: Path) -> None:
    subprocess.run([sys.executable, RECIPE, "--to", tmp_path], check=True)
    shipped = Path(str(package_files("sensorium.vision_language.starter").joinpath("data")))
    graphs = sorted(path.name for path in shipped.glob("*.onnx") if path.name != WITH_A_RECIPE_OF_ITS_OWN)
    assert sorted(path.name for path in tmp_path.iterdir()) == graphs
    for name in graphs:
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes(), name
