"""Depth on tiny checkpoints in the hub's layout, held against transformers' own processing; and the depth map."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch
import transformers

from sensorium.errors import CancelledError, InputError, ModelUnavailableError, UnsupportedError
from sensorium.image_generation.annotators.depth_estimation import DepthEstimator, DepthMap, depth_map
from tests.checkpoints.annotators import tiny_depth_anything
from tests.refusals import refused


def _resize(depth: torch.Tensor, size: list[int], **_: object) -> torch.Tensor:
    """Do what torchvision's bicubic resize does to a tensor, if it is not to smooth."""
    return torch.nn.functional.interpolate(depth[None], size, mode="bicubic", align_corners=False)[0]


@pytest.mark.parametrize(
    ("family", "network_name", "processor_name", "metric"),
    [
        ("depth_anything", "DepthAnything", "DPT", False),
        ("depth_anything-metric", "DepthAnything", "DPT", True),
        ("dpt", "DPT", "DPT", False),
        ("dpt-hybrid", "DPT", "DPT", False),
        ("glpn", "GLPN", "GLPN", True),
        ("zoedepth", "ZoeDepth", "ZoeDepth", True),
    ],
)
def test_equals_transformers(
    hub: Path,
    family: str,
    network_name: str,
    processor_name: str,
    metric: bool,
    pictures: list[PIL.Image.Image],
    monkeypatch: pytest.MonkeyPatch,
    parity: Callable[[str, str, str], None],
) -> None:
    from transformers.models.zoedepth import image_processing_pil_zoedepth

    network_class = getattr(transformers, f"{network_name}ForDepthEstimation")
    reference = network_class.from_pretrained(hub / family).eval()
    if family == "depth_anything":
        reference.head.max_depth = 1  # what null in the configuration stands for
    processor = getattr(transformers, f"{processor_name}ImageProcessorPil").from_pretrained(hub / family)
    worst = 0.0
    with DepthEstimator(hub / family) as estimator:
        for picture in pictures:
            found = estimator.estimate(picture)
            assert found.depth.shape == (picture.height, picture.width)
            assert found.depth.dtype == np.float32
            assert (found.metric, found.model) == (metric, family)
            with torch.no_grad():
                outputs = reference(**processor(images=picture, return_tensors="pt"))
            size = [picture.size[::-1]]
            padded = {"source_sizes": size} if family == "zoedepth" else {}
            with monkeypatch.context() as patched:
                stand_in = SimpleNamespace(resize=_resize, InterpolationMode=SimpleNamespace(BICUBIC="bicubic"))
                patched.setattr(image_processing_pil_zoedepth, "tvF", stand_in, raising=False)
                (expected,) = processor.post_process_depth_estimation(outputs, target_sizes=size, **padded)
            expected = expected["predicted_depth"].numpy()
            worst = max(worst, float(np.abs(found.depth - expected).max() / np.ptp(expected)))
            # The check means something: the network sees something in the picture.
            assert expected.std() > 0.01 * np.abs(expected).max()
    parity(
        f"depth: {family}",
        f"{network_class.__name__} + post_process_depth_estimation",
        f"largest difference {worst:.0e} of the range",
    )
    assert worst < 1e-4


def test_values_lie_over_the_pixels_that_they_are_of(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DepthEstimator(hub / "depth_anything") as estimator:
        for width, height in ((317, 211), (120, 301)):
            columns, rows = (torch.arange(24) + 0.5) / 24, (torch.arange(18) + 0.5) / 18
            ramp = (columns[None] + 10 * rows[:, None])[None]
            monkeypatch.setattr(
                estimator.backend, "run", lambda *_, ramp=ramp: SimpleNamespace(predicted_depth=ramp.clone())
            )
            depth = estimator.estimate(PIL.Image.new("RGB", (width, height))).depth
            expected = (np.arange(width) + 0.5)[None] / width + 10 * (np.arange(height) + 0.5)[:, None] / height
            inner = (slice(height // 8, -height // 8), slice(width // 8, -width // 8))
            # Bicubic steps wave a little about a slope. Half a pixel of the network's output would be 0.02 to the side
            # and 0.28 down.
            assert np.abs(depth - expected)[inner].max() < 0.03
            assert abs((depth - expected)[inner].mean()) < 2e-3


def test_near_is_white_for_relative_and_metric_checkpoints(hub: Path, pictures: list[PIL.Image.Image]) -> None:
    for family in ("depth_anything", "depth_anything-metric"):
        with DepthEstimator(hub / family) as estimator:
            found = estimator.estimate(pictures[0])
            drawn = depth_map(pictures[0], estimator)
        grey = np.asarray(drawn)
        assert (drawn.mode, drawn.size) == ("RGB", pictures[0].size)
        assert (grey[..., 0] == grey[..., 1]).all()
        assert (grey[..., 0] == grey[..., 2]).all()
        assert (grey.min(), grey.max()) == (0, 255)
        nearest = found.depth.argmin() if found.metric else found.depth.argmax()
        assert grey[..., 0].flat[nearest] == 255


def test_nearness_is_inverse_depth() -> None:
    metres = DepthMap(np.array([[1.0, 2.0, 4.0]], np.float32), metric=True, model="m")
    assert metres.nearness().tolist() == [[1.0, pytest.approx(1 / 3), 0.0]]
    relative = DepthMap(np.array([[5.0, 3.0, 1.0]], np.float32), metric=False, model="m")
    assert relative.nearness().tolist() == [[1.0, 0.5, 0.0]]
    flat = DepthMap(np.full((2, 3), 7, np.float32), metric=False, model="m").nearness()
    assert flat.tolist() == [[0.0] * 3] * 2
    touching = DepthMap(np.array([[0.0, 1.0]], np.float32), metric=True, model="m").nearness()
    assert np.isfinite(touching).all()


def test_shapes_in_which_nothing_can_be_seen(hub: Path) -> None:
    with DepthEstimator(hub / "depth_anything") as estimator:
        with pytest.raises(InputError, match="from a picture of 1×1 pixels"):
            estimator.estimate(PIL.Image.new("RGB", (1, 1)))
        with pytest.raises(InputError, match="from a strip of 900×9 pixels"):
            estimator.estimate(PIL.Image.new("RGB", (900, 9)))
        with pytest.raises(
            InputError, match="from a strip of 9×140 pixels"
        ):  # this network's processor has no row left
            estimator.estimate(PIL.Image.new("RGB", (9, 140)))
        for size in ((8, 8), (9, 50), (49, 9)):
            assert estimator.estimate(PIL.Image.new("RGB", size)).depth.shape == size[::-1]


def test_cancel(hub: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with DepthEstimator(hub / "dpt") as estimator, pytest.raises(CancelledError):
        estimator.estimate(PIL.Image.new("RGB", (64, 64)), cancel=cancel)


def test_checkpoints_that_are_not_whole_or_not_for_depth(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"DepthEstimator can't use 'segformer': its family is 'segformer'"):
        DepthEstimator(hub / "segformer").load()
    sensor = tmp_path / "sensor"
    sensor.mkdir()
    (sensor / "config.json").write_text('{"model_type": "prompt_depth_anything"}')
    with refused(UnsupportedError, "sensor", "measured", "depth-anything/Depth-Anything-V2-Small-hf"):
        DepthEstimator(sensor).load()
    folder = tiny_depth_anything(tmp_path / "half")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelUnavailableError, match="only half there"):
        DepthEstimator(folder).load()
    weights.unlink()
    with pytest.raises(ModelUnavailableError, match=r"model\.safetensors is missing"):
        DepthEstimator(folder).load()
    whole = tiny_depth_anything(tmp_path / "no-processor")
    (whole / "preprocessor_config.json").unlink()
    with pytest.raises(ModelUnavailableError, match="ImageProcessor"):
        DepthEstimator(whole).load()


def test_memory_that_runs_out(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sensorium.errors import InsufficientMemoryError

    with DepthEstimator(hub / "dpt") as estimator:

        def full(**_: object) -> None:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

        monkeypatch.setattr(estimator.backend, "network", full)
        with pytest.raises(InsufficientMemoryError, match="A picture of 64×64 pixels needs more memory"):
            estimator.estimate(PIL.Image.new("RGB", (64, 64)))
