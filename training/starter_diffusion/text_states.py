"""Captions as the denoiser sees them: the token states of the frozen all-MiniLM-L6-v2, computed once and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.starter_diffusion import evaluation_prompts
from training.starter_diffusion.configuration import Settings
from training.starter_diffusion.devices import Device
from training.starter_diffusion.pictures import Manifest, Pictures
from training.starter_diffusion.scenes import training_scenes

TOKENS = 20
"""How many tokens of a caption are read, with the first and the last sign."""

STATE_SIZE = 384
_PACKED = "text"
_WORDS = "embeddings.word_embeddings.weight"
_KEPT = "kept_tokens"
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_BATCH = 128


class TextEncoder:
    """The text encoder with its tokenizer, as the exported pipeline has them.

    Args:
        folder: With the files of all-MiniLM-L6-v2, whole or as packed into a data set.
        device: Where it runs.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from safetensors.torch import load_file
        from transformers import BertConfig, BertModel, BertTokenizerFast

        config = BertConfig.from_json_file(folder / "config.json")
        # Diffusers' pipelines only pass a mask where the configuration says so.
        config.use_attention_mask = True
        weights = load_file(folder / "model.safetensors")
        weights.pop("embeddings.position_ids", None)
        kept = weights.pop(_KEPT, None)
        if kept is not None:
            table = torch.zeros(config.vocab_size, config.hidden_size, dtype=weights[_WORDS].dtype)
            table[kept] = weights[_WORDS]
            weights[_WORDS] = table
        self.model: Any = BertModel(config)
        self.model.load_state_dict({name: value.float() for name, value in weights.items()})
        self.model.requires_grad_(False).train(False).to(device)
        vocabulary = {"vocab_file": str(folder / "vocab.txt"), "tokenizer_file": str(folder / "tokenizer.json")}
        self.tokenizer: Any = BertTokenizerFast(**vocabulary, do_lower_case=True, model_max_length=TOKENS)
        self._device = device

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the token states of texts, float32 ``[n, 20, 384]``."""
        read = self.tokenizer(
            list(texts), padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        )
        ids, mask = read.input_ids.to(self._device), read.attention_mask.to(self._device)
        with torch.no_grad():
            return self.model(ids, attention_mask=mask).last_hidden_state


def text_encoder_folder(pictures: Pictures, folder: Path) -> Path:
    """Return the text encoder's folder: unpacked from the data set, else the starter checkpoint's."""
    if pictures.extract(f"{_PACKED}/", folder):
        return folder / _PACKED
    return starter_folder()


def starter_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in the starter's image-text encoder."""
    from sensorium.models import catalog, store

    return store.locate(catalog.named("conse-starter")) / "text"


def pack_text_encoder(manifest: Manifest, settings: Settings) -> dict[str, bytes]:
    """Return the text encoder's files for a data set: half precision, without the words that no caption uses."""
    from safetensors.torch import load_file, save
    from tokenizers import Tokenizer

    folder = starter_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    texts = {"", *captions_of(manifest, settings), *evaluation_prompts.all_prompts(manifest, settings)}
    kept = sorted({index for read in tokenizer.encode_batch(sorted(texts)) for index in read.ids} | set(range(104)))
    weights = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    weights.pop("embeddings.position_ids", None)
    weights[_KEPT] = torch.tensor(kept)
    weights[_WORDS] = weights[_WORDS][weights[_KEPT]].contiguous()
    files = {f"{_PACKED}/{name}": (folder / name).read_bytes() for name in _FILES if (folder / name).is_file()}
    return {**files, f"{_PACKED}/model.safetensors": save(weights)}


def captions_of(manifest: Manifest, settings: Settings) -> list[str]:
    """Return all captions of training, sorted, each once."""
    scenes = training_scenes(manifest, settings.data, settings.seed)
    return sorted({caption for scene in scenes for caption in scene.captions})


class CachedStates:
    """The states of all captions of training in a file that is read where needed.

    Args:
        folder: Of the run; the file is made if it isn't there.
        settings: Decide the captions.
        pictures: Likewise.
        device: Where the encoder runs.
    """

    def __init__(self, folder: Path, settings: Settings, pictures: Pictures, device: Device) -> None:
        captions = ["", *captions_of(pictures.manifest, settings)]
        self._number = {caption: number for number, caption in enumerate(captions)}
        path, index = folder / "text_states.npy", folder / "text_states.json"
        if not (path.is_file() and index.is_file() and json.loads(index.read_text(encoding="utf-8")) == captions):
            encoder = TextEncoder(text_encoder_folder(pictures, folder), device.name)
            _write(path, encoder, captions)
            index.write_text(json.dumps(captions), encoding="utf-8")
        self._states = np.load(path, mmap_mode="r")

    def numbers(self, captions: Iterable[str]) -> list[int]:
        """Return the rows of captions; that of "" is 0."""
        return [self._number[caption] for caption in captions]

    def rows(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return some rows, float32 ``[n, 20, 384]``."""
        return torch.from_numpy(np.array(self._states[numbers.numpy()])).float()

    def all_rows(self) -> torch.Tensor:
        """Return everything, float16: for a GPU, which has the memory for it."""
        return torch.from_numpy(np.array(self._states))


def _write(path: Path, encoder: TextEncoder, captions: Sequence[str]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    shape = (len(captions), TOKENS, STATE_SIZE)
    states = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
    for start in range(0, len(captions), _BATCH):
        batch = captions[start : start + _BATCH]
        states[start : start + len(batch)] = encoder.encode(batch).cpu().numpy()
    states.flush()
    del states
    partial.replace(path)
