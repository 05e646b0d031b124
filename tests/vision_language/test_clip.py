"""CLIP on tiny checkpoints in the hub's layout, held against transformers' own code on the same files."""

from __future__ import annotations

import json
import runpy
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from sensorium import CLIP, zero_shot_classification
from sensorium.errors import CancelledError, InputError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.progress import Progress
from sensorium.vision_language import dual_encoder
from sensorium.vision_language.classification import Classification
from tests import real_media
from tests.checkpoints.clip import tiny_clip

TEXTS = ["a photo of a cat", "two dogs in the street!", "Ein Käfig, 猫 and 17 birds", "x"]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("hub") / "tiny-clip")


@pytest.fixture(scope="module")
def clip(checkpoint: Path) -> Iterator[CLIP]:
    with CLIP(checkpoint) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def images() -> list[PIL.Image.Image]:
    names = ["chelsea", "astronaut", "china", "coins", "messi"]
    pictures = [PIL.Image.open(real_media.photo(name)).convert("RGB") for name in names]
    return [*pictures, pictures[0].crop((0, 0, 300, 40)), pictures[1].resize((20, 19))]


@pytest.fixture(scope="module")
def cat() -> PIL.Image.Image:
    return PIL.Image.open(real_media.photo("chelsea")).convert("RGB")


def by_label(found: Classification) -> dict[str, float]:
    return {item.label: item.score for item in found}


def test_equals_transformers(
    clip: CLIP, checkpoint: Path, images: list[PIL.Image.Image], parity: Callable[[str, str, str], None]
) -> None:
    from transformers import CLIPModel, CLIPProcessor

    processor = CLIPProcessor.from_pretrained(checkpoint)
    model = CLIPModel.from_pretrained(checkpoint).eval()
    inputs = processor(text=TEXTS, images=images, return_tensors="pt", padding=True)
    with torch.no_grad():
        theirs = model(**inputs)
    differences = [
        (clip.encode_image(images) - theirs.image_embeds).abs().max().item(),
        (clip.encode_text(TEXTS) - theirs.text_embeds).abs().max().item(),
        (clip.compute_similarity(images, TEXTS) - theirs.logits_per_image.softmax(-1)).abs().max().item(),
    ]
    parity(
        "CLIP",
        "transformers.CLIPModel",
        "largest difference: images {:.0e}, texts {:.0e}, probabilities {:.0e}".format(*differences),
    )
    assert max(differences) < TOLERANCE
    assert clip.scoring == clip.zero_shot_classification(images[0], ["cat", "dog"]).scoring == "softmax"
    # The check means something: other images and texts are far away.
    assert (theirs.image_embeds[0] - theirs.image_embeds[1]).abs().max() > 100 * TOLERANCE
    assert (theirs.text_embeds[0] - theirs.text_embeds[1]).abs().max() > 100 * TOLERANCE


def test_a_text_has_the_same_row_alone_and_in_a_batch(checkpoint: Path) -> None:
    with CLIP(checkpoint) as alone:
        single = alone.encode_text(TEXTS[0])
    with CLIP(checkpoint) as together:
        assert torch.allclose(together.encode_text(TEXTS)[:1], single, atol=1e-6)


def test_shapes_and_lengths(clip: CLIP, images: list[PIL.Image.Image]) -> None:
    rows = clip.encode_image(images)
    assert rows.shape == (len(images), clip.embedding_size)
    assert rows.dtype == torch.float32
    assert torch.allclose(rows.norm(dim=-1), torch.ones(len(images)))
    assert clip.encode_image(images[0]).shape == (1, clip.embedding_size)
    assert clip.encode_text("one text").shape == (1, clip.embedding_size)
    assert clip.encode_image([]).shape == (0, clip.embedding_size)
    assert torch.allclose(clip.compute_similarity(images, TEXTS).sum(-1), torch.ones(len(images)))


def test_paths_arrays_and_bytes_are_images(clip: CLIP, cat: PIL.Image.Image) -> None:
    path = real_media.photo("chelsea")
    rows = clip.encode_image([cat, path, str(path), path.read_bytes(), np.asarray(cat)])
    assert torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-6)


def test_classification_reads_like_the_chapters_list(clip: CLIP, cat: PIL.Image.Image) -> None:
    found = clip.zero_shot_classification(cat, ["cat", "dog", "bird"])
    texts = [f"a photo of a {label}" for label in ("cat", "dog", "bird")]
    expected = dict(zip(("cat", "dog", "bird"), clip.compute_similarity(cat, texts)[0].tolist(), strict=True))
    assert by_label(found) == pytest.approx(expected)
    assert [item.score for item in found] == sorted(expected.values(), reverse=True)
    assert str(found).startswith("[{'label': '")
    assert found[0] == {"label": found[0].label, "score": found[0].score}
    assert found.model == "tiny-clip"
    assert json.loads(json.dumps(found.to_dict()))["labels"][0]["label"] == found[0].label


def test_sure_is_whether_one_label_stands_out(clip: CLIP, cat: PIL.Image.Image) -> None:
    for labels in (["cat", "dog"], ["cat", "dog", "bird", "car", "tree", "bus", "x", "y"]):
        found = clip.zero_shot_classification(cat, labels)
        assert found.sure == (found[0].score >= 0.5)


def test_a_list_of_images_gives_a_list(clip: CLIP, images: list[PIL.Image.Image]) -> None:
    found = clip.zero_shot_classification(images, ["cat", "dog"])
    assert len(found) == len(images)
    assert by_label(found[1]) == pytest.approx(by_label(clip.zero_shot_classification(images[1], ["cat", "dog"])))
    assert clip.zero_shot_classification([], ["cat"]) == []


def test_the_chapters_function(checkpoint: Path, clip: CLIP, cat: PIL.Image.Image) -> None:
    found = zero_shot_classification(cat, ["cat", "dog"], model=checkpoint)
    assert by_label(found) == pytest.approx(by_label(clip.zero_shot_classification(cat, ["cat", "dog"])))


def test_odd_label_lists(clip: CLIP, cat: PIL.Image.Image) -> None:
    once = clip.zero_shot_classification(cat, ["cat", "dog"])
    assert by_label(clip.zero_shot_classification(cat, ["cat", " dog ", "cat"])) == pytest.approx(by_label(once))
    assert [item["score"] for item in clip.zero_shot_classification(cat, "cat")] == [1.0]
    many = clip.zero_shot_classification(cat, [f"thing {number}" for number in range(10_000)])
    assert len(many) == 10_000
    assert sum(item.score for item in many) == pytest.approx(1, abs=1e-3)
    for labels in ([], [""], ["cat", "  "], ["cat", 7], ["cat", "dog \ud83d"]):
        with pytest.raises(InputError):
            clip.zero_shot_classification(cat, labels)  # type: ignore[arg-type]


def test_a_text_beyond_the_window_is_never_cut(clip: CLIP) -> None:
    assert clip.encode_text("x " * 75).shape[0] == 1
    with pytest.raises(InputError, match=r"has 78 tokens, and tiny-clip reads at most 77"):
        clip.encode_text(["fine", "x " * 76])


def test_texts_are_encoded_once(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with CLIP(checkpoint) as clip:
        asked: list[str] = []
        encode = clip.backend.encode_checked

        def counting(texts: list[str]) -> np.ndarray:
            asked.extend(texts)
            return encode(texts)

        monkeypatch.setattr(clip.backend, "encode_checked", counting)
        monkeypatch.setattr(dual_encoder, "_CACHED_TEXTS", 3)
        first = clip.encode_text(["one", "two", "one"])
        assert asked == ["one", "two"]
        assert torch.equal(clip.encode_text(["two", "one"]), first[[1, 0]])
        assert asked == ["one", "two"]
        clip.encode_text(["three", "four"])  # "two" was used longest ago
        clip.encode_text(["one", "two"])
        assert asked == ["one", "two", "three", "four", "two"]


def test_streams_in_order_with_bounded_reading(clip: CLIP, images: list[PIL.Image.Image]) -> None:
    asked = 0

    def sources() -> Iterator[PIL.Image.Image]:
        nonlocal asked
        for number in range(200):
            asked += 1
            yield images[number % len(images)]

    whole = clip.encode_image(images).numpy()
    ahead = 0
    for count, (index, row) in enumerate(clip.encode_images(sources(), batch_size=4)):
        assert index == count
        assert np.allclose(row, whole[index % len(images)], atol=1e-6)
        ahead = max(ahead, asked - index)
    assert index == 199
    assert ahead <= 3 * 4 + 1


def test_reading_goes_on_while_the_network_computes(
    clip: CLIP, images: list[PIL.Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    computing, read_meanwhile = threading.Event(), threading.Event()
    prepare, encode = clip.backend.prepare, clip.backend.encode_prepared

    def watched_prepare(image: PIL.Image.Image) -> object:
        assert threading.current_thread() is not threading.main_thread()
        if computing.is_set():
            read_meanwhile.set()
        return prepare(image)

    def watched_encode(prepared: list[object]) -> np.ndarray:
        computing.set()
        read_meanwhile.wait(5)
        computing.clear()
        return encode(prepared)

    monkeypatch.setattr(clip.backend, "prepare", watched_prepare)
    monkeypatch.setattr(clip.backend, "encode_prepared", watched_encode)
    assert len(list(clip.encode_images(images * 8, batch_size=2))) == 8 * len(images)
    assert read_meanwhile.is_set()


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_at_least_one_image(clip: CLIP, cat: PIL.Image.Image, size: int) -> None:
    with pytest.raises(InputError, match=f"A batch of {size} images can't be"):
        list(clip.encode_images([cat], batch_size=size))


def test_a_broken_image_is_reported_or_raised(clip: CLIP, cat: PIL.Image.Image, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing of a picture")
    errors: list[tuple[int, SensoriumError]] = []
    found = list(clip.encode_images([cat, broken, cat], on_error=lambda *error: errors.append(error)))
    assert [index for index, _ in found] == [0, 2]
    assert [index for index, _ in errors] == [1]
    assert "broken.jpg" in errors[0][1].message
    with pytest.raises(InputError, match=r"broken\.jpg"):
        clip.encode_image([cat, broken])


def test_progress_and_cancel(clip: CLIP, cat: PIL.Image.Image) -> None:
    reports: list[Progress] = []
    clip.encode_image([cat] * 70, progress=reports.append)
    assert [(report.done, report.total) for report in reports] == [(done, 70) for done in (16, 32, 48, 64, 70)]
    cancel = threading.Event()
    running = clip.encode_images([cat] * 70, batch_size=2, cancel=cancel)
    next(running)
    cancel.set()
    with pytest.raises(CancelledError):
        list(running)
    with pytest.raises(CancelledError):
        clip.zero_shot_classification(cat, ["a label nobody used before"], cancel=cancel)


def test_leaving_a_stream_early_leaves_no_threads(clip: CLIP, cat: PIL.Image.Image) -> None:
    running = clip.encode_images([cat] * 1000, batch_size=2)
    next(running)
    running.close()
    for thread in threading.enumerate():
        if thread.name.startswith("sensorium-read"):
            thread.join(10)
            assert not thread.is_alive()


def test_objects_share_one_set_of_weights(checkpoint: Path, clip: CLIP) -> None:
    other = CLIP(checkpoint)
    assert other.backend is clip.backend
    other.close()


def test_half_precision_is_near(checkpoint: Path, clip: CLIP, images: list[PIL.Image.Image]) -> None:
    with CLIP(checkpoint, dtype="bfloat16") as half:
        rows = half.encode_image(images)
    assert rows.dtype == torch.float32
    assert (rows * clip.encode_image(images)).sum(-1).min() > 0.99


def copy_of(checkpoint: Path, folder: Path) -> Path:
    return Path(shutil.copytree(checkpoint, folder / "copied-clip"))


def refusal(folder: Path) -> str:
    with pytest.raises((ModelUnavailableError, UnsupportedError)) as caught:
        CLIP(folder).load()
    print(caught.value)
    return str(caught.value)


def test_pickled_weights_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copy_of(checkpoint, tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "only as a pickle (pytorch_model.bin)" in refusal(folder)


def test_half_downloaded_checkpoints_are_told(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy_of(checkpoint, tmp_path)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "damaged, or only half there" in refusal(folder)
    weights.unlink()
    assert "model.safetensors is missing" in refusal(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"logit_scale": "model-00001-of-00002.safetensors"}}))
    assert "model-00001-of-00002.safetensors is missing" in refusal(folder)
    index.unlink()
    tensors = load_file(checkpoint / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    assert "1 of its weights are missing, such as 'visual_projection.weight'" in refusal(folder)
    weights.write_bytes(whole)
    (folder / "tokenizer.json").write_text("{")
    assert "tokenizer" in refusal(folder).lower()


def test_folders_that_are_no_clip(checkpoint: Path, tmp_path: Path) -> None:
    assert "no config.json" in refusal(tmp_path)
    folder = copy_of(checkpoint, tmp_path)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    assert "its family is 'bert'" in refusal(folder)


def test_the_chapters_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    PIL.Image.open(real_media.photo("chelsea")).convert("RGB").save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(Path(__file__).parents[2] / "examples" / "clip_zero_shot.py"))
    printed = capsys.readouterr().out
    print(printed)
    assert printed.startswith("[{'label': 'cat', 'score': 0.")


def test_threads_may_share_an_object(checkpoint: Path, images: list[PIL.Image.Image]) -> None:
    with CLIP(checkpoint) as shared, ThreadPoolExecutor(8) as pool:
        texts = [[f"thing {number}", "x " * number] for number in range(1, 40)]
        found = list(pool.map(shared.encode_text, texts))
        assert all(torch.allclose(rows, shared.encode_text(pair)) for pair, rows in zip(texts, found, strict=True))
        alone = shared.encode_image(images)
        for rows in pool.map(shared.encode_image, [images] * 8):
            assert torch.allclose(rows, alone, atol=1e-6)
