"""Models made to read pages, on tiny checkpoints: asked in the words of their training, held against transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from sensorium import ImageQA
from sensorium.vision_language.families.document_models import LONGEST_PAGE, READING_REQUESTS, asks_to_read
from tests.checkpoints import documents
from tests.checkpoints.vision_language import tiny_llava
from tests.openai_server import serve_openai

_PAGE = PIL.Image.radial_gradient("L").convert("RGB").resize((80, 64))
_CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
_LENGTH = 24
_PROMPTS = {
    "paddleocr_vl": "User: <|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>OCR:\nAssistant:\n",
    "lighton_ocr": _CHAT.format("<|image_pad|>"),
    "glm_ocr": _CHAT.format("<|begin_of_image|><|image|><|end_of_image|>Text Recognition:"),
    "qianfan_ocr": _CHAT.format("<image>\nParse this document to Markdown."),
    "deepseek_ocr2": "<image>\nFree OCR.\n",
}


def _by_transformers(folder: Path, prompt: str) -> str:
    """Return what transformers writes, its processor put together of the parts that need no torchvision."""
    import torch
    import transformers

    model: Any = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pictures = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    kind = getattr(transformers, json.loads((folder / "preprocessor_config.json").read_text())["processor_class"])
    if "video_processor" in kind.get_attributes():
        kind = type(kind.__name__, (kind,), {"check_argument_for_proper_class": lambda *arguments: None})
    settings, _ = kind.get_processor_dict(folder)
    processor = kind(pictures, tokenizer, **{name: settings[name] for name in settings.keys() & _SETTINGS})
    inputs = processor(text=[prompt], images=[_PAGE], return_tensors="pt")
    with torch.inference_mode():
        written = model.generate(**inputs, max_new_tokens=_LENGTH, do_sample=False)
    text = tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return str(text).rstrip("\N{REPLACEMENT CHARACTER}").strip()


_SETTINGS = {"patch_size", "spatial_merge_size", "downsample_ratio", "image_seq_length"}


@pytest.mark.parametrize("family", _PROMPTS)
def test_a_page_is_read_as_the_model_was_taught(
    family: str, tmp_path: Path, parity: Callable[[str, str, str], None]
) -> None:
    folder: Path = getattr(documents, f"tiny_{family}")(tmp_path / family)
    with ImageQA(folder) as image_qa:
        read = image_qa.answer_question(_PAGE, "Read this page.", max_new_tokens=_LENGTH)
        assert image_qa.generate_caption(_PAGE, max_new_tokens=_LENGTH) == read
        otherwise = image_qa.answer_question(_PAGE, "What is the total?", max_new_tokens=_LENGTH)
    assert read == _by_transformers(folder, _PROMPTS[family])
    request, picture = READING_REQUESTS[family], "<|image_pad|>"
    taught, question = (request, "What is the total?") if request else (picture, f"{picture}What is the total?")
    assert otherwise == _by_transformers(folder, _PROMPTS[family].replace(taught, question))
    parity(
        f"ImageQA: {family} (a page)", f"transformers: its processor + generate, asked {request!r}", "token-identical"
    )


def test_who_is_asked_to_read_may_write_a_page(tmp_path: Path) -> None:
    with ImageQA(tiny_llava(tmp_path / "llava", context=1024)) as image_qa:
        words, page = (image_qa.answer_question(_PAGE, text) for text in ("What is it?", "Read the text."))
    assert words.usage is not None
    assert page.usage is not None
    assert words.usage.completion_tokens <= 128
    assert page.usage.completion_tokens > 128 or page.finish_reason == "stop"
    with serve_openai() as server:
        ImageQA(server.model()).answer_question(_PAGE, "Please transcribe the document.")
        assert server.requests[0].body["max_tokens"] == LONGEST_PAGE


@pytest.mark.parametrize(
    ("question", "reads"),
    [
        *[(text, True) for text in ("Read this page.", "OCR", "Please read it", "Extract all the text from the image")],
        *[(text, False) for text in ("What does it say?", "Read the third line", "Who can read this?")],
    ],
)
def test_questions_for_the_text_alone_are_told_from_others(question: str, reads: bool) -> None:
    assert asks_to_read(question) is reads
