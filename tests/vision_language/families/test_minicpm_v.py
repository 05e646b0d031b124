"""MiniCPM-V, whose processor reads settings of its part for films when it opens, held against transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest
import transformers

from sensorium import LLaVA
from tests.checkpoints.minicpm_v import tiny_minicpm_v

ASKED = [{"role": "user", "content": "What is this?"}]
LENGTH = 16


def reference_inputs(folder: Path, picture: PIL.Image.Image, version: str) -> Any:
    """Return what transformers' own processor makes of a question, with a bare part for films."""
    plain: Any = getattr(transformers, f"MiniCPMV{version}Processor")
    processor_class = type("Processor", (plain,), {"check_argument_for_proper_class": lambda *_: None})
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = processor_class(
        transformers.MiniCPMV4_6ImageProcessorPil.from_pretrained(folder),
        SimpleNamespace(slice_mode=True, downsample_mode="16x", valid_kwargs=None),
        tokenizer,
    )
    content = [{"type": "image"}, {"type": "text", "text": ASKED[0]["content"]}]
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    return processor(images=[[picture]], text=[prompt], return_tensors="pt")


@pytest.mark.parametrize("version", ["4_6", "4_7"])
def test_equals_transformers(
    version: str,
    tmp_path: Path,
    pictures: list[PIL.Image.Image],
    generated: list[list[list[int]]],
    parity: Callable[[str, str, str], None],
) -> None:
    folder = tiny_minicpm_v(tmp_path / "tiny-minicpm-v", version=version)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    answers = []
    with LLaVA(folder) as llava:
        for picture in pictures[:2]:
            inputs = reference_inputs(folder, picture, version)
            theirs = model.generate(**inputs, max_new_tokens=LENGTH, do_sample=False)[0].tolist()
            answers.append(llava.chat([picture], ASKED, max_new_tokens=LENGTH))
            assert generated[-1][0] == theirs
            assert len(theirs) > inputs["input_ids"].shape[1]
    assert answers[0] != answers[1]
    parity(f"LLaVA: minicpmv{version}", f"{type(model).__name__}: processor + generate", "token-identical")
