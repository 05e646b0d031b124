"""The front of control maps: kinds, options, files in, checkpoints kept and let go."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.annotators.depth_estimation import DepthEstimator
from sensorium.image_generation.control_maps import CONTROL_KINDS, ControlMaps, control_options
from sensorium.progress import Progress
from tests import real_media
from tests.checkpoints.annotators import tiny_depth_anything


@pytest.fixture(scope="module")
def depth_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_depth_anything(tmp_path_factory.mktemp("hub") / "tiny-depth")


def test_kinds_and_their_options() -> None:
    assert CONTROL_KINDS == ("openpose", "canny", "depth", "normal", "seg")
    assert {kind: control_options(kind) for kind in CONTROL_KINDS} == {
        "openpose": {"threshold": 0.3, "detection_threshold": 0.5},
        "canny": {"low_threshold": 100, "high_threshold": 200},
        "depth": {},
        "normal": {"background": 0.4, "relief": 300, "axes": "xyz"},
        "seg": {},
    }


def test_maps_that_the_starter_makes_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    photo = real_media.photo("messi")
    edges = ControlMaps().make("canny", photo, low_threshold=50)
    pose = ControlMaps().make("openpose", photo)
    for drawn, model in ((edges, "opencv"), (pose, "blazepose-poses")):
        assert (drawn.mode, drawn.size) == ("RGB", (548, 342))
        assert drawn.info["model"] == model
        assert np.asarray(drawn).any()
    assert edges.info["control"] == "canny"


def test_a_map_needs_a_checkpoint_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    for kind in ("depth", "normal", "seg"):
        with pytest.raises(ModelUnavailableError):
            ControlMaps().make(kind, real_media.photo("messi"))


def test_orientation_is_applied_first(tmp_path: Path) -> None:
    upright = PIL.Image.open(real_media.photo("messi")).convert("RGB")
    turned = upright.transpose(PIL.Image.Transpose.ROTATE_90)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it
    path = tmp_path / "phone.png"
    turned.save(path, exif=exif)
    drawn = ControlMaps().make("canny", path)
    assert drawn.size == upright.size
    assert np.array_equal(np.asarray(drawn), np.asarray(ControlMaps().make("canny", upright)))


def test_checkpoints_are_kept_and_let_go(depth_checkpoint: Path) -> None:
    photo = real_media.photo("messi")
    with ControlMaps(models={"depth": depth_checkpoint, "normal": depth_checkpoint}) as maps:
        depth, normal = maps.make("depth", photo), maps.make("normal", photo, background=0.1)
        network = DepthEstimator(depth_checkpoint).backend
        assert all(annotator.backend is network for annotator in maps._annotators.values())
        assert np.array_equal(np.asarray(maps.make("depth", photo)), np.asarray(depth))
    assert (depth.info["model"], normal.info["control"]) == ("tiny-depth", "normal")
    assert maps._annotators == {}
    assert np.array_equal(
        np.asarray(ControlMaps(models={"depth": depth_checkpoint}).make("depth", photo)), np.asarray(depth)
    )


def test_a_hub_id_in_the_hubs_cache(depth_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "models--someone--tiny-depth"
    shutil.copytree(depth_checkpoint, kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    photo = real_media.photo("messi")
    by_id = ControlMaps(models={"depth": "someone/tiny-depth"}).make("depth", photo)
    by_folder = ControlMaps(models={"depth": depth_checkpoint}).make("depth", photo)
    assert by_id.info["model"] == "someone/tiny-depth"
    assert np.array_equal(np.asarray(by_id), np.asarray(by_folder))


def test_progress_and_cancel() -> None:
    reports: list[Progress] = []
    ControlMaps().make("canny", real_media.photo("messi"), progress=reports.append)
    assert [(item.stage, item.done, item.total) for item in reports] == [
        ("making the canny map", 0, 1),
        ("making the canny map", 1, 1),
    ]
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        ControlMaps().make("canny", real_media.photo("messi"), cancel=cancel)


def test_unknown_kinds_and_options(depth_checkpoint: Path) -> None:
    photo = real_media.photo("messi")
    for wrong, meant in {"cany": "canny", "pose": "openpose", "segmentation": "seg", "normals": "normal"}.items():
        with pytest.raises(InputError, match=f"There is no control map '{wrong}'") as caught:
            ControlMaps().make(wrong, photo)
        assert f"Did you mean '{meant}'?" in caught.value.remedy
        assert "openpose, canny, depth, normal, seg" in caught.value.remedy
    with pytest.raises(InputError, match="A canny map has no option 'treshold'"):
        ControlMaps().make("canny", photo, treshold=7)
    with pytest.raises(InputError, match="The low_threshold 'fifty' is not a number"):
        ControlMaps().make("canny", photo, low_threshold="fifty")
    with pytest.raises(InputError, match="A depth map has no option 'low_threshold'"):
        ControlMaps().make("depth", photo, low_threshold=7)
    with pytest.raises(InputError, match="A canny map needs no checkpoint"):
        ControlMaps(models={"canny": depth_checkpoint}).make("canny", photo)


def test_what_is_no_picture(tmp_path: Path) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("not a picture at all")
    for kind in CONTROL_KINDS:
        with pytest.raises(InputError, match=r"notes\.jpg is not a picture that can be read"):
            ControlMaps().make(kind, text)
    cut = tmp_path / "cut.png"
    cut.write_bytes(real_media.photo("chelsea").read_bytes()[:3000])
    with pytest.raises(InputError, match="damaged"):
        ControlMaps().make("canny", cut)


def test_a_checkpoint_of_another_family(depth_checkpoint: Path) -> None:
    for kind in ("seg", "openpose"):
        with pytest.raises(UnsupportedError, match="can't use 'tiny-depth': its family is 'depth_anything'"):
            ControlMaps(models={kind: depth_checkpoint}).make(kind, real_media.photo("messi"))
