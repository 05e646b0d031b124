"""Repositories of the hub lay their files out in several ways, some older than the library: all write the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from sensorium import ImageQA, LLaVA
from sensorium.errors import ModelUnavailableError
from tests.checkpoints.video import tiny_llava_next_video
from tests.vision_language.conftest import TinyCheckpoint

ASKED = [{"role": "user", "content": "What colour is it?"}]


def _change(folder: Path, name: str, **changes: Any) -> None:
    """Change entries of a file of JSON; None takes an entry away."""
    path = folder / name
    table = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not None}))


def _rename_weights(folder: Path, name: Callable[[str], str]) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = {name(key): value.clone() for key, value in load_file(file).items()}
    assert not weights.keys() <= load_file(file).keys() or len(weights) < len(load_file(file))
    weights.pop("", None)
    save_file(weights, file, metadata={"format": "pt"})


def _clip_tower_of_2024(folder: Path) -> None:
    # As in llava-hf's repositories; the library has lifted these weights up by one level since.
    _rename_weights(folder, lambda key: key.replace("vision_tower.", "vision_tower.vision_model."))


def _processor_of_2023(folder: Path) -> None:
    # llava-hf/llava-1.5-7b-hf before July 2024, and what was fine-tuned from it.
    _change(
        folder,
        "processor_config.json",
        **{"patch_size": None, "vision_feature_select_strategy": None, "num_additional_image_tokens": None},
    )


def _no_processor_settings(folder: Path) -> None:
    (folder / "processor_config.json").unlink()


def _image_processor(name: str) -> Callable[[Path], None]:
    return lambda folder: _change(folder, "preprocessor_config.json", image_processor_type=name)


def _template_in_a_file_of_its_own(folder: Path) -> None:
    template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
    (folder / "chat_template.jinja").write_text(template)
    (folder / "chat_template.json").unlink()


def _template_with_the_tokenizer(folder: Path) -> None:
    template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
    _change(folder, "tokenizer_config.json", chat_template=template)
    (folder / "chat_template.json").unlink()


def _all_in_one_file(folder: Path) -> None:
    # What the library saves since its version 5.
    pictures = json.loads((folder / "preprocessor_config.json").read_text())
    processor = folder / "processor_config.json"
    table = json.loads(processor.read_text()) if processor.exists() else {}
    processor.write_text(
        json.dumps({**table, "processor_class": pictures["processor_class"], "image_processor": pictures})
    )
    (folder / "preprocessor_config.json").unlink()


def _words_and_merges(folder: Path) -> None:
    # A byte-level tokenizer in its old two files.
    table = json.loads((folder / "tokenizer.json").read_text())
    words = {**table["model"]["vocab"], **{token["content"]: token["id"] for token in table["added_tokens"]}}
    (folder / "vocab.json").write_text(json.dumps(words))
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in table["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    added = {
        str(token["id"]): {name: value for name, value in token.items() if name != "id"}
        for token in table["added_tokens"]
    }
    _change(folder, "tokenizer_config.json", added_tokens_decoder=added)
    (folder / "tokenizer.json").unlink()


def _flat_configuration_with_tied_weights(folder: Path) -> None:
    # As in Qwen/Qwen2-VL-2B-Instruct: the decoder's settings at the top, and the output weights are the words'.
    table = json.loads((folder / "config.json").read_text())
    text = table.pop("text_config")
    kept = {
        key: value
        for key, value in text.items()
        if key not in ("model_type", "rope_parameters", "layer_types", "head_dim")
    }
    table = {**kept, **table, "tie_word_embeddings": True, "rope_theta": 1000000.0}
    table["rope_scaling"] = {"type": "mrope", "mrope_section": text["rope_parameters"]["mrope_section"]}
    table["vision_config"].pop("rope_parameters", None)
    (folder / "config.json").write_text(json.dumps(table))
    _rename_weights(folder, lambda key: "" if key.startswith("lm_head") else key)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("llava", _clip_tower_of_2024),
        ("llava", _processor_of_2023),
        ("llava", _no_processor_settings),
        ("llava", _template_in_a_file_of_its_own),
        ("llava", _template_with_the_tokenizer),
        ("llava", _all_in_one_file),
        ("llava_next", _clip_tower_of_2024),
        ("llava_next", _no_processor_settings),
        ("llava_onevision", _clip_tower_of_2024),
        ("llava_onevision", _words_and_merges),
        ("qwen2_vl", _words_and_merges),
        ("qwen2_5_vl", _image_processor("Qwen2_5_VLImageProcessor")),
        ("qwen2_5_vl", _image_processor("Qwen2_5_VLImageProcessorFast")),
        ("qwen3_vl", _image_processor("Qwen2VLImageProcessorFast")),
        ("qwen3_vl", _all_in_one_file),
        ("internvl", _image_processor("GotOcr2ImageProcessorFast")),
    ],
)
def test_the_same_words_from_another_layout(
    name: str, change: Callable[[Path], None], tiny: TinyCheckpoint, pictures: list[PIL.Image.Image], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny(name), tmp_path / name)
    change(folder)
    with LLaVA(tiny(name)) as plain, LLaVA(folder) as changed:
        expected = plain.chat(pictures[0], ASKED, max_new_tokens=12)
        assert changed.chat(pictures[0], ASKED, max_new_tokens=12) == expected


def test_tied_weights_under_a_flat_configuration(
    tiny: TinyCheckpoint, pictures: list[PIL.Image.Image], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny("qwen2_vl"), tmp_path / "tied")
    _flat_configuration_with_tied_weights(folder)
    with LLaVA(folder) as llava:
        model = llava.backend._model._model  # type: ignore[attr-defined]
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        assert llava.chat(pictures[0], ASKED, max_new_tokens=12)


@pytest.mark.parametrize("name", ["blip-caption", "blip2-opt", "blip2-t5"])
def test_captions_from_an_older_feature_extractor(
    name: str, tiny: TinyCheckpoint, pictures: list[PIL.Image.Image], tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny(name), tmp_path / name)
    changes = {"image_processor_type": None, "feature_extractor_type": "BlipFeatureExtractor"}
    _change(folder, "preprocessor_config.json", **changes)
    with ImageQA(tiny(name)) as plain, ImageQA(folder) as changed:
        assert changed.generate_caption(pictures) == plain.generate_caption(pictures)


def test_an_image_processor_of_a_class_that_was_given_up(pictures: list[PIL.Image.Image], tmp_path: Path) -> None:
    # As in llava-hf/LLaVA-NeXT-Video-7B-hf.
    folder = tiny_llava_next_video(tmp_path / "film")
    with LLaVA(folder) as plain:
        expected = plain.chat(pictures[0], ASKED, max_new_tokens=12)
    _image_processor("LlavaNextVideoImageProcessor")(folder)
    with LLaVA(folder) as changed:
        assert changed.chat(pictures[0], ASKED, max_new_tokens=12) == expected


def test_settings_that_are_no_table_are_refused(tiny: TinyCheckpoint, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny("llava"), tmp_path / "llava")
    (folder / "preprocessor_config.json").write_text("[1, 2]")
    with pytest.raises(ModelUnavailableError, match="AutoImageProcessor are missing or damaged"):
        LLaVA(folder).load()
