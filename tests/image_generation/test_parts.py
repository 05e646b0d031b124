"""What painting systems are made of comes from whoever runs them; what they read, they read once and within limits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from sensorium import ControlNetGenerator, TextToImage
from sensorium.errors import InputError
from sensorium.image_generation.annotators.depth_estimation import DepthEstimator
from sensorium.image_generation.annotators.object_detection import ObjectDetector
from sensorium.image_generation.annotators.pose_estimation import PoseEstimator
from sensorium.image_generation.control_maps import ControlMaps
from sensorium.image_generation.diffusion.control.control_network import ControlNetwork
from sensorium.media import image as media_image
from sensorium.media.limits import Limits
from sensorium.task import Task
from sensorium.vision_language.people import PeopleDetector
from tests import real_media
from tests.checkpoints.annotators import tiny_depth_anything, tiny_rt_detr, tiny_vitpose
from tests.checkpoints.controlnet import tiny_controlnet

PROMPT = "a cat"
NO_FILES = Limits(allow_files=False)


@pytest.fixture(scope="module")
def canny(tmp_path_factory: pytest.TempPathFactory, stable_diffusion: Path) -> Path:
    return tiny_controlnet(tmp_path_factory.mktemp("controlnet") / "canny", stable_diffusion)


@pytest.fixture
def photo(cat: PIL.Image.Image, tmp_path: Path) -> Path:
    cat.save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


@pytest.fixture
def mask_file(mask: PIL.Image.Image, tmp_path: Path) -> Path:
    mask.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def handing_out(*parts: Task[Any]) -> Callable[[type[Task[Any]], str | None], Task[Any] | None]:
    return lambda system, model: next((part for part in parts if type(part) is system), None)


def test_a_generator_paints_with_the_base_and_the_network_that_it_is_handed(
    stable_diffusion: Path, canny: Path, cat: PIL.Image.Image, tmp_path: Path
) -> None:
    base = TextToImage(shutil.copytree(stable_diffusion, tmp_path / "another-base"))
    network = ControlNetwork(shutil.copytree(canny, tmp_path / "another-network"))
    names: dict[str, Any] = {"controlnets": {"canny": canny}}
    with ControlNetGenerator(stable_diffusion, **names, provide=handing_out(base, network)) as generator:
        (picture,) = generator.generate(cat, PROMPT, "canny", steps=1)
    assert picture.settings.model == "another-base"
    assert picture.settings.options is not None
    assert picture.settings.options["controls"][0]["model"] == "another-network"
    # What belongs to somebody else is still open.
    assert base.generate(PROMPT, steps=1)
    with network.lease() as backend:
        assert backend.checkpoint.name == "another-network"


def test_a_network_in_another_precision_than_the_base_is_refused(
    stable_diffusion: Path, canny: Path, cat: PIL.Image.Image
) -> None:
    half = ControlNetwork(canny, dtype="bfloat16")
    with (
        ControlNetGenerator(stable_diffusion, controlnets={"canny": canny}, provide=handing_out(half)) as generator,
        pytest.raises(InputError) as caught,
    ):
        generator.generate(cat, PROMPT, "canny", steps=1)
    assert "bfloat16" in caught.value.message
    assert "dtype" in caught.value.remedy


def test_maps_are_made_by_the_annotators_that_are_handed_in(photo: Path, tmp_path: Path) -> None:
    estimator = DepthEstimator(tiny_depth_anything(tmp_path / "depth"))
    with ControlMaps(provide=handing_out(estimator)) as maps:
        assert maps.make("depth", photo).info["model"] == "depth"
    assert estimator.estimate(photo).model == "depth"


def test_poses_are_found_with_the_detectors_that_are_handed_in(tmp_path: Path) -> None:
    people = PeopleDetector()
    alone = PoseEstimator(provide=handing_out(people))
    assert alone.estimate(real_media.photo("messi"))
    with alone.lease() as network:
        assert network._people is people  # type: ignore[attr-defined]
    detector = ObjectDetector(tiny_rt_detr(tmp_path / "detector"))
    with PoseEstimator(tiny_vitpose(tmp_path / "vitpose"), provide=handing_out(detector)) as with_boxes:
        with_boxes.estimate(real_media.photo("messi"), detection_threshold=0)
        assert with_boxes._detector is detector
    assert detector.detect(real_media.photo("messi"), threshold=0)


def test_limits_hold_for_every_picture(stable_diffusion: Path, canny: Path, photo: Path, mask_file: Path) -> None:
    painter = TextToImage(stable_diffusion, limits=NO_FILES)
    generator = ControlNetGenerator(stable_diffusion, controlnets={"canny": canny}, limits=NO_FILES)
    inside = photo.read_bytes()
    path, mask = str(photo), str(mask_file)
    settings = TextToImage(stable_diffusion).img2img(inside, PROMPT, steps=2)[0].settings
    calls: list[Callable[[], Any]] = [
        lambda: painter.img2img(path, PROMPT),
        lambda: painter.inpaint(path, inside, PROMPT),
        lambda: painter.inpaint(inside, mask, PROMPT),
        lambda: painter.variations(path),
        lambda: painter.paint_again(settings, init_image=path),
        lambda: painter.paint_again(settings, init_image=inside, mask_image=mask),
        lambda: generator.generate(path, PROMPT, "canny"),
        lambda: generator.generate(inside, PROMPT, "canny", init_image=path),
        lambda: generator.generate(None, PROMPT, "canny", control_image=path),
        lambda: generator.generate_with_pose(path, PROMPT),
        lambda: ControlMaps(limits=NO_FILES).make("canny", path),
        lambda: PoseEstimator(limits=NO_FILES).estimate(path),
    ]
    for call in calls:
        with pytest.raises(InputError):
            call()
    assert painter.img2img(inside, PROMPT, steps=2)


def test_a_picture_is_resolved_once_a_call(
    painter: TextToImage,
    stable_diffusion: Path,
    canny: Path,
    photo: Path,
    mask_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolved: list[Any] = []
    resolve = media_image.resolve

    def counted(source: Any, **options: Any) -> Any:
        resolved.append(source)
        return resolve(source, **options)

    monkeypatch.setattr(media_image, "resolve", counted)

    def reads(call: Callable[[], Any]) -> list[Any]:
        resolved.clear()
        call()
        return list(resolved)

    person = real_media.photo("messi")
    networks = {"canny": canny, "openpose": canny}
    with ControlNetGenerator(stable_diffusion, controlnets=networks) as generator:
        assert reads(lambda: painter.img2img(photo, PROMPT, steps=2)) == [photo]
        assert reads(lambda: painter.inpaint(photo, mask_file, PROMPT, steps=1)) == [photo, mask_file]
        edges = ControlMaps().make("canny", person)
        edges.save(photo.with_name("edges.png"))
        given = [photo.with_name("edges.png"), None]
        both = ["canny", "openpose"]
        call = {"control_image": given, "init_image": photo, "steps": 2}
        assert reads(lambda: generator.generate(person, PROMPT, both, **call)) == [photo, given[0], person]
    assert reads(lambda: ControlMaps().make("openpose", person)) == [person]


def test_lora_files_are_files_that_limits_forbid(tmp_path: Path) -> None:
    painter = TextToImage("stable-diffusion-2-1", limits=Limits(allow_files=False))
    secret = tmp_path / "secret.safetensors"
    secret.touch()
    for lora in (secret, str(secret), [(tmp_path / "absent.safetensors", 0.5)]):
        with pytest.raises(InputError) as refusal:
            painter.generate("a red car", lora=lora)
        assert str(tmp_path) not in str(refusal.value)  # not even whether the file is there
