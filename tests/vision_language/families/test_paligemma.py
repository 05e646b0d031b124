"""PaliGemma, which knows no conversations: its task words, held against transformers on the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import ImageQA, LLaVA, VideoQA
from sensorium.errors import InputError, UnsupportedError
from sensorium.suitability import tasks_for
from tests import real_media
from tests.checkpoints.vision_language import tiny_paligemma
from tests.refusals import refused

QUESTIONS = ["What is in this picture, and what colour is it?", "a dog?"]


@pytest.fixture(scope="module")
def image_qa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageQA]:
    with ImageQA(tiny_paligemma(tmp_path_factory.mktemp("hub") / "tiny-paligemma")) as image_qa:
        yield image_qa


@pytest.fixture(scope="module")
def pictures() -> list[PIL.Image.Image]:
    return [PIL.Image.open(real_media.photo(name)).convert("RGB") for name in ("chelsea", "astronaut")]


@pytest.fixture(scope="module")
def library(image_qa: ImageQA) -> Callable[[PIL.Image.Image, str, int], str]:
    """Return what transformers' own classes write after a prompt, used as their documentation shows."""
    from transformers import (
        AutoTokenizer,
        PaliGemmaForConditionalGeneration,
        PaliGemmaProcessor,
        SiglipImageProcessorPil,
    )

    folder = image_qa.checkpoint.folder
    processor: Any = PaliGemmaProcessor(
        SiglipImageProcessorPil.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )
    model: Any = PaliGemmaForConditionalGeneration.from_pretrained(folder).eval()

    def write(picture: PIL.Image.Image, prompt: str, longest: int) -> str:
        inputs = processor(text=f"<image>{prompt}", images=picture, return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(**inputs, max_new_tokens=longest, do_sample=False)
        written = tokens[0, inputs["input_ids"].shape[1] :]
        return str(processor.tokenizer.decode(written, skip_special_tokens=True)).rstrip("\N{REPLACEMENT CHARACTER}")

    return write


def test_questions_and_captions_are_those_of_transformers(
    image_qa: ImageQA,
    pictures: list[PIL.Image.Image],
    library: Callable[[PIL.Image.Image, str, int], str],
    parity: Callable[[str, str, str], None],
) -> None:
    theirs = [library(picture, f"answer en {ask}", 128) for picture, ask in zip(pictures, QUESTIONS, strict=True)]
    # Both in one pass, the shorter one padded.
    assert image_qa.answer_question(pictures, QUESTIONS) == [text.strip() for text in theirs]
    assert image_qa.generate_caption(pictures) == [library(each, "caption en", 64).strip() for each in pictures]
    assert theirs[0] != theirs[1]
    parity("PaliGemma: questions and captions", "transformers.PaliGemmaForConditionalGeneration", "token-identical")


@pytest.mark.parametrize("words", ["answer de Was ist das?", "detect cat ; dog", "ocr", "describe en", "caption fr"])
def test_words_of_its_tasks_are_passed_on(
    words: str,
    image_qa: ImageQA,
    pictures: list[PIL.Image.Image],
    library: Callable[[PIL.Image.Image, str, int], str],
) -> None:
    assert image_qa.answer_question(pictures[0], words) == library(pictures[0], words, 128).strip()


def test_it_is_for_single_questions_only(image_qa: ImageQA, pictures: list[PIL.Image.Image]) -> None:
    folder = Path(image_qa.checkpoint.folder)
    assert tasks_for(image_qa.checkpoint, folder) == ("image-question-answering",)
    for system in (LLaVA, VideoQA):
        with refused(UnsupportedError, "tiny-paligemma", "paligemma", "image-question-answering"):
            system(folder).load()
    with refused(InputError, "<image>"):
        image_qa.answer_question(pictures[0], "What does <image> mean?")
