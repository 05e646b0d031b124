"""Tokenizers, processors and loading, used by several threads at once, with the moments between steps drawn out."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoTokenizer,
    CLIPModel,
    CLIPTokenizer,
    CsmProcessor,
    DiaFeatureExtractor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from sensorium.models import catalog, thread_safe
from sensorium.models.pretrained import open_model, open_part
from sensorium.models.thread_safe import make_thread_safe
from sensorium.vision_language.families.image_text_processor import open_processor
from tests.checkpoints.clip import tiny_clip
from tests.checkpoints.diffusion import tiny_stable_diffusion_3
from tests.checkpoints.dual_encoders import tiny_chinese_clip, tiny_siglip2
from tests.checkpoints.speech import tiny_bark, tiny_csm
from tests.checkpoints.vision_language import tiny_llava, tiny_qwen_vl
from tests.language.tiny_language_models import tiny_causal_language_model

TEXT = "a photo of a cat, and what colour is it?"
WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"padding": "max_length", "max_length": 60, "truncation": True},
    {"truncation": True, "max_length": 5},
    {"add_special_tokens": False, "padding": "max_length", "max_length": 50, "padding_side": "left"},
)
"""Of encoding: those of a count, a text encoder with a fixed window, a short one, and a batch of conversations."""


def auto(folder: Path) -> Any:
    return open_part(AutoTokenizer, folder, checkpoint=catalog.resolve(str(folder), task="text-generation"))


def of_processor(folder: Path) -> Any:
    return open_processor(folder, checkpoint=catalog.resolve(str(folder), task="image-chat")).tokenizer


def of_speech(folder: Path) -> Any:
    checkpoint = catalog.resolve(str(folder), task="text-to-speech")
    return open_part(CsmProcessor, folder, checkpoint=checkpoint).tokenizer


FAMILIES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    "CLIP": (tiny_clip, auto),
    "BERT": (tiny_chinese_clip, auto),
    "Gemma": (tiny_siglip2, auto),
    "T5": (lambda folder: tiny_stable_diffusion_3(folder) / "tokenizer_3", auto),
    "Bark": (tiny_bark, auto),
    "CSM": (tiny_csm, of_speech),
    "LLaVA": (tiny_llava, of_processor),
    "Qwen-VL": (tiny_qwen_vl, of_processor),
    "causal": (tiny_causal_language_model, auto),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("slow_tokenizers")
def test_threads_that_encode_in_different_ways(family: str, tmp_path: Path) -> None:
    build, open_tokenizer = FAMILIES[family]
    folder = build(tmp_path / "checkpoint")
    tokenizer = open_tokenizer(folder)

    def encode(way: int) -> list[list[int]]:
        return [tokenizer(TEXT, **WAYS[way]).input_ids, tokenizer.encode(TEXT, **WAYS[way]), tokenizer.tokenize(TEXT)]

    expected = [encode(way) for way in range(len(WAYS))]
    assert len({len(ids) for ids, *_ in expected}) == len(WAYS)
    with ThreadPoolExecutor(len(WAYS)) as pool:
        assert list(pool.map(encode, [*range(len(WAYS))] * 5)) == expected * 5


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip") / "checkpoint")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))])
@pytest.mark.usefixtures("slow_tokenizers")
def test_copies_and_pickles_are_as_safe(copied: Callable[[Any], Any], clip_folder: Path) -> None:
    tokenizer = copied(auto(clip_folder))
    ways = (WAYS[1], WAYS[2])
    expected = [tokenizer(TEXT, **way).input_ids for way in ways]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda way: tokenizer(TEXT, **way).input_ids, ways * 10)) == expected * 10


def test_a_tokenizer_stays_what_it_was(clip_folder: Path, tmp_path: Path) -> None:
    from diffusers.pipelines.pipeline_loading_utils import _fetch_class_library_tuple

    tokenizer, plain = auto(clip_folder), AutoTokenizer.from_pretrained(clip_folder, local_files_only=True)
    assert type(tokenizer) is not type(plain)
    assert isinstance(tokenizer, (CLIPTokenizer, PreTrainedTokenizerBase))
    assert type(tokenizer).__name__ == type(plain).__name__
    assert _fetch_class_library_tuple(tokenizer) == _fetch_class_library_tuple(plain)
    for name, part in (("ours", tokenizer), ("theirs", plain)):
        part.save_pretrained(tmp_path / name)
    ours, theirs = (sorted((tmp_path / name).iterdir()) for name in ("ours", "theirs"))
    assert [path.name for path in ours] == [path.name for path in theirs]
    assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]
    assert type(make_thread_safe(tokenizer)) is type(tokenizer)
    # All tokenizers of a class share a class, so that opening one again leaves nothing behind.
    assert type(auto(clip_folder)) is type(tokenizer)


def test_a_feature_extractor_that_changes_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    pad = DiaFeatureExtractor.pad

    def slowly(self: Any, *arguments: Any, **options: Any) -> Any:
        time.sleep(0.005)
        return pad(self, *arguments, **options)

    monkeypatch.setattr(DiaFeatureExtractor, "pad", slowly)
    settings: dict[str, Any] = {"feature_size": 2, "sampling_rate": 16_000, "hop_length": 8}
    extractor: Any = make_thread_safe(DiaFeatureExtractor(**settings))
    stereo = np.linspace(-1, 1, 128, dtype=np.float32).reshape(2, 64)
    with ThreadPoolExecutor(3) as pool:
        found = list(
            pool.map(
                lambda _: extractor(stereo, sampling_rate=16_000, return_tensors="np").input_values.shape, range(9)
            )
        )
    assert len(set(found)) == 1
    assert extractor.to_dict() == DiaFeatureExtractor(**settings).to_dict()


def test_two_threads_that_load_leave_the_libraries_as_they_were(
    clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tie_weights, draw = PreTrainedModel.tie_weights, torch.nn.init.normal_
    monkeypatch.setattr(PreTrainedModel, "tie_weights", tie_weights)
    build = CLIPModel.__init__
    inside: list[int] = []
    most = 0

    def slowly(self: Any, *arguments: Any, **options: Any) -> None:
        nonlocal most
        inside.append(1)
        most = max(most, len(inside))
        time.sleep(0.2)
        build(self, *arguments, **options)
        inside.pop()

    monkeypatch.setattr(CLIPModel, "__init__", slowly)
    checkpoint = catalog.resolve(str(clip_folder), task="image-text-similarity")

    def load(delay: float) -> Any:
        time.sleep(delay)
        return open_model(CLIPModel, clip_folder, checkpoint=checkpoint, device="cpu", dtype=torch.float32)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(load, (0, 0.1))
    assert most == 1
    assert PreTrainedModel.tie_weights is tie_weights
    assert torch.nn.init.normal_ is draw
    for mine, its in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes can be forked")
def test_a_forked_process_does_not_wait_for_a_thread_that_it_lacks(tmp_path: Path) -> None:
    tokenizer = auto(tiny_clip(tmp_path / "clip"))
    begun, go_on = threading.Event(), threading.Event()

    def encode_slowly() -> None:
        with thread_safe._turn_of(tokenizer):
            begun.set()
            go_on.wait()

    with ThreadPoolExecutor() as pool:
        busy = pool.submit(encode_slowly)
        begun.wait()
        child = multiprocessing.get_context("fork").Process(target=tokenizer, args=(TEXT,))
        try:
            child.start()
            child.join(20)
            assert child.exitcode == 0
        finally:
            child.kill()
            go_on.set()
            busy.result()
