"""The GPU benchmark runs, in small, and its real sizes are real; the figures need a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu_architectures as benchmark
from benchmarks.architectures import comparison, image_chat, omni_chat, painting, segmentation, speech_recognition
from tests.checkpoints.diffusion import tiny_stable_diffusion, tiny_stable_diffusion_xl
from tests.checkpoints.omni import tiny_gemma_4
from tests.checkpoints.painters import tiny_painter
from tests.checkpoints.recognisers import tiny_parakeet
from tests.checkpoints.segmenters import tiny_eomt
from tests.checkpoints.thinking import tiny_qwen_with_switch
from tests.checkpoints.vision_language import tiny_llava


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "FEW", 1)
    monkeypatch.setattr(comparison, "MANY", 4)


def test_it_runs_in_small() -> None:
    rows = benchmark.measure("tiny", "cpu")
    assert len(rows) == len(benchmark.ARCHITECTURES)
    for row in rows:
        assert row["peer"].partition(":")[0] in {"diffusers", "transformers"}
        assert "(tiny)" in row["question"]
        assert row["ours"].endswith(" ms, memory not measured")
        assert row["ratio"] > 0


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmark.main([]) == 1
    assert capsys.readouterr().err == "This benchmark needs an NVIDIA GPU that torch can use, and there is none.\n"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_stable_diffusion(folder / "sd")
    tiny_stable_diffusion_xl(folder / "xl")
    tiny_painter(folder / "klein", "Flux2KleinPipeline")
    tiny_llava(folder / "llava")
    tiny_gemma_4(folder / "gemma4")
    tiny_parakeet(folder / "parakeet", "TDT")
    tiny_qwen_with_switch(folder / "qwen3.5")
    tiny_eomt(folder / "eomt", classes={number: str(number) for number in range(150)})
    return folder


@pytest.mark.parametrize(
    ("component", "sizes", "millions"),
    [
        ("sd/unet", painting._UNET_15, 859.5),
        ("sd/vae", painting._AUTOENCODER, 83.7),
        ("xl/unet", painting._UNET_XL, 2567.5),
        ("klein/transformer", painting._KLEIN, 3875.5),
        ("klein/vae", painting._KLEIN_AUTOENCODER, 84.0),
        ("llava", image_chat._LLAVA, 7063.4),
        ("gemma4", omni_chat._GEMMA_4_E2B, 5104.3),
        ("parakeet", speech_recognition._PARAKEET, 627.5),
        ("qwen3.5", image_chat._QWEN_3_5, 853.0),
        ("eomt", segmentation._EOMT_LARGE, 316.0),
    ],
)
def test_real_sizes_have_the_parameters_of_the_published_checkpoints(
    tiny: Path, component: str, sizes: dict[str, Any], millions: float
) -> None:
    model = comparison.new_model(tiny / component / "config.json", sizes, "meta")
    assert model.dtype is torch.bfloat16
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_an_enlarged_checkpoint_opens_and_does_not_stop_early(tmp_path: Path) -> None:
    from sensorium import TextToImage

    tiny_stable_diffusion(tmp_path / "sd")
    comparison.enlarge(tmp_path / "sd", "cpu", unet={"block_out_channels": [32, 64]})
    with TextToImage(tmp_path / "sd", device="cpu") as painter:
        assert painter.generate(painting.PROMPT, steps=1, width=64, height=64, seed=0)[0].size == (64, 64)
    tiny_llava(tmp_path / "llava")
    comparison.enlarge(tmp_path / "llava", "cpu", **{"": {"text_config": {"num_hidden_layers": 3}}})
    generation = json.loads((tmp_path / "llava" / "generation_config.json").read_text())
    config = json.loads((tmp_path / "llava" / "config.json").read_text())
    assert generation["suppress_tokens"] == [config["text_config"]["eos_token_id"]]
    assert config["text_config"]["num_hidden_layers"] == 3
