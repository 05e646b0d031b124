"""Checkpoints that need their authors' program code are told so, before they are fetched and where they lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensorium import CLIP, ImageQA, LanguageModel, LLaVA
from sensorium.errors import UnsupportedError
from sensorium.models.foreign_layouts import foreign_layout
from sensorium.models.repository_files import choose_files
from sensorium.models.weight_files import RefusedError
from sensorium.suitability import tasks_for
from tests.refusals import refused

EVA_CLIP = {
    "architectures": ["EvaCLIPModel"],
    "auto_map": {"AutoConfig": "configuration_evaclip.EvaCLIPConfig", "AutoModel": "modeling_evaclip.EvaCLIPModel"},
    "model_type": "clip",
}
ORIGINAL_LLAVA = {"architectures": ["LlavaLlamaForCausalLM"], "model_type": "llava"}
INTERN_VL = {
    "architectures": ["InternVLChatModel"],
    "auto_map": {"AutoModel": "OpenGVLab/InternVL2--modeling_internvl_chat.InternVLChatModel"},
    "model_type": "internvl_chat",
}
WITHOUT_ARCHITECTURE = {"auto_map": {"AutoModelForCausalLM": "modeling_qwen.QWenLMHeadModel"}, "model_type": "qwen"}
FOREIGN: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (EVA_CLIP, ("EvaCLIPModel", "modeling_evaclip.py", "openai/clip-vit-large-patch14")),
    (ORIGINAL_LLAVA, ("LlavaLlamaForCausalLM", "llava-hf/llava-1.5-7b-hf")),
    ({**ORIGINAL_LLAVA, "model_type": "llava_llama"}, ("LlavaLlamaForCausalLM", "llava-hf/llava-1.5-7b-hf")),
    (INTERN_VL, ("InternVLChatModel", "modeling_internvl_chat.py", "-hf")),
    (WITHOUT_ARCHITECTURE, ("modeling_qwen.py", "conversion")),
]
KNOWN: list[dict[str, Any]] = [
    {"architectures": ["CLIPModel"], "model_type": "clip"},
    # What transformers knows by now often still names the code that it once came with.
    {"architectures": ["Phi3ForCausalLM"], "auto_map": {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}},
    {"model_type": "phi3", "auto_map": {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}},
    {"architectures": "LlavaLlamaForCausalLM", "auto_map": []},
    {},
]


@pytest.mark.parametrize(("config", "named"), FOREIGN)
def test_a_folder_is_told_what_it_is(
    config: dict[str, Any], named: tuple[str, ...], tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    for system in (CLIP, ImageQA, LLaVA, LanguageModel):
        with refused(UnsupportedError, tmp_path.name, *named) as refusal:
            system(tmp_path).load()
        assert "damaged" not in str(refusal.value)
    assert tasks_for(CLIP(tmp_path).checkpoint, tmp_path) == ()
    parity(f"opening {named[0]}", "its config.json", "refused as what it is")


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(("config", "named"), FOREIGN)
def test_a_repository_is_refused_before_its_weights_are_fetched(
    config: dict[str, Any], named: tuple[str, ...], weights: str
) -> None:
    texts = {"config.json": json.dumps(config)}
    with pytest.raises(RefusedError) as refusal:
        choose_files(["config.json", weights], lambda name: texts[name])
    assert all(name in f"{refusal.value}. {refusal.value.remedy}" for name in named)


@pytest.mark.parametrize("config", KNOWN)
def test_what_transformers_knows_is_not_refused(config: dict[str, Any]) -> None:
    assert foreign_layout(config) is None
    files = ["config.json", "model.safetensors"]
    assert choose_files(files, lambda name: json.dumps(config)) == files


def test_files_for_other_programs_say_nothing_of_architectures() -> None:
    texts = {"config.json": json.dumps(INTERN_VL)}
    assert choose_files(["config.json", "model.Q4.gguf"], lambda name: texts[name]) == ["config.json", "model.Q4.gguf"]
    whisper = ["config.json", "model.bin", "vocabulary.json"]
    assert set(choose_files(whisper, lambda name: texts[name])) == set(whisper)
