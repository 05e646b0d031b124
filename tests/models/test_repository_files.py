"""What is fetched of each kind of repository, decided from its listing: all that is needed, once, or a true reason."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from sensorium.models import catalog
from sensorium.models.repository_files import choose_files
from sensorium.models.weight_files import RefusedError

PART = "diffusion_pytorch_model"


def shards(stem: str, count: int, folder: str = "") -> list[str]:
    return [f"{folder}{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def index_of(stem: str, count: int) -> str:
    return json.dumps({"weight_map": {str(number): name for number, name in enumerate(shards(stem, count))}})


def pipeline(**components: list[str | None]) -> str:
    usual = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    return json.dumps({"_class_name": "StableDiffusionPipeline", **usual, **components})


def choose(names: list[str], texts: Mapping[str, str] | None = None, patterns: tuple[str, ...] = ()) -> set[str]:
    """Choose from a listing; of the files, those in ``texts`` are the only ones that may be read."""
    known = {"config.json": "{}", "README.md": "", **(texts or {})}
    return set(choose_files(names, lambda name: known[name], patterns))


ONE = ["config.json", "model.safetensors", "tokenizer.json"]


def test_of_a_repository_of_many_models_the_named_files_are_chosen() -> None:
    names = [
        *("README.md", "models/ip-adapter_sd15.safetensors", "models/ip-adapter_sd15.bin"),
        *("models/image_encoder/config.json", "models/image_encoder/model.safetensors"),
        *("models/image_encoder/pytorch_model.bin", "sdxl_models/ip-adapter_sdxl.safetensors"),
    ]
    for entry in catalog.entries("image-prompt"):
        if all(path in names for path in entry.hub_files):
            assert choose(names, patterns=entry.hub_files) == set(entry.hub_files)
    with pytest.raises(RefusedError, match="sdxl_models/absent"):
        choose(names, patterns=("sdxl_models/absent.safetensors",))


@pytest.mark.parametrize(
    "needless",
    [
        ["consolidated.safetensors", "params.json"],
        ["checkpoint-1000/config.json", "checkpoint-1000/model.safetensors", "checkpoint-1000/trainer_state.json"],
        ["onnx/config.json", "onnx/model.onnx", "onnx/tokenizer.json"],
        ["original/params.json", "original/consolidated.00.pth", "original/tokenizer.model"],
        ["openvino/config.json", "openvino/model.xml", "openvino/model.bin"],
        ["model.fp16.safetensors", "model.bf16.safetensors", "pytorch_model.bin", "flax_model.msgpack"],
        [*shards("model", 2), "model.safetensors.index.json"],
        [*shards("model.fp32", 2), "model.fp32.safetensors.index.json", "data.npy"],
        ["a.Q4.gguf", "a.Q8.gguf"],
        ["diffusion_pytorch_model.safetensors"],
        ["pytorch_model.bin.index.json", "training_args.bin", "run.py"],
    ],
)
def test_of_a_model_in_several_forms_one_is_fetched(needless: list[str]) -> None:
    assert choose([*needless, *ONE]) == set(ONE)


@pytest.mark.parametrize("trace", ["README.md", "adapter_config.json"])
@pytest.mark.parametrize("weights", [["model.bin", "vocabulary.json"], ["merged.Q4.gguf"]], ids=["whisper", "gguf"])
def test_what_was_merged_and_converted_is_a_whole_model(weights: list[str], trace: str) -> None:
    texts = {"README.md": "---\ntags: [lora]\n---\n", "adapter_config.json": '{"peft_type": "LORA"}'}
    assert choose(["config.json", *weights, trace], texts) >= set(weights)


@pytest.mark.parametrize(
    "kept",
    [
        ["qformer_tokenizer/tokenizer.json", "qformer_tokenizer/special_tokens_map.json"],
        ["additional_chat_templates/tool_use.jinja"],
        ["speaker_embeddings/v2/en_speaker_6_fine_prompt.npy", "speaker_embeddings_path.json"],
        ["default-voice.safetensors", "voices/alba.safetensors", "embeddings/freya.safetensors"],
        ["README.md", "vocab.txt", "spiece.model"],
    ],
)
def test_what_a_model_needs_in_other_folders_comes_along(kept: list[str]) -> None:
    assert choose([*ONE, *kept, "checkpoint-5/tokenizer.json", "checkpoint-5/optimizer.pt"]) == {*ONE, *kept}


def test_an_entry_says_which_voices_come_along() -> None:
    voices = ["default-voice.safetensors", "voices/alba.safetensors", "voices/marius.safetensors"]
    patterns = ("*.json", "model.safetensors", "default-voice.safetensors", "voices/a*")
    assert choose([*ONE, *voices], patterns=patterns) == {*ONE, *voices[:2]}


@pytest.mark.parametrize(
    ("weights", "texts"),
    [
        (["model.fp16.safetensors"], {}),
        ([*shards("model", 3), "model.safetensors.index.json"], {"model.safetensors.index.json": index_of("model", 3)}),
        (
            [*shards("model.fp16", 2), "model.safetensors.index.fp16.json"],
            {"model.safetensors.index.fp16.json": index_of("model.fp16", 2)},
        ),
        (["diffusion_pytorch_model.safetensors"], {}),
        (
            [*shards("transformers", 2), "transformers.safetensors.index.json"],
            {
                "config.json": '{"transformers_weights": "transformers.safetensors"}',
                "transformers.safetensors.index.json": index_of("transformers", 2),
            },
        ),
        (["everything.safetensors"], {}),
        (["model.bin", "vocabulary.json"], {}),
        (["a.gguf"], {}),
    ],
)
@pytest.mark.parametrize("patterns", [(), ("*.json", "model.safetensors")])
def test_the_listing_decides_whatever_a_catalog_entry_prefers(
    weights: list[str], texts: dict[str, str], patterns: tuple[str, ...]
) -> None:
    assert choose(["config.json", *weights, "old.pt"], texts, patterns) == {"config.json", *weights}


def test_a_catalog_entry_s_weights_come_before_others() -> None:
    names = ["config.json", "model.safetensors", "model.fp16.safetensors", "other.json", "vocab.txt"]
    assert choose(names, patterns=("config.json", "*.fp16.safetensors")) == {"config.json", "model.fp16.safetensors"}


PARTS = ["model_index.json", "unet/config.json", "vae/config.json"]
HALF = ("model_index.json", "*/*.json", "unet/*.fp16.safetensors", "vae/*.fp16.safetensors")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ({"unet": "", "vae": ""}, {"unet": "", "vae": ""}),
        ({"unet": ".fp16", "vae": ""}, {"unet": ".fp16", "vae": ""}),
        ({"unet": ".fp16", "vae": ".fp16"}, {"unet": ".fp16", "vae": ".fp16"}),
    ],
)
def test_half_precision_is_fetched_component_by_component_where_it_is_there(
    offered: dict[str, str], chosen: dict[str, str]
) -> None:
    names = [*PARTS, "unet/run.py", "vae_1_0/config.json", f"vae_1_0/{PART}.safetensors", "all.safetensors"]
    names += [f"{part}/{PART}{variant}.safetensors" for part, variant in offered.items()]
    weights = {f"{part}/{PART}{variant}.safetensors" for part, variant in chosen.items()}
    assert choose(names, {"model_index.json": pipeline()}, HALF) == {*PARTS, *weights}


def test_components_that_a_pipeline_does_not_name_stay_there() -> None:
    index = pipeline(text_encoder_3=[None, None], tokenizer=["transformers", "CLIPTokenizer"])
    needed = [*PARTS, "tokenizer/vocab.json", *(f"{part}/{PART}.safetensors" for part in ("unet", "vae"))]
    needless = ["onnx/config.json", "text_encoder_3/config.json", "text_encoder_3/model.safetensors", "unet/x.onnx"]
    assert choose([*needed, *needless], {"model_index.json": index}) == set(needed)


def test_a_component_that_is_left_out_is_not_fetched() -> None:
    parts = ("text_encoder", "text_encoder_3", "tokenizer_3")
    files = [f"{part}/{name}" for part in parts for name in ("config.json", "model.safetensors")]
    index = json.dumps({part: ["transformers", "T5EncoderModel"] for part in parts})
    for patterns in ((), ("*.json", "*.safetensors")):
        chosen = choose_files(
            ["model_index.json", *files], lambda _: index, patterns, without=("text_encoder_3", "tokenizer_3")
        )
        assert set(chosen) == {"model_index.json", "text_encoder/config.json", "text_encoder/model.safetensors"}


def test_a_safety_checker_that_is_only_pickled_is_left() -> None:
    index = pipeline(safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    needed = [*PARTS, *(f"{part}/{PART}.safetensors" for part in ("unet", "vae"))]
    pickled = ["safety_checker/config.json", "safety_checker/pytorch_model.bin"]
    assert choose([*needed, *pickled], {"model_index.json": index}) == set(needed)


ADAPTER = json.dumps({"base_model_name_or_path": "org/base", "peft_type": "LORA"})
OF_A_BASE = "---\nbase_model:\n- org/base\ntags:\n- {}\n---\n"
UNET_ONLY = ["model_index.json", "unet/config.json", f"unet/{PART}.safetensors", "vae/config.json"]


@pytest.mark.parametrize(
    ("names", "texts", "said"),
    [
        (["config.json", "pytorch_model.bin"], {}, ["only pickled", "pytorch_model.bin"]),
        (["config.json", "onnx/model.onnx"], {}, ["no safetensors", "onnx/model.onnx"]),
        (["config.json"], {}, ["no safetensors"]),
        (
            ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"],
            {"model.safetensors.index.json": index_of("model", 2)},
            ["model-00002-of-00002.safetensors", "model.safetensors.index.json"],
        ),
        (["config.json", *shards("model", 2)], {}, ["no index", "model-00001-of-00002.safetensors"]),
        (["config.json", "model.int8.safetensors"], {}, ["'int8'", "model.int8.safetensors"]),
        (["params.json", "consolidated.safetensors"], {}, ["own program", "consolidated.safetensors"]),
        (["config.json", "hf/config.json", "hf/model.safetensors"], {}, ["'hf'", "hf/model.safetensors"]),
        (["a.safetensors", "b.safetensors"], {}, ["2 files", "a.safetensors"]),
        (["a.Q4.gguf", "a.Q8.gguf"], {}, ["2 GGUF", "a.Q4.gguf"]),
        (["adapter_config.json", "adapter_model.safetensors"], {"adapter_config.json": ADAPTER}, ["LORA", "org/base"]),
        (["adapter_config.json"], {"adapter_config.json": "not JSON"}, ["adapter", "don't name"]),
        (["pytorch_lora_weights.safetensors"], {}, ["a LoRA", "don't name"]),
        (["README.md", "style.safetensors"], {"README.md": OF_A_BASE.format("lora")}, ["a LoRA", "org/base"]),
        (["README.md", "learned_embeds.bin"], {"README.md": OF_A_BASE.format("x")}, ["textual inversion", "org/base"]),
        (["models/ip-adapter_sd15.safetensors"], {}, ["an IP-Adapter"]),
        (UNET_ONLY, {}, ["'vae'", "no safetensors"]),
        ([*UNET_ONLY, f"vae/{PART}.bin"], {}, ["'vae'", "pickled", f"vae/{PART}.bin"]),
        ([*UNET_ONLY, f"vae/{PART}.non_ema.safetensors"], {}, ["'vae'", "non_ema"]),
        ([*UNET_ONLY, "vae/sdxl.safetensors"], {}, ["'vae'", "vae/sdxl.safetensors"]),
        (UNET_ONLY[:-1], {}, ["'vae'", "missing"]),
        ([*UNET_ONLY, f"vae/{PART}.safetensors", "unet/diffusers.py"], {}, ["'unet'", "unet/diffusers.py"]),
        (
            ["model_index.json", "unet/model.onnx", "vae/model.onnx"],
            {},
            ["no safetensors", "unet/model.onnx"],
        ),
        (["model_index.json"], {"model_index.json": "["}, ["model_index.json", "not valid"]),
        (["config.json", "a.bin"], {"config.json": "[" * 9999}, ["config.json", "not valid"]),
    ],
)
@pytest.mark.parametrize("patterns", [(), HALF])
def test_what_can_not_become_usable_is_refused_with_the_true_reason(
    names: list[str], texts: dict[str, str], said: list[str], patterns: tuple[str, ...]
) -> None:
    with pytest.raises(RefusedError) as refused:
        choose(names, {"model_index.json": pipeline(), **texts}, patterns)
    assert [part for part in said if part not in str(refused.value)] == []
    assert refused.value.remedy
    assert "pull" not in refused.value.remedy, "the same command would fail again"


EXTRAS = [
    "checkpoint-9/config.json",
    "checkpoint-9/model.safetensors",
    "onnx/config.json",
    "onnx/model.onnx",
    "original/consolidated.00.pth",
    "flax_model.msgpack",
    "run.py",
]


@pytest.mark.parametrize(
    "name",
    [entry.name for entry in catalog.entries() if entry.repository and entry.hub_files and not entry.files],
)
def test_an_entry_takes_whichever_weights_its_repository_has_and_no_pickle(name: str) -> None:
    """Repositories that hold only full precision, only half, only shards, each beside folders and formats of others."""
    patterns = catalog.named(name).hub_files
    parts = {pattern.partition("/")[0] for pattern in patterns if "/" in pattern and pattern.endswith("tensors")}
    index = {part: ["diffusers", "AutoencoderKL"] for part in sorted(parts)}
    places = {f"{part}/": "diffusion_pytorch_model" for part in sorted(parts)} or {"": "model"}
    described = [f"{place}config.json" for place in places] + ["model_index.json"] * bool(parts)
    texts = {
        "model_index.json": json.dumps(index),
        **{each: "{}" for each in described if each.endswith("config.json")},
    }
    for ending in (".safetensors", ".fp16.safetensors"):
        weights = [f"{place}{stem}{ending}" for place, stem in places.items()]
        pickles = [f"{place}pytorch_model.bin" for place in places]
        assert choose([*described, *weights, *pickles, *EXTRAS], texts, patterns) == {*described, *weights}
    indexes = {f"{place}{stem}.safetensors.index.json": index_of(stem, 2) for place, stem in places.items()}
    pieces = [shard for place, stem in places.items() for shard in shards(stem, 2, place)]
    chosen = choose([*described, *pieces, *indexes, *EXTRAS], {**texts, **indexes}, patterns)
    assert chosen == {*described, *pieces, *indexes}
    pickles = [f"{place}pytorch_model.bin" for place in places]
    with pytest.raises(RefusedError, match="pickled weights"):
        choose([*described, *pickles, "run.py"], texts, patterns)
