"""Operations that paint, with the starter's painter in a few steps; and with tiny checkpoints what it can't do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import torch
from safetensors.torch import save_file

from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.generated_image import read_settings
from sensorium.media.limits import Limits
from sensorium.media.source import MediaSource, resolve
from sensorium.models import catalog
from sensorium.operations.artifact import Artifact
from sensorium.operations.control import Control, ControlMap
from sensorium.operations.image_generation import Edit, Imagine, Vary
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.paint_again import PaintAgain
from sensorium.operations.pictures import Picture
from sensorium.operations.tasks import Tasks
from sensorium.progress import Event, Finished, Preview, Progress
from tests import real_media
from tests.checkpoints.diffusion import tiny_lora, tiny_stable_diffusion
from tests.checkpoints.ip_adapter import tiny_image_encoder, tiny_ip_adapter
from tests.checkpoints.unclip import tiny_kandinsky
from tests.operations.unheard import Unheard
from tests.refusals import refused

FEW = {"steps": 2, "seed": 7}
CUP = "a flat drawing of a cup of coffee"


class Listening(Unheard):
    """Keeps files and what it is told; with ``until``, it stops the operation as soon as that is told of."""

    def __init__(self, folder: Path, until: Callable[[Event], bool] = lambda event: False) -> None:
        super().__init__(folder)
        self.told: list[Event] = []
        self.kept: list[str] = []
        self._until = until
        self._stop = False

    def tell(self, event: Event) -> None:
        self.told.append(event)
        self._stop = self._stop or self._until(event)

    def is_set(self) -> bool:
        return self._stop

    def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
        artifact = super().keep(name, media_type, write)
        self.kept.append(name)
        return artifact

    @property
    def finished(self) -> list[Picture]:
        return [event.result for event in self.told if isinstance(event, Finished)]


class Uploads:
    """Media as a server finds them: files without suffixes, whose names only messages know."""

    def __init__(self, **files: Path) -> None:
        self._files = files

    def __call__(self, reference: Media) -> MediaSource:
        assert reference.upload, "a path would be refused"
        return resolve(self._files[reference.upload])


@pytest.fixture(scope="module")
def photo() -> Path:
    return real_media.photo("coffee")


@pytest.fixture(scope="module")
def tasks(photo: Path) -> Iterator[Tasks]:
    """The tasks of a worker: no path may be named."""
    tasks = Tasks(limits=Limits(allow_files=False, allow_urls=False), find_media=Uploads(photo=photo))
    yield tasks
    tasks.close()


@pytest.fixture
def report(tmp_path: Path) -> Listening:
    return Listening(tmp_path)


def through_json(operation: Operation, tasks: Tasks, report: Unheard) -> Any:
    """Send an operation and its result through JSON, as a server and its client do; return what the client gets."""
    arrived = type(operation).of(json.loads(operation.model_dump_json()))
    assert arrived == operation
    result = arrived.run(tasks, report)
    received = operation.result_type().from_dict(json.loads(json.dumps(result.to_dict())))
    assert received.to_dict() == result.to_dict()
    return received


def pixels(path: Path) -> bytes:
    with PIL.Image.open(path) as picture:
        return picture.convert("RGB").tobytes()


def test_pictures_are_kept_and_told_as_soon_as_they_are_painted(
    tasks: Tasks, report: Listening, tmp_path: Path
) -> None:
    made = through_json(Imagine(prompt="a red car", num_images=2, previews=True, **FEW), tasks, report)
    assert report.kept == ["picture-1.png", "picture-2.png"]
    assert [picture.to_dict() for picture in report.finished] == [picture.to_dict() for picture in made.pictures]
    assert Imagine.part_type() is Picture
    assert Picture.from_dict(made.pictures[1].to_dict()).settings.seed == 8
    kinds = [type(event) for event in report.told]
    assert kinds.index(Finished) < len(kinds) - 1 - kinds[::-1].index(Preview)
    steps = [event.done for event in report.told if isinstance(event, Progress) and event.stage == "painting"]
    assert steps == sorted(steps)
    for picture in made.pictures:
        file = tmp_path / picture.artifact.name
        assert (picture.artifact.size, picture.artifact.media_type) == (file.stat().st_size, "image/png")
        assert read_settings(file).to_dict() == picture.settings.to_dict()


@pytest.mark.parametrize(("format", "name"), [("png", "picture-1.png"), ("jpeg", "picture-1.jpg"), ("webp", None)])
def test_files_of_each_format_say_how_they_were_made(
    tasks: Tasks, report: Listening, tmp_path: Path, format: str, name: str | None
) -> None:
    (picture,) = Imagine(prompt="a tree", format=format, **FEW).run(tasks, report).pictures
    assert picture.artifact.name == (name or f"picture-1.{format}")
    assert picture.artifact.media_type == f"image/{format}"
    with PIL.Image.open(tmp_path / picture.artifact.name) as opened:
        assert opened.format == format.upper()
    assert read_settings(tmp_path / picture.artifact.name).prompt == "a tree"


def test_seeds_and_styles(tasks: Tasks, tmp_path: Path) -> None:
    found = []
    for number, fields in enumerate(({}, {}, {"seed": 8}, {"style": "watercolor"})):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = Imagine(**{"prompt": "a cat", **FEW, **fields}).run(tasks, Unheard(folder))
        found.append(pixels(folder / "picture-1.png"))
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert made.pictures[0].settings.prompt.startswith("a cat, watercolor painting")


def test_a_size_may_be_a_wish(tasks: Tasks, report: Listening) -> None:
    """The starter's painter was trained on squares of 64 pixels."""
    sizes = {(1024, 1024): (64, 64), (1536, 1024): (80, 56), (72, 64): (72, 64), (32, 24): (32, 24)}
    for asked, painted in sizes.items():
        wish = {"width": asked[0], "height": asked[1], "nearest_size": True, **FEW}
        made = Imagine(prompt=CUP, **wish).run(tasks, report).pictures[0]
        assert (made.settings.width, made.settings.height) == painted
    wish = {"width": 1024, "height": 1536, "nearest_size": True, "steps": 4, "seed": 7}
    made = Edit(prompt=CUP, image="upload:photo", **wish).run(tasks, report).pictures[0]
    assert (made.settings.width, made.settings.height) == (56, 80)
    with refused(InputError, "1600×320"):
        Imagine(prompt=CUP, width=1600, height=320, nearest_size=True, **FEW).run(tasks, report)


def test_a_mask_may_mark_with_transparency(report: Listening, photo: Path, tmp_path: Path) -> None:
    marked = PIL.Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    marked.paste((0, 0, 0, 0), (0, 0, 32, 64))
    marked.save(tmp_path / "mask.png")
    mask = {"mask": "upload:mask", "mask_marks": "transparent", "width": 64, "height": 64}
    tasks = Tasks(find_media=Uploads(photo=photo, mask=tmp_path / "mask.png"))
    made = Edit(prompt=CUP, image="upload:photo", **mask, **FEW).run(tasks, report).pictures[0]
    tasks.close()
    before = np.asarray(PIL.ImageOps.fit(PIL.Image.open(photo).convert("RGB"), (64, 64), PIL.Image.Resampling.LANCZOS))
    after = np.asarray(PIL.Image.open(tmp_path / made.artifact.name))
    assert np.array_equal(after[:, 32:], before[:, 32:])
    assert not np.array_equal(after[:, :32], before[:, :32])


def test_files_may_be_smaller(tasks: Tasks, report: Listening, tmp_path: Path) -> None:
    sizes = []
    for quality in (95, 10):
        made = Imagine(prompt=CUP, format="webp", quality=quality, **FEW).run(tasks, report).pictures[0]
        sizes.append(made.artifact.size)
        assert read_settings(tmp_path / made.artifact.name).seed == FEW["seed"]
    assert sizes[1] < sizes[0]


def test_what_was_painted_before_a_failure_is_kept(tasks: Tasks, tmp_path: Path) -> None:
    class FullDisk(Listening):
        def keep(self, name: str, media_type: str, write: Callable[[Path], object]) -> Artifact:
            if self.kept:
                raise InputError(f"{name} can't be written", "Make room")
            return super().keep(name, media_type, write)

    report = FullDisk(tmp_path)
    with refused(InputError, "picture-2.png"):
        Imagine(prompt="a cat", num_images=3, **FEW).run(tasks, report)
    assert [picture.settings.seed for picture in report.finished] == [7]
    assert [path.name for path in tmp_path.iterdir()] == ["picture-1.png"]


def test_what_was_painted_before_a_cancellation_is_kept(tasks: Tasks, tmp_path: Path) -> None:
    report = Listening(tmp_path, until=lambda event: isinstance(event, Finished))
    with pytest.raises(CancelledError):
        Imagine(prompt="a cat", num_images=3, **FEW).run(tasks, report)
    assert [picture.artifact.name for picture in report.finished] == ["picture-1.png"]
    assert read_settings(tmp_path / "picture-1.png").seed == 7
    half = Listening(tmp_path, until=lambda event: isinstance(event, Progress) and event.stage == "painting")
    with pytest.raises(CancelledError):
        Imagine(prompt="a cat", steps=50).run(tasks, half)
    assert half.kept == []


def test_an_edit_and_the_same_again(photo: Path, report: Listening, tmp_path: Path) -> None:
    mask = PIL.Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    mask.save(tmp_path / "mask.png")
    kept = tmp_path / "picture-1.png"
    uploads = Uploads(photo=photo, mask=tmp_path / "mask.png", painted=kept)
    tasks = Tasks(limits=Limits(allow_files=False), find_media=uploads)
    edit = Edit(image="upload:photo", prompt="a cup of tea", mask="upload:mask", width=64, height=64, **FEW)
    assert list(edit.media()) == ["upload:photo", "upload:mask"]
    (picture,) = through_json(edit, tasks, report).pictures
    assert (picture.settings.kind, picture.settings.strength) == ("inpainting", 1.0)
    folder = tmp_path / "again"
    folder.mkdir()
    with refused(InputError, "mask"):
        PaintAgain(picture="upload:painted", model="painter-starter", image="upload:photo").run(tasks, Unheard(folder))
    again = {"picture": "upload:painted", "model": "painter-starter", "image": "upload:photo", "mask": "upload:mask"}
    made = through_json(PaintAgain(**again), tasks, Unheard(folder))
    assert (made.identical, made.difference) == (True, "")
    assert made.picture.settings.to_dict() == picture.settings.to_dict()
    assert pixels(folder / "picture-1.png") == pixels(kept)
    (whole,) = Edit(image="upload:photo", prompt="a cup of tea", strength=0.5, **FEW).run(tasks, report).pictures
    assert (whole.settings.kind, whole.settings.strength) == ("image-to-image", 0.5)
    tasks.close()


def test_a_picture_does_not_say_what_paints_it_again(tasks: Tasks, report: Listening, tmp_path: Path) -> None:
    Imagine(prompt="a cat", **FEW).run(tasks, report)
    paths = Tasks()
    picture = str(tmp_path / "picture-1.png")
    with refused(InputError, "paint-again", "'model'"):
        PaintAgain(picture=picture)
    with refused(UnsupportedError, "painter-starter", "stable-diffusion-2-1"):
        PaintAgain(picture=picture, model="stable-diffusion-2-1").run(paths, report)
    with refused(InputError, "canny"):
        controlled = {"controls": ["canny"], "reference": picture}
        PaintAgain(picture=picture, model="painter-starter", **controlled).run(paths, report)
    with PIL.Image.open(picture) as opened:
        opened.convert("RGB").save(tmp_path / "silent.png")
    with refused(InputError, "silent.png"):
        PaintAgain(picture=str(tmp_path / "silent.png"), model="painter-starter").run(paths, report)


def test_another_picture_in_the_end_is_told(tasks: Tasks, report: Listening, tmp_path: Path) -> None:
    Imagine(prompt="a cat", format="jpeg", **FEW).run(tasks, report)
    again = PaintAgain(picture=str(tmp_path / "picture-1.jpg"), model="painter-starter")
    made = again.run(Tasks(), report)
    assert made.identical is False
    assert "compressed" in made.difference


def test_variations(photo: Path, tmp_path: Path) -> None:
    _, decoder = tiny_kandinsky(tmp_path / "hub", prior=str(tmp_path / "hub" / "prior"))
    tasks = Tasks(find_media=Uploads(photo=photo))
    vary = Vary(image="upload:photo", model=str(decoder), num_images=2, width=64, height=64, **FEW)
    made = through_json(vary, tasks, Listening(tmp_path))
    assert [(picture.settings.kind, picture.settings.seed) for picture in made.pictures] == [
        ("variation", 7),
        ("variation", 8),
    ]
    mixed = Vary(image="upload:photo", model=str(decoder), prompt="a dog", prompt_weight=0.9, width=64, height=64)
    settings = mixed.run(tasks, Listening(tmp_path)).pictures[0].settings
    assert (settings.prompt, (settings.options or {})["prompt_weight"]) == ("a dog", 0.9)
    with refused(UnsupportedError, "painter-starter"):
        Vary(image="upload:photo", model="painter-starter").run(tasks, Listening(tmp_path))
    tasks.close()


def test_a_lora_file_that_was_sent(tmp_path: Path) -> None:
    checkpoint = tiny_stable_diffusion(tmp_path / "hub")
    sent = tiny_lora(tmp_path / "ink.safetensors", checkpoint).rename(tmp_path / "0a1b")
    tasks = Tasks(limits=Limits(allow_files=False), find_media=Uploads(ink=sent))
    found = []
    for weight in (0.0, 1.0):
        lora = [{"file": "upload:ink", "weight": weight}]
        imagine = Imagine(prompt="a cat", model=str(checkpoint), lora=lora, **FEW)
        assert list(imagine.media()) == ["upload:ink"]
        (picture,) = through_json(imagine, tasks, Listening(tmp_path)).pictures
        assert picture.settings.loras[0]["weight"] == weight
        found.append(pixels(tmp_path / "picture-1.png"))
    assert found[0] != found[1]
    tasks.close()


def test_an_embedding_that_was_sent(tmp_path: Path) -> None:
    checkpoint = tiny_stable_diffusion(tmp_path / "hub")
    save_file({"emb_params": torch.randn(2, 32)}, tmp_path / "0a1b")
    tasks = Tasks(limits=Limits(allow_files=False), find_media=Uploads(ink=tmp_path / "0a1b"))
    for word in ("ink", "fog"):
        embedding = [{"file": "upload:ink", "word": word}]
        imagine = Imagine(prompt="a cat, ink", model=str(checkpoint), embedding=embedding, **FEW)
        (picture,) = through_json(imagine, tasks, Listening(tmp_path)).pictures
        assert [each["word"] for each in picture.settings.embeddings] == (["ink"] if word == "ink" else [])
    tasks.close()


def test_an_ip_adapter_that_was_sent(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its image encoder is one of the catalog's that is here; those who send can't have it fetched."""
    from huggingface_hub import constants

    card = catalog.named("ip-adapter-image-encoder")
    checkpoint = tiny_stable_diffusion(tmp_path / "hub")
    sent = tiny_ip_adapter(tmp_path / "like.safetensors", checkpoint, projected=1024).rename(tmp_path / "0a1b")
    tasks = Tasks(limits=Limits(allow_files=False), find_media=Uploads(like=sent, style=photo))
    asked = {"prompt": "a cat", "model": str(checkpoint), "ip_adapter": [{"images": ["upload:style"]}], **FEW}
    asked["ip_adapter"][0]["file"] = "upload:like"
    imagine = Imagine(**asked)
    assert list(imagine.media()) == ["upload:style", "upload:like"]
    with refused(ModelUnavailableError, card.name, "models pull"):
        through_json(imagine, tasks, Listening(tmp_path))
    snapshot = tmp_path / "cache" / "models--h94--IP-Adapter" / "snapshots" / card.revision
    tiny_image_encoder(snapshot / "models" / "image_encoder", projected=1024)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    (picture,) = through_json(imagine, tasks, Listening(tmp_path)).pictures
    assert picture.settings.ip_adapters[0]["encoder"] == card.name
    again = PaintAgain(picture="upload:made", model=str(checkpoint), ip_adapter=asked["ip_adapter"])
    tasks.media = Uploads(like=sent, style=photo, made=tmp_path / "picture-1.png")  # type: ignore[assignment]
    assert through_json(again, tasks, Listening(tmp_path)).identical
    tasks.close()


def test_what_an_ip_adapter_opens() -> None:
    like = {"images": ["upload:style"]}
    painter = "stable-diffusion-v1-5"
    for named, expected in ((None, "ip-adapter-sd15"), ("ip-adapter-plus-face-sd15", "ip-adapter-plus-face-sd15")):
        for operation in (
            Imagine(prompt="a cat", model=painter, ip_adapter=[{**like, "model": named}]),
            PaintAgain(picture="upload:made", model=painter, ip_adapter=[{**like, "model": named}]),
        ):
            names = [each.name for each in operation.checkpoints()]
            assert names == [painter, expected, "ip-adapter-image-encoder"]
    with refused(InputError, "1.5"):
        Imagine(prompt="a cat", ip_adapter=[{**like, "scale": 1.5}])
    with refused(InputError, "ip_adapter"):
        Imagine(prompt="a cat", ip_adapter=[{"images": []}])


def test_pictures_under_control_and_their_maps(tasks: Tasks, report: Listening, photo: Path, tmp_path: Path) -> None:
    control = Control(prompt=CUP, reference="upload:photo", controls=["canny"], weights={"canny": 0.8}, **FEW)
    made = through_json(control, tasks, report)
    assert report.kept == ["map-canny.png", "picture-1.png"], "the map is there before the first step"
    (drawn,) = made.maps
    assert (drawn.control, drawn.model, drawn.black) == ("canny", "opencv", False)
    (table,) = (made.pictures[0].settings.options or {})["controls"]
    assert (table["control"], table["weight"]) == ("canny", 0.8)

    first, folder = tmp_path / "picture-1.png", tmp_path / "again"
    folder.mkdir()
    uploads = Tasks(find_media=Uploads(photo=photo, map=tmp_path / "map-canny.png", painted=first))
    ready = Control(prompt=CUP, controls=["canny"], maps={"canny": "upload:map"}, weights={"canny": 0.8}, **FEW)
    with_map = ready.model_copy(update={"map_format": None}).run(uploads, Unheard(folder))
    assert with_map.maps == ()
    assert pixels(folder / "picture-1.png") == pixels(first)
    again = {"picture": "upload:painted", "model": "painter-starter"}
    for source in ({"reference": "upload:photo"}, {"maps": {"canny": "upload:map"}}):
        assert PaintAgain(**again, controls=["canny"], **source).run(uploads, Unheard(folder)).identical
    with refused(UnsupportedError, "control"):
        PaintAgain(**again).run(uploads, Unheard(folder))
    with refused(InputError, "canny", "depth"):
        PaintAgain(**again, controls=["depth"], reference="upload:photo").run(uploads, Unheard(folder))
    uploads.close()


def test_a_map_outlives_a_painting_that_is_cancelled(tasks: Tasks, tmp_path: Path) -> None:
    report = Listening(tmp_path, until=lambda event: isinstance(event, Progress) and event.stage == "painting")
    with pytest.raises(CancelledError):
        Control(prompt=CUP, reference="upload:photo", controls=["canny"], steps=50).run(tasks, report)
    assert report.kept == ["map-canny.png"]


def test_maps_alone(tasks: Tasks, report: Listening, tmp_path: Path) -> None:
    few = {"low_threshold": 300, "high_threshold": 600}
    made = through_json(ControlMap(image="upload:photo", control="canny", settings=few), tasks, report)
    assert (made.artifact.name, made.control, made.model) == ("map.png", "canny", "opencv")
    with PIL.Image.open(tmp_path / "map.png") as drawn:
        assert (drawn.width, drawn.height) == (made.width, made.height)
        few_edges = np.count_nonzero(np.asarray(drawn))
    webp = ControlMap(image="upload:photo", control="canny", format="webp").run(tasks, report)
    assert (webp.artifact.name, webp.artifact.media_type) == ("map.webp", "image/webp")
    with PIL.Image.open(tmp_path / "map.webp") as drawn:
        assert 0 < few_edges < np.count_nonzero(np.asarray(drawn))
    PIL.Image.new("RGB", (64, 64), "grey").save(tmp_path / "plain.png")
    plain = ControlMap(image=str(tmp_path / "plain.png"), control="canny").run(Tasks(), report)
    assert plain.black is True


def test_checkpoints_are_told_before_anything_is_opened() -> None:
    def names(operation: Operation) -> list[str]:
        return [checkpoint.name for checkpoint in operation.checkpoints()]

    standard = {"profile": "standard"}
    assert names(Imagine(prompt="a cat")) == ["painter-starter"]
    assert names(Edit(prompt="a cat", image="upload:1", **standard)) == ["stable-diffusion-2-1"]
    assert names(Vary(image="upload:1", model="kandinsky-2-2")) == ["kandinsky-2-2"]
    assert names(PaintAgain(picture="upload:1", model="sdxl-turbo")) == ["sdxl-turbo"]
    assert names(ControlMap(image="upload:1", control="canny")) == []
    assert names(ControlMap(image="upload:1")) == ["blazepose-poses"]
    poses = names(ControlMap(image="upload:1", **standard))
    assert poses == ["vitpose-base", "rt-detr-r50"]
    both = {"reference": "upload:1", "controls": ["openpose", "depth"], **standard}
    painter = ["stable-diffusion-v1-5", "sd-controlnet-openpose", "sd-controlnet-depth"]
    assert names(Control(prompt="a cat", **both)) == [*painter, *poses, "depth-anything-v2-small"]
    drawn = {"maps": {"depth": "upload:2"}, "annotators": {"openpose": "blazepose-poses"}}
    assert names(Control(prompt="a cat", **both, **drawn)) == [*painter, "blazepose-poses"]
    again = {"picture": "upload:3", "model": "stable-diffusion-v1-5"}
    assert names(PaintAgain(**again, **both, maps={"openpose": "upload:2"})) == [*painter, "depth-anything-v2-small"]
    with refused(ModelUnavailableError, "depth", "painter-starter"):
        Control(prompt="a cat", reference="upload:1", controls=["depth"]).checkpoints()
    with refused(InputError, "edges", "canny"):
        Control(prompt="a cat", controls=["edges"], maps={"edges": "upload:1"}).checkpoints()
    own = {"controls": ["edges"], "maps": {"edges": "upload:1"}, "controlnets": {"edges": "sd-controlnet-canny"}}
    assert names(Control(prompt="a cat", **own)) == ["painter-starter", "sd-controlnet-canny"]
    assert catalog.named("painter-starter") == Imagine(prompt="a cat").checkpoints()[0]


def test_what_can_be_loaded_before(tasks: Tasks, report: Listening) -> None:
    for operation in (
        Imagine(prompt="a cat"),
        Control(prompt="a cat", reference="upload:photo", controls=["canny"]),
        ControlMap(image="upload:photo"),
        ControlMap(image="upload:photo", control="canny"),
        PaintAgain(picture="upload:photo", model="painter-starter"),
    ):
        operation.load(tasks, report)


IMAGE = {"image": "upload:1"}
CANNY = {"prompt": "a cat", "reference": "upload:1", "controls": ["canny"]}


@pytest.mark.parametrize(
    ("operation", "fields", "names"),
    [
        (Imagine, {}, ("'prompt'",)),
        (Imagine, {"prompt": " "}, ("prompt is empty",)),
        (Imagine, {"prompt": "\ud800"}, ("The prompt", "Unicode")),
        (Imagine, {"prompt": "a cat", "negative_prompt": "\ud800"}, ("negative prompt", "Unicode")),
        (Imagine, {"prompt": "a cat", "model": "\ud800"}, ("The model", "Unicode")),
        (Imagine, {"prompt": "a cat", "step": 3}, ("'step'", "'steps'")),
        (Imagine, {"prompt": "a cat", "steps": 0}, ("number of steps", "0", "1 to 1000")),
        (Imagine, {"prompt": "a cat", "steps": "many"}, ("'steps'", "'many'")),
        (Imagine, {"prompt": "a cat", "width": 500}, ("500", "496 or 504")),
        (Imagine, {"prompt": "a cat", "num_images": 101}, ("number of images", "101")),
        (Imagine, {"prompt": "a cat", "guidance_scale": float("nan")}, ("guidance scale", "nan")),
        (Imagine, {"prompt": "a cat", "seed": -1}, ("seed", "-1")),
        (Imagine, {"prompt": "a cat", "scheduler": "eular"}, ("'eular'", "'euler'")),
        (Imagine, {"prompt": "a cat", "safety": "on"}, ("'on'", "flag, block, off")),
        (Imagine, {"prompt": "a cat", "style": "watercolour"}, ("'watercolour'", "'watercolor'")),
        (Imagine, {"prompt": "a cat", "format": "gif"}, ("'format'", "'gif'", "'webp'")),
        (Imagine, {"prompt": "a cat", "lora": [{"file": "upload:2", "weight": 11}]}, ("upload:2", "11")),
        (Imagine, {"prompt": "a cat", "lora": [{"weight": 1}]}, ("LoRA", "'file'", "'name'")),
        (Imagine, {"prompt": "a cat", "lora": [{"name": "../ink"}]}, ("../ink", "owner/repository")),
        (Edit, {"prompt": "a cat"}, ("'image'",)),
        (Edit, {"prompt": "a cat", **IMAGE, "strength": 0}, ("strength of 0",)),
        (Edit, {"prompt": "a cat", **IMAGE, "strength": 2}, ("The strength", "2")),
        (Vary, IMAGE, ("'model'",)),
        (Vary, {**IMAGE, "model": "kandinsky-2-2", "prompt_weight": 2}, ("weight of the prompt", "2")),
        (Vary, {**IMAGE, "model": "kandinsky-2-2", "style": "anime"}, ("style",)),
        (Vary, {**IMAGE, "model": "kandinsky-2-2", "scheduler": "euler"}, ("vary", "'scheduler'")),
        (Control, {"prompt": "a cat", "controls": ["canny"]}, ("reference picture", "'canny'")),
        (Control, {**CANNY, "controls": ["canny", "canny"]}, ("'canny'", "2 times")),
        (Control, {**CANNY, "weights": {"depth": 1}}, ("weights", "'depth'", "canny")),
        (Control, {**CANNY, "weights": {"canny": 3}}, ("weight of canny", "3")),
        (Control, {**CANNY, "start": {"canny": 0.5}, "end": {"canny": 0.5}}, ("canny", "0.5")),
        (Control, {**CANNY, "annotators": {"canny": "x"}}, ("canny map needs no checkpoint",)),
        (Control, {**CANNY, "image": "upload:2", "strength": 0}, ("strength of 0",)),
        (Control, {"prompt": "a cat", "reference": "upload:1", "controls": ["hed"]}, ("'hed'",)),
        (ControlMap, {**IMAGE, "control": "cany"}, ("'cany'", "'canny'")),
        (ControlMap, {**IMAGE, "control": "canny", "model": "x"}, ("canny map needs no checkpoint",)),
        (ControlMap, {**IMAGE, "control": "seg", "settings": {"axes": "xyz"}}, ("seg", "'axes'")),
        (ControlMap, {**IMAGE, "control": "canny", "settings": {"low_threshold": "x"}}, ("low_threshold", "'x'")),
        (PaintAgain, {"picture": "upload:1", "model": "x", "maps": {"canny": "upload:2"}}, ("maps",)),
        (Control, {**CANNY, "mask": "upload:2"}, ("mask", "picture to repaint")),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_opened(
    operation: type[Operation], fields: dict[str, Any], names: tuple[str, ...]
) -> None:
    with refused(InputError, *names):
        operation.of(fields)


@pytest.mark.parametrize("operation", [Imagine, Edit, Vary, Control, ControlMap, PaintAgain])
def test_the_schema_says_what_fits(operation: type[Operation]) -> None:
    schema = operation.model_json_schema()
    assert schema["description"] == operation.__doc__ or operation.__doc__.startswith(schema["description"][:40])
    undescribed = [name for name, field in schema["properties"].items() if "description" not in field]
    assert undescribed == []
    if "steps" in schema["properties"]:
        assert (schema["properties"]["steps"]["minimum"], schema["properties"]["steps"]["maximum"]) == (1, 1000)
        assert schema["properties"]["width"]["multipleOf"] == 8
