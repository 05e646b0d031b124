"""BLIP and BLIP-2 on tiny checkpoints, held against transformers' own code on the same files."""

from __future__ import annotations

import json
import runpy
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from sensorium import ImageQA
from sensorium.answer import Answer, Usage
from sensorium.errors import (
    CancelledError,
    InputError,
    InsufficientMemoryError,
    ModelUnavailableError,
    UnsupportedError,
)
from tests.real_media import photo
from tests.vision_language.conftest import TinyCheckpoint

EXAMPLES = Path(__file__).parents[3] / "examples"
QUESTIONS = ["What is in this picture?", "How many people are there in the grass?", "What colour?"]

Picture = PIL.Image.Image
Generated = list[list[list[int]]]
Parity = Callable[[str, str, str], None]


def test_captions_equal_transformers(
    tiny: TinyCheckpoint, pictures: list[Picture], generated: Generated, parity: Parity
) -> None:
    from transformers import AutoProcessor, BlipForConditionalGeneration

    folder = tiny("blip-caption")
    model = BlipForConditionalGeneration.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    theirs = []
    for picture in pictures:
        tokens = model.generate(**processor(images=picture, return_tensors="pt"), max_new_tokens=30)
        theirs.append((tokens[0].tolist(), processor.decode(tokens[0], skip_special_tokens=True).strip()))
    with ImageQA(folder) as image_qa:
        for picture, (tokens, text) in zip(pictures, theirs, strict=True):
            caption = image_qa.generate_caption(picture)
            assert generated[-1][0] == tokens
            assert isinstance(caption, Answer)
            assert (caption, caption.model) == (text, "blip-caption")
            ended = tokens[-1] == model.config.text_config.sep_token_id
            assert caption.finish_reason == ("stop" if ended else "length")
            # The writing half reads the picture's squares and one token for the whole, and has a start token.
            seen = model.vision_model.embeddings.num_positions
            assert caption.usage == Usage(seen, len(tokens) - 1 - ended)
        assert image_qa.generate_caption(pictures) == [text for _, text in theirs]
        assert len(generated[-1]) == 3
    assert len({text for _, text in theirs}) == 3
    parity("ImageQA: blip (caption)", "BlipForConditionalGeneration.generate", "token-identical")


def test_answers_equal_transformers(
    tiny: TinyCheckpoint, pictures: list[Picture], generated: Generated, parity: Parity
) -> None:
    from transformers import AutoProcessor, BlipForQuestionAnswering

    folder = tiny("blip-vqa")
    model = BlipForQuestionAnswering.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    theirs = []
    for picture, question in zip(pictures, QUESTIONS, strict=True):
        inputs = processor(images=picture, text=question, return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=20)
        theirs.append((tokens[0].tolist(), processor.decode(tokens[0], skip_special_tokens=True).strip()))
    with ImageQA(folder) as image_qa:
        for picture, question, (tokens, text) in zip(pictures, QUESTIONS, theirs, strict=True):
            answer = image_qa.answer_question(picture, question)
            assert answer == text
            assert generated[-1][0] == tokens
            asked = processor(images=picture, text=question, return_tensors="pt")["input_ids"].shape[1]
            assert answer.usage is not None
            assert answer.usage.prompt_tokens == asked + model.vision_model.embeddings.num_positions
        # Questions of three lengths, two of them twice: three passes, and each answer with its own question.
        before = len(generated)
        again = image_qa.answer_question([*pictures, *pictures[:2]], [*QUESTIONS, *QUESTIONS[:2]])
        assert [len(group) for group in generated[before:]] == [1, 2, 2]
        assert again == [text for _, text in [*theirs, *theirs[:2]]]
    assert len({text for _, text in theirs}) == 3
    parity("ImageQA: blip (answers)", "BlipForQuestionAnswering.generate", "token-identical")


@pytest.mark.parametrize(("name", "ending"), [("blip2-opt", "Answer:"), ("blip2-t5", "Short answer:")])
def test_blip_2_equals_transformers(
    name: str, ending: str, tiny: TinyCheckpoint, pictures: list[Picture], generated: Generated, parity: Parity
) -> None:
    from transformers import AutoProcessor, Blip2ForConditionalGeneration

    folder = tiny(name)
    model = Blip2ForConditionalGeneration.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    opt = name == "blip2-opt"

    def reference(picture: Picture, prompt: str | None, longest: int) -> tuple[list[int], str]:
        inputs = processor(images=picture, text=prompt, return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=longest, do_sample=False)[0].tolist()
        # OPT gives the prompt back: the picture's five tokens, the start token, the words.
        new = tokens[len(inputs["input_ids"][0]) if prompt else 6 :] if opt else tokens
        return tokens, processor.tokenizer.decode(new, skip_special_tokens=True).strip()

    prompts = [f"Question: {question} {ending}" for question in QUESTIONS]
    answers = [reference(picture, prompt, 50) for picture, prompt in zip(pictures, prompts, strict=True)]
    captions = [reference(picture, None if opt else "a photo of", 30) for picture in pictures]
    with ImageQA(folder) as image_qa:
        for picture, question, (tokens, text) in zip(pictures, QUESTIONS, answers, strict=True):
            answer = image_qa.answer_question(picture, question)
            assert answer == text
            assert generated[-1][0] == tokens
            read = processor(images=picture, text=f"Question: {question} {ending}", return_tensors="pt")["input_ids"]
            ended = tokens[-1] == model.language_model.generation_config.eos_token_id
            written = len(tokens) - (read.shape[1] if opt else 1) - ended
            assert answer.usage == Usage(read.shape[1], written)
            assert answer.finish_reason == ("stop" if ended else "length")
            assert question not in text
        for picture, (tokens, text) in zip(pictures, captions, strict=True):
            assert image_qa.generate_caption(picture) == text
            assert generated[-1][0] == tokens
        assert image_qa.answer_question(pictures, QUESTIONS) == [text for _, text in answers]
        assert len(generated[-1]) == 3
        assert image_qa.generate_caption(pictures) == [text for _, text in captions]
    assert len({text for _, text in answers}) == 3
    assert len({text for _, text in captions}) == 3
    family = {"blip2-opt": "blip-2 with OPT", "blip2-t5": "blip-2 with T5"}[name]
    parity(f"ImageQA: {family}", "Blip2ForConditionalGeneration.generate", "token-identical")


def test_each_head_refuses_the_other_ones_work(tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    with (
        ImageQA(tiny("blip-caption")) as captioner,
        pytest.raises(UnsupportedError, match=r"answers no questions.*Salesforce/blip-vqa-base"),
    ):
        captioner.answer_question(pictures[0], "What is it?")
    with (
        ImageQA(tiny("blip-vqa")) as answerer,
        pytest.raises(UnsupportedError, match=r"writes no captions.*Salesforce/blip-image-captioning-base"),
    ):
        answerer.generate_caption(pictures[0])


def test_a_head_that_writes_nothing_is_refused(tiny: TinyCheckpoint, tmp_path: Path) -> None:
    shutil.copytree(tiny("blip-vqa"), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["architectures"] = ["BlipModel"]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedError, match=r"neither writes captions nor answers.*BlipModel"):
        ImageQA(tmp_path / "model").load()


def test_an_old_revision_of_blip_2(tiny: TinyCheckpoint, tmp_path: Path, pictures: list[Picture]) -> None:
    shutil.copytree(tiny("blip2-opt"), tmp_path / "old")
    # Processors of that time did not count the picture's tokens; the model's configuration does.
    (tmp_path / "old" / "processor_config.json").unlink()
    with ImageQA(tmp_path / "old") as old, ImageQA(tiny("blip2-opt")) as new:
        assert old.generate_caption(pictures[0]) == new.generate_caption(pictures[0])
    config = json.loads((tmp_path / "old" / "config.json").read_text())
    config["image_token_index"] = None
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailableError, match="old revision"):
        ImageQA(tmp_path / "old").load()


@pytest.mark.parametrize("name", ["blip-vqa", "blip2-opt"])
def test_a_question_beyond_the_window(name: str, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    with ImageQA(tiny(name)) as image_qa, pytest.raises(InputError, match=r"tokens.*Ask a shorter question"):
        image_qa.answer_question(pictures[0], "What is in this picture? " * 40)


@pytest.mark.parametrize(("name", "word"), [("blip2-opt", "<image>"), ("blip2-opt", "</s>"), ("blip2-t5", "<image>")])
def test_words_that_the_checkpoint_reserves(
    name: str, word: str, tiny: TinyCheckpoint, pictures: list[Picture]
) -> None:
    with ImageQA(tiny(name)) as image_qa, pytest.raises(InputError, match=f"contains '{word}', which .* reserves"):
        image_qa.answer_question(pictures[:2], ["What is it?", f"Is {word} a picture?"])


@pytest.mark.parametrize("name", ["blip-vqa", "blip2-opt", "llava"])
@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question(name: str, question: str, tiny: TinyCheckpoint, pictures: list[Picture]) -> None:
    with pytest.raises(InputError, match="question is empty"):
        ImageQA(tiny(name)).answer_question(pictures[0], question)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("blip-caption", "model.safetensors"),
        ("blip-caption", "preprocessor_config.json"),
        ("blip2-opt", "model.safetensors"),
        ("blip2-opt", "tokenizer.json"),
        ("blip2-t5", "preprocessor_config.json"),
    ],
)
def test_a_half_downloaded_checkpoint(name: str, file: str, tiny: TinyCheckpoint, tmp_path: Path) -> None:
    shutil.copytree(tiny(name), tmp_path / "half")
    (tmp_path / "half" / file).unlink()
    with pytest.raises(ModelUnavailableError, match=r"'half' can't be opened.*missing.*Copy all of its files"):
        ImageQA(tmp_path / "half").load()


def test_a_text_file_called_jpg(tiny: TinyCheckpoint, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear reader, this is no picture.\n" * 20)
    with pytest.raises(InputError, match=r"letter\.jpg is not a picture"):
        ImageQA(tiny("blip-caption")).generate_caption(tmp_path / "letter.jpg")


@pytest.mark.parametrize("name", ["blip-caption", "blip2-t5"])
def test_cancel_and_out_of_memory(
    name: str, tiny: TinyCheckpoint, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import GenerationMixin

    def full(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    cancel = threading.Event()
    cancel.set()
    with ImageQA(tiny(name)) as image_qa:
        with pytest.raises(CancelledError):
            image_qa.generate_caption(pictures[0], cancel=cancel)
        monkeypatch.setattr(GenerationMixin, "generate", full)
        with pytest.raises(InsufficientMemoryError, match="needs more memory than is left"):
            image_qa.generate_caption(pictures[0])


def test_the_example_of_the_chapter_runs_on_the_standard_profile(
    tiny: TinyCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(photo("street"), tmp_path / "scene.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSORIUM_PROFILE", "standard")
    monkeypatch.setenv("SENSORIUM_SUBSTITUTE", f"blip2-opt-2.7b={tiny('blip2-opt')}")
    runpy.run_path(str(EXAMPLES / "image_qa.py"))
    printed = capsys.readouterr().out
    assert printed.startswith("Caption: ")
    assert printed.count("\nQ: ") == 3
    assert printed.count("\nA: ") == 3
