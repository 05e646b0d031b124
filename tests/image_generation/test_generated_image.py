"""Pictures that know how they were made: what their files say, and that nothing half-written is left."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from sensorium.errors import InputError
from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages, pixel_sum, read_settings
from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.media.image import read_image

SETTINGS = PictureSettings(
    kind="text-to-image",
    prompt="a cat — 猫\nline two",
    negative_prompt="",
    seed=2**40,
    width=12,
    height=8,
    model="someone/model",
    revision="abc",
    steps=20,
    guidance_scale=7.5,
    scheduler="euler",
    loras=({"name": "ink.safetensors", "sha256": "00", "weight": 0.5},),
    embeddings=({"name": "bad.safetensors", "sha256": "01", "word": "bad"},),
)


@pytest.fixture
def picture() -> GeneratedImage:
    return GeneratedImage.of(PIL.Image.effect_noise((12, 8), 80).convert("RGB"), SETTINGS)


def test_it_is_a_pil_image(picture: GeneratedImage) -> None:
    assert isinstance(picture, PIL.Image.Image)
    assert picture.resize((6, 4)).size == (6, 4)
    assert picture.settings == SETTINGS


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_file_says_how_it_was_made(picture: GeneratedImage, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    picture.save(path)
    assert read_settings(path) == SETTINGS
    assert read_settings(path.read_bytes()) == SETTINGS
    assert read_settings(PIL.Image.open(path)) == SETTINGS
    assert list(tmp_path.iterdir()) == [path]


def test_the_texts_in_a_png_are_for_other_programs_too(picture: GeneratedImage, tmp_path: Path) -> None:
    picture.save(str(tmp_path / "picture.png"))
    with PIL.Image.open(tmp_path / "picture.png") as opened:
        texts = opened.text  # type: ignore[attr-defined]
    assert texts["prompt"] == SETTINGS.prompt
    assert (texts["seed"], texts["steps"], texts["size"]) == (str(2**40), "20", "12x8")
    assert (texts["model"], texts["revision"], texts["scheduler"]) == ("someone/model", "abc", "euler")
    assert texts["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert texts["Software"].startswith("Sensorium ")


def test_saving_leaves_nothing_half_written(picture: GeneratedImage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="doesn't exist"):
        picture.save(tmp_path / "absent" / "picture.png")
    (tmp_path / "picture.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        picture.save(tmp_path / "picture.png")
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_a_smaller_file_says_how_the_picture_was_made_too(picture: GeneratedImage, tmp_path: Path) -> None:
    for suffix in ("jpg", "webp"):
        small, usual = tmp_path / f"small.{suffix}", tmp_path / f"usual.{suffix}"
        picture.save(small, quality=10)
        picture.save(usual)
        assert small.stat().st_size < usual.stat().st_size
        assert read_settings(small) == picture.settings


def test_with_pils_own_arguments_it_is_pils_own_save(picture: GeneratedImage, tmp_path: Path) -> None:
    picture.save(tmp_path / "small.jpg", progressive=True)
    picture.save(tmp_path / "picture.bmp")
    with (tmp_path / "open.png").open("wb") as file:
        picture.save(file, format="PNG")
    for name in ("small.jpg", "picture.bmp", "open.png"):
        with pytest.raises(InputError, match=f"{name} doesn't say how it was made"):
            read_settings(tmp_path / name)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"kind": "text-to-image"}'])
def test_texts_of_other_programs_are_not_settings(tmp_path: Path, text: str) -> None:
    from sensorium.media.image import write_image

    path = write_image(PIL.Image.new("RGB", (4, 4)), tmp_path / "other.png", metadata={"sensorium": text})
    with pytest.raises(InputError, match=r"The picture .*other\.png doesn't say how it was made"):
        read_settings(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": 5},
        {"negative_prompt": None},
        {"seed": "7"},
        {"width": None},
        {"model": ["a"]},
        {"scheduler": 5},
        {"loras": [1]},
        {"loras": [{"name": "ink"}]},
        {"embeddings": [{"name": "bad", "sha256": "01"}]},
        {"ip_adapters": [{"name": "like", "images": "x"}]},
        {"options": "abc"},
        {"options": {"prompt_weight": "x"}},
        {"options": {"controls": "x"}},
        {"options": {"controls": [{"control": "canny"}]}},
    ],
)
def test_settings_that_others_wrote_have_their_types(tmp_path: Path, wrong: dict[str, Any]) -> None:
    from sensorium.media.image import write_image

    def written(table: dict[str, Any]) -> Path:
        text = json.dumps(table)
        return write_image(PIL.Image.new("RGB", (4, 4)), tmp_path / "other.png", metadata={"sensorium": text})

    assert read_settings(written(SETTINGS.to_dict())).prompt == SETTINGS.prompt
    with pytest.raises(InputError, match="doesn't say how it was made"):
        read_settings(written({**SETTINGS.to_dict(), **wrong}))


def test_settings_nested_without_end(tmp_path: Path) -> None:
    from sensorium.media.image import write_image

    image = PIL.Image.new("RGB", (4, 4))
    with pytest.raises(InputError, match="doesn't say how it was made"):
        read_settings(write_image(image, tmp_path / "other.png", metadata={"sensorium": "[" * 100_000}))


def test_a_list_tells_what_was_flagged(picture: GeneratedImage) -> None:
    pictures = GeneratedImages([picture], notes=("A note",))
    assert pictures.flagged == [False]
    assert json.loads(json.dumps(pictures.to_dict()))["notes"] == ["A note"]


def same(ours: GeneratedImages, other: GeneratedImages) -> bool:
    """Return whether two lists of pictures are the same in every respect."""
    parts = [
        (type(images), images.settings, [picture.tobytes() for picture in images], images.withheld, images.notes)
        for images in (ours, other)
    ]
    return parts[0] == parts[1] and all(type(picture) is GeneratedImage for picture in other)


def test_pictures_go_to_another_process_by_pickle_and_as_json(picture: GeneratedImage) -> None:
    pictures = GeneratedImages([picture, picture], withheld=1, notes=("A note",))
    assert same(pictures, pickle.loads(pickle.dumps(pictures)))
    document = json.loads(json.dumps(pictures.to_dict()))
    assert same(pictures, GeneratedImages.from_dict(document))
    assert GeneratedImage.from_dict(document["pictures"][0]).settings == SETTINGS


def test_the_picture_in_a_document_is_a_file_that_says_how_it_was_made(picture: GeneratedImage) -> None:
    uri = picture.to_dict()["picture"]
    assert read_settings(uri) == SETTINGS
    assert read_image(uri).tobytes() == picture.tobytes()


def test_a_document_without_pixels_has_the_settings_and_is_no_picture(picture: GeneratedImage) -> None:
    document = GeneratedImages([picture]).to_dict(pixels=False)
    assert document["pictures"] == [{"settings": SETTINGS.to_dict()}]
    for wrong in (document, {}, [], {"pictures": 5}, {"pictures": [{}], "withheld": 0, "notes": []}):
        with pytest.raises(InputError):
            GeneratedImages.from_dict(wrong)  # type: ignore[arg-type]


def test_a_document_from_anybody_opens_no_file(picture: GeneratedImage, tmp_path: Path) -> None:
    picture.save(tmp_path / "picture.png")
    with pytest.raises(InputError):
        GeneratedImage.from_dict({**picture.to_dict(), "picture": str(tmp_path / "picture.png")})


def test_the_sum_of_pixels_is_of_pixels() -> None:
    grey = PIL.Image.new("RGB", (4, 2), (9, 9, 9))
    assert pixel_sum(None) == ""
    assert pixel_sum(grey) == pixel_sum(grey.copy())
    assert len({pixel_sum(grey), pixel_sum(grey.convert("L")), pixel_sum(grey.resize((2, 4)))}) == 3
