"""What a catalog entry fetches is all that its family needs: tiny checkpoints, laid out as the hub's client does.

Of a repository only the files that the entry's patterns name are put into the hub's cache, at the pinned commit; then
the task opens the chapter's name.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from sensorium.models import catalog, store
from sensorium.task import Task
from tests.checkpoints import annotators, clip, controlnet, detectors, diffusion, dual_encoders, speech, unclip, video
from tests.checkpoints import vision_language as reading
from tests.language.tiny_language_models import tiny_causal_language_model
from tests.models.test_catalog_families import TASKS

Build = Callable[[Path], Any]


def _controlnet(folder: Path) -> None:
    base = diffusion.tiny_stable_diffusion(folder.with_name("base"))
    controlnet.tiny_controlnet(folder, base)


BUILT: dict[str, Build] = {
    "clip-vit-base-patch32": clip.tiny_clip,
    "siglip2-base-patch16-224": dual_encoders.tiny_siglip2,
    "chinese-clip-vit-base-patch16": dual_encoders.tiny_chinese_clip,
    "blip2-opt-2.7b": reading.tiny_blip_2,
    "blip-image-captioning-base": reading.tiny_blip,
    "llava-1.5-7b": reading.tiny_llava,
    "llava-onevision-0.5b": reading.tiny_llava_onevision,
    "smolvlm2-500m": reading.tiny_smolvlm,
    "qwen3-vl-2b": lambda folder: reading.tiny_qwen_vl(folder, family="qwen3_vl"),
    "smollm2-1.7b": tiny_causal_language_model,
    "stable-diffusion-2-1": diffusion.tiny_stable_diffusion,
    "stable-diffusion-v1-5": lambda folder: diffusion.tiny_stable_diffusion(folder, safety_checker=True),
    "stable-diffusion-xl-base": diffusion.tiny_stable_diffusion_xl,
    "flux.1-schnell": lambda folder: diffusion.tiny_flux(folder, guidance_embedded=False),
    "stable-diffusion-3.5-medium": diffusion.tiny_stable_diffusion_3,
    "kandinsky-2-2-prior": unclip.tiny_prior,
    "kandinsky-2-2-decoder": lambda folder: unclip.tiny_decoder(folder, prior=_repository("kandinsky-2-2-prior")),
    "sd-controlnet-openpose": _controlnet,
    "depth-anything-v2-small": annotators.tiny_depth_anything,
    "vitpose-base": annotators.tiny_vitpose,
    "rt-detr-r50": annotators.tiny_rt_detr,
    "dfine-xlarge": detectors.tiny_d_fine,
    "mms-tts-eng": speech.tiny_vits,
    "csm-1b": speech.tiny_csm,
    "dac-44khz": speech.tiny_dac,
    "dia-1.6b": speech.tiny_dia,
    "videomae-base-kinetics": video.tiny_videomae,
}
OPENED = [name for name in BUILT if name not in {"kandinsky-2-2-prior", "dac-44khz"}]
NEEDED = {"kandinsky-2-2-decoder": "kandinsky-2-2-prior", "dia-1.6b": "dac-44khz", "vitpose-base": "rt-detr-r50"}


def _repository(name: str) -> str:
    return catalog.named(name).repository


def _lay_out(name: str, cache: Path, work: Path) -> None:
    """Put the files that an entry's patterns name into a hub cache."""
    entry = catalog.named(name)
    snapshot = cache / f"models--{entry.repository.replace('/', '--')}" / "snapshots" / entry.revision
    built = work / name
    BUILT[name](built)
    half = any(".fp16." in pattern for pattern in entry.hub_files)
    for file in (path for path in built.rglob("*") if path.is_file()):
        path = file.relative_to(built).as_posix()
        if half and path.endswith(".safetensors"):
            path = f"{path.removesuffix('.safetensors')}.fp16.safetensors"
        if any(fnmatch(path, pattern) for pattern in entry.hub_files):
            (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
            file.rename(snapshot / path)


@pytest.mark.parametrize("name", OPENED)
def test_what_is_fetched_opens(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("SENSORIUM_OFFLINE", "1")
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    assert not store.is_present(catalog.named(name))
    for part in (name, NEEDED.get(name)):
        if part is not None:
            _lay_out(part, tmp_path / "hub", tmp_path / "work")
    entry = catalog.named(name)
    asked = entry.aliases[0] if entry.aliases else entry.repository
    task: Task[Any]
    with TASKS[entry.task](asked, device="cpu") as task:
        assert task.model == name
        assert task.backend is not None


def test_weights_that_are_only_there_in_half_precision_open(tmp_path: Path) -> None:
    folder = clip.tiny_clip(tmp_path / "clip")
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")
    with TASKS["image-text-similarity"](folder, device="cpu") as task:
        assert task.backend is not None
