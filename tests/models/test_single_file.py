"""What a weights file is, by the names and shapes that the programs which write such files give to their tensors."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from sensorium import TextToImage
from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.models.single_file import read_weights_file
from tests.cli.conftest import Run, documents, run  # noqa: F401 - a fixture
from tests.models.local_index import serving
from tests.models.model_hub import ModelHub
from tests.refusals import refused

_UNET = "model.diffusion_model.input_blocks"
_VAE = {"decoder.conv_in.weight": (8, 4, 3, 3), "encoder.conv_in.weight": (8, 3, 3, 3)}
_KOHYA = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
KINDS: dict[str, tuple[dict[str, tuple[int, ...]], tuple[str, ...]]] = {
    "a LoRA of kohya's for XL": ({f"{_KOHYA}.lora_down.weight": (4, 2048)}, ("LoRA", "Stable Diffusion XL", "--lora")),
    "a LoRA of diffusers' for 1": (
        {"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 768)},
        ("LoRA", "Stable Diffusion 1"),
    ),
    "a LoRA for FLUX": ({"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (4, 64)}, ("LoRA", "FLUX")),
    "a LoHa": ({f"{_KOHYA}.hada_w1_a": (4, 4)}, ("LoHa",)),
    "a LoKr": ({f"{_KOHYA}.lokr_w1": (4, 4)}, ("LoKr",)),
    "an embedding for 1": ({"emb_params": (4, 768)}, ("textual inversion", "Stable Diffusion 1")),
    "an embedding for XL": ({"clip_g": (4, 1280), "clip_l": (4, 768)}, ("textual inversion", "Stable Diffusion XL")),
    "an embedding by its word": ({"<cat-toy>": (1024,)}, ("textual inversion", "Stable Diffusion 2")),
    "an autoencoder": (_VAE, ("VAE", "1, 2 or XL")),
    "an autoencoder of 3": ({**_VAE, "decoder.conv_in.weight": (8, 16, 3, 3)}, ("VAE", "Stable Diffusion 3")),
    "a ControlNet, original": ({"control_model.input_hint_block.0.weight": (8, 3, 3, 3)}, ("ControlNet",)),
    "a ControlNet, diffusers": ({"controlnet_cond_embedding.conv_in.weight": (8, 3, 3, 3)}, ("ControlNet",)),
    "an IP-Adapter": ({"image_proj.proj.weight": (8, 8)}, ("IP-Adapter",)),
    "a ControlNet for 2": (
        {
            "controlnet_cond_embedding.conv_in.weight": (8, 3, 3, 3),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, 1024),
        },
        ("ControlNet for Stable Diffusion 2", "--controlnet"),
    ),
    "a T2I-Adapter": ({"body.0.block1.weight": (8, 8)}, ("T2I-Adapter", "authors' program")),
    "a ControlNet of XLabs'": (
        {"controlnet_blocks.0.weight": (8, 8), "double_blocks.0.x": (8,)},
        ("ControlNet for FLUX", "XLabs"),
    ),
    "FLUX's denoiser": ({"double_blocks.0.img_attn.qkv.weight": (8, 8)}, ("denoiser", "without autoencoder")),
    "a checkpoint without its autoencoder": (
        {f"{_UNET}.0.0.weight": (8, 4, 3, 3), "cond_stage_model.transformer.x": (1,)},
        ("Stable Diffusion 1", "without its autoencoder"),
    ),
    "XL's refiner": (
        {
            f"{_UNET}.0.0.weight": (8, 4, 3, 3),
            "conditioner.embedders.0.model.ln_final.bias": (8,),
            "first_stage_model.x": (1,),
        },
        ("refiner", "diffusers' layout"),
    ),
    "a text encoder": ({"text_model.embeddings.token_embedding.weight": (8, 8)}, ("text encoder",)),
    "nothing known": ({"layer.0.weight": (3, 5), "layer.1.weight": (3, 5), "layer.2.weight": (3, 5)}, ("isn't known",)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_says_what_it_is(kind: str, tmp_path: Path) -> None:
    shapes, words = KINDS[kind]
    file = tmp_path / "mystery.safetensors"
    save_file({name: numpy.zeros(shape, numpy.float16) for name, shape in shapes.items()}, file)
    sentence = read_weights_file(file).sentence
    assert "F16" in sentence
    assert not [word for word in words if word not in sentence], sentence
    # None of them paints, and the refusal says what it is instead.
    with refused(UnsupportedError, "mystery", words[0]):
        TextToImage(file).load()


def test_the_card_of_a_file(run: Run, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "ink.safetensors"
    save_file({f"{_KOHYA}.lora_down.weight": numpy.zeros((4, 768), numpy.float16)}, file)
    (document,) = documents(run("models", "info", str(file), "--json").stdout)
    assert (document["family"], document["task"], document["present"]) == ("LoRA", "", True)
    assert document["size_bytes"] == file.stat().st_size
    assert "Stable Diffusion 1" in run("models", "info", str(file)).stdout


def test_a_repository_with_a_single_file(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = {
        f"{_UNET}.0.0.weight": (8, 4, 3, 3),
        "cond_stage_model.transformer.x": (1,),
        "first_stage_model.x": (1,),
    }
    file = tmp_path / "dream.safetensors"
    save_file({name: numpy.zeros(shape, numpy.float16) for name, shape in shapes.items()}, file)
    for name in ("HF_HOME", "SENSORIUM_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "HF_HOME" / "hub"))
    with serving(ModelHub("someone/dream", {"dream.safetensors": file.read_bytes(), "README.md": b"# Dream"})) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.address)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        assert run("models", "pull", "someone/dream").exit_code == 0
        (document,) = documents(run("models", "info", "someone/dream", "--json").stdout)
    assert document["task"] == "text-to-image"
    assert document["family"] == "StableDiffusionPipeline"
    assert "Stable Diffusion 1" in document["description"]


def test_a_repository_with_a_controlnet_in_one_file(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = {
        "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
        "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (32, 768),
    }
    file = tmp_path / "control_v11p_sd15_canny.safetensors"
    save_file({name: numpy.zeros(shape, numpy.float16) for name, shape in shapes.items()}, file)
    for name in ("HF_HOME", "SENSORIUM_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "HF_HOME" / "hub"))
    with serving(ModelHub("someone/edges", {file.name: file.read_bytes(), "README.md": b"# Edges"})) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.address)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        assert run("models", "pull", "someone/edges").exit_code == 0
        (document,) = documents(run("models", "info", "someone/edges", "--json").stdout)
    assert (document["task"], document["family"]) == ("image-control", "ControlNetModel")
    assert "ControlNet for Stable Diffusion 1" in document["description"]


@pytest.mark.parametrize(
    "entry", ['{"shape": [1], "data_offsets": [], "dtype": "F32"}', '{"shape": [Infinity]}', "[" * 9999]
)
def test_a_header_that_makes_no_sense_is_refused(entry: str, tmp_path: Path) -> None:
    header = f'{{"a": {entry}}}'.encode()
    (tmp_path / "odd.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with refused(ModelUnavailableError, "odd.safetensors", "damaged"):
        read_weights_file(tmp_path / "odd.safetensors")
