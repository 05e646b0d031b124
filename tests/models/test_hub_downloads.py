"""What is fetched of a hub that answers as the real one does: each byte that is needed, once, of one commit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from sensorium.models import store
from sensorium.models.catalog import Checkpoint
from sensorium.models.fetching_anew import fetch_anew
from sensorium.models.hub_source import HubSource
from tests.models.model_hub import ModelHub
from tests.processes import running

FROM_HUB = Checkpoint("org/model", "testing", repository="org/model")


def test_all_files_are_of_the_commit_that_was_listed(hub: ModelHub) -> None:
    later = {"config.json": b'{"model_type": "other"}', "model.safetensors": bytes(2000), "new.json": b"{}"}
    hub.commits["org/model", "f" * 40] = later
    hub.after_listing = lambda: hub.refs.update({("org/model", "main"): "f" * 40})
    folder = store.locate(FROM_HUB)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == hub.files
    hub.requests.clear()
    assert store.locate(FROM_HUB) == folder
    assert hub.requests == []


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("xet", [False, True], ids=["http", "xet"])
def test_weights_come_from_the_hub_s_storage_without_its_token(
    hub: ModelHub, monkeypatch: pytest.MonkeyPatch, xet: bool, large: bool
) -> None:
    if xet:
        monkeypatch.delenv("HF_HUB_DISABLE_XET")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.files["model.safetensors"] = bytes(range(256)) * (50_000 if large else 10)
    folder = store.locate(FROM_HUB)
    assert (folder / "model.safetensors").read_bytes() == hub.files["model.safetensors"]
    hosts = hub.authorizations
    (storage,) = (told for host, told in hosts.items() if "localhost" in host)
    assert not any("hf_secret" in each for each in storage)
    assert any("hf_secret" in each for host, told in hosts.items() if "localhost" not in host for each in told)
    in_pieces = any("/xet-pieces/" in asked for asked in hub.requests)
    assert in_pieces == (xet and not large), "large files are fetched so that they go on where they stopped"


def test_a_listing_comes_in_pages_and_names_folders(hub: ModelHub) -> None:
    hub.page = 2
    hub.files["additional_chat_templates/tool.jinja"] = b"x"
    folder = store.locate(FROM_HUB)
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(hub.files)


@dataclass(frozen=True)
class Kind:
    """A kind of repository: what is needed of it, what else it holds, and the reason why none of it is of use."""

    needed: tuple[str, ...] = ()
    needless: tuple[str, ...] = ()
    refused: str = ""
    config: bytes = b'{"model_type": "clip"}'

    @property
    def files(self) -> dict[str, bytes]:
        texts = {**TEXTS, "config.json": self.config}
        return {name: texts.get(name, name.encode().ljust(SIZE)) for name in (*self.needed, *self.needless)}


def index_of(*shards: str) -> bytes:
    return json.dumps({"weight_map": {str(number): shard for number, shard in enumerate(shards)}}).encode()


SIZE = 1000
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
SHARDED = (*SHARDS, "model.safetensors.index.json")
DESCRIBED = ("config.json", "tokenizer.json")
PIPELINE = ("model_index.json", "unet/config.json", "vae/config.json")
FULL, HALF, PICKLED = (
    tuple(f"{part}/diffusion_pytorch_model{ending}" for part in ("unet", "vae"))
    for ending in (".safetensors", ".fp16.safetensors", ".bin")
)
OTHERS = ("flax_model.msgpack", "tf_model.h5", "onnx/model.onnx", "onnx/config.json", "pytorch_model.bin", "run.py")
TEXTS = {
    "model.safetensors.index.json": index_of(*SHARDS),
    "model_index.json": b'{"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}',
    "unet/config.json": b'{"of": "unet"}',
    "vae/config.json": b'{"of": "vae"}',
    "adapter_config.json": b"{}",
}
MLX = b'{"model_type": "llama", "quantization": {"group_size": 64, "bits": 4}}'
EXLLAMA = b'{"quantization_config": {"quant_method": "exl2"}}'
KINDS = {
    "one file, beside other libraries'": Kind((*DESCRIBED, "model.safetensors"), OTHERS),
    "one file, and again in shards": Kind((*DESCRIBED, "model.safetensors"), SHARDED),
    "shards only": Kind((*DESCRIBED, *SHARDED), ("consolidated.safetensors", "checkpoint-9/model.safetensors")),
    "half precision only": Kind((*DESCRIBED, "model.fp16.safetensors")),
    "a pipeline, three times": Kind((*PIPELINE, *FULL), (*HALF, *PICKLED, "all-in-one.safetensors")),
    "a pipeline in half precision": Kind((*PIPELINE, *HALF), PICKLED),
    "one file with a whole painter": Kind(("dream.safetensors",), ("dream.ckpt",)),
    "a Whisper for CTranslate2": Kind((*DESCRIBED, "vocabulary.txt", "model.bin"), ("pytorch_model.bin",)),
    "one GGUF file": Kind(("model.Q4.gguf",)),
    "pickles only": Kind((), (*DESCRIBED, "pytorch_model.bin"), "pytorch_model.bin"),
    "a pipeline of pickles": Kind((), (*PIPELINE, *PICKLED), "'unet'"),
    "a shard missing": Kind((), (*DESCRIBED, *SHARDED[::2]), SHARDS[1]),
    "quantized for MLX": Kind((), ("config.json", "weights.00.safetensors"), "MLX", MLX),
    "quantized for ExLlama": Kind((), ("config.json", "model.safetensors"), "ExLlama", EXLLAMA),
    "oddly named weights": Kind((), (*DESCRIBED, "weights.safetensors"), "weights.safetensors"),
    "an adapter": Kind((), ("adapter_config.json", "adapter_model.safetensors"), "adapter"),
}


def test_of_each_kind_of_repository_what_is_needed_is_fetched_once(
    hub: ModelHub, measured: Callable[[str], None]
) -> None:
    hub.commits = {(f"org/kind-{number}", hub.COMMIT): kind.files for number, kind in enumerate(KINDS.values())}
    requests = [
        {**asdict(HubSource(repository, hub.COMMIT)), "patterns": [], "without": [], "lora": False, "files": {}}
        for repository, _ in hub.commits
    ]
    program = (
        "import json, sys; from sensorium.models.hub_download import main; list(map(main, json.loads(sys.argv[1])))"
    )
    with running([sys.executable, "-c", program, json.dumps(requests)], stdout=subprocess.PIPE) as child:
        told = [json.loads(line) for line in child.communicate()[0].splitlines()]
    endings = [each for each in told if "total_bytes" not in each]
    for (name, kind), (repository, _), ending in zip(KINDS.items(), hub.commits, endings, strict=True):
        fetched, files = hub.fetched(repository), hub.commits[repository, hub.COMMIT]
        amount = sum(len(files[each]) for each in fetched)
        if kind.refused:
            assert kind.refused in ending["refused"]
            assert not [each for each in fetched if len(files[each]) == SIZE], f"weights of {name}"
            verdict = f"refused, {amount} read to know it"
        else:
            assert "folder" in ending, (name, ending)
            assert sorted(fetched) == sorted(kind.needed), name
            verdict = f"{amount} fetched, {sum(len(files[each]) for each in kind.needed)} needed"
        measured(f"models pull, bytes: {name:34} {sum(map(len, files.values())):5} there, {verdict}")


def test_the_remedy_of_a_damaged_file_helps(hub: ModelHub, hub_cache: Path) -> None:
    weights = hub.files["model.safetensors"]
    (store.locate(FROM_HUB) / "model.safetensors").resolve().write_bytes(weights[::-1])
    store.derive(FROM_HUB, "half", lambda folder: (folder / "made from it").touch())
    remedy = fetch_anew(FROM_HUB)
    assert str(hub_cache / "models--org--model") in remedy
    shutil.rmtree(hub_cache / "models--org--model")
    assert "sensorium models remove org/model" in remedy
    store.remove(FROM_HUB)
    assert "sensorium models pull org/model" in remedy
    assert (store.locate(FROM_HUB) / "model.safetensors").read_bytes() == weights
    assert "models--" not in fetch_anew(Checkpoint("other", "testing", repository="org/other"))
    assert "mine" in fetch_anew(Checkpoint("own", "testing", folder="mine"))
