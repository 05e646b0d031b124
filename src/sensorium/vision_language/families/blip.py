"""BLIP: captions by one kind of checkpoint, answers by another.

Source: Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and
Generation.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sensorium.answer import Answer
from sensorium.errors import InputError, UnsupportedError
from sensorium.language.generation import endings, write_tokens
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import answer_from
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory
from sensorium.models.placed_model import open_placed
from sensorium.models.pretrained import open_part
from sensorium.progress import Cancellation
from sensorium.vision_language.image_qa import AS_USUAL, AnswerOptions

if TYPE_CHECKING:
    import PIL.Image

_LONGEST_CAPTION = 30
_LONGEST_ANSWER = 20
_CAPTIONING = "Salesforce/blip-image-captioning-base"
_ANSWERING = "Salesforce/blip-vqa-base"


class _Blip:
    """What both kinds share: image processor, tokenizer and the way a model is run."""

    thinks = False

    def __init__(self, model_class: Any, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoTokenizer, BlipImageProcessorPil

        self._name = checkpoint.name
        self._tokenizer = open_part(AutoTokenizer, folder, checkpoint=checkpoint)
        self._image_processor = open_part(BlipImageProcessorPil, folder, checkpoint=checkpoint)
        self._model, self._placement = open_placed(
            model_class, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        self.batch_size = 8 if self._placement.device == "cpu" else 64
        self._ends = frozenset([int(self._model.config.text_config.sep_token_id)])
        vision = self._model.config.vision_config
        # What the writing half reads of a picture: its squares, and one token for the whole.
        self._picture_tokens = (vision.image_size // vision.patch_size) ** 2 + 1
        self._busy = threading.Lock()

    def _write(
        self,
        images: Sequence[PIL.Image.Image],
        texts: dict[str, torch.Tensor],
        longest: int,
        cancel: Cancellation | None,
    ) -> list[Answer]:
        """Return the text that the model writes about each picture."""
        window = int(self._model.config.text_config.max_position_embeddings)
        if longest > window:
            raise InputError(f"{self._name!r} can't write {longest} tokens", f"Lower max_new_tokens to {window}")
        pixels = self._image_processor(images=list(images), return_tensors="pt").pixel_values
        pixels = pixels.to(self._placement.device, self._placement.dtype)
        run = partial(self._model.generate, pixel_values=pixels, **texts)
        sampling = Sampling(longest)
        with explain_out_of_memory("The answer", "Give fewer pictures at once"):
            tokens = write_tokens(run, sampling, busy=self._busy, cancel=cancel)
        asked = texts["input_ids"].shape[1] if texts else 0
        # The first token only starts the text.
        written = endings(tokens[:, 1:].tolist(), self._ends, [self._picture_tokens + asked] * len(images))
        return [
            answer_from(
                self._tokenizer.decode(row, skip_special_tokens=True).strip(), ending, sampling, model=self._name
            )
            for row, ending in written
        ]


class BlipCaptioner(_Blip):
    """BLIP with its caption head: ``BlipForConditionalGeneration``."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import BlipForConditionalGeneration

        super().__init__(BlipForConditionalGeneration, folder, checkpoint=checkpoint, device=device, dtype=dtype)

    def answer(
        self,
        images: Sequence[PIL.Image.Image],
        questions: Sequence[str],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Refuse: this head writes captions only."""
        raise UnsupportedError(
            f"The checkpoint {self._name!r} writes captions and answers no questions",
            f"Ask a checkpoint that was trained for it, such as {_ANSWERING}",
        )

    def caption(
        self,
        images: Sequence[PIL.Image.Image],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Describe upright RGB pictures, all in one pass."""
        return self._write(images, {}, options.longest(_LONGEST_CAPTION), cancel)


class BlipAnswerer(_Blip):
    """BLIP with its head for visual question answering: ``BlipForQuestionAnswering``."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import BlipForQuestionAnswering

        super().__init__(BlipForQuestionAnswering, folder, checkpoint=checkpoint, device=device, dtype=dtype)
        self._longest_question = int(self._model.config.text_config.max_position_embeddings)

    def answer(
        self,
        images: Sequence[PIL.Image.Image],
        questions: Sequence[str],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Answer a question about each of several upright RGB pictures.

        Questions of the same length go in one pass: the answering half of the model sees padding as words.
        """
        tokens = [self._tokenizer(question, verbose=False).input_ids for question in questions]
        for question, ids in zip(questions, tokens, strict=True):
            if len(ids) > self._longest_question:
                raise InputError(
                    f"The question {question[:40]!r}… has {len(ids)} tokens, and {self._name!r} reads at most "
                    f"{self._longest_question}",
                    "Ask a shorter question",
                )
        answers: dict[int, Answer] = {}
        for length in sorted({len(ids) for ids in tokens}):
            chosen = [index for index, ids in enumerate(tokens) if len(ids) == length]
            ids = torch.tensor([tokens[index] for index in chosen], device=self._placement.device)
            texts = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            longest = options.longest(_LONGEST_ANSWER)
            written = self._write([images[index] for index in chosen], texts, longest, cancel)
            answers.update(zip(chosen, written, strict=True))
        return [answers[index] for index in range(len(tokens))]

    def caption(
        self,
        images: Sequence[PIL.Image.Image],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Refuse: this head answers questions only."""
        raise UnsupportedError(
            f"The checkpoint {self._name!r} answers questions and writes no captions",
            f"Use a checkpoint that was trained for it, such as {_CAPTIONING}",
        )


_HEADS: dict[str, type[BlipCaptioner] | type[BlipAnswerer]] = {
    "BlipForConditionalGeneration": BlipCaptioner,
    "BlipForQuestionAnswering": BlipAnswerer,
}


def open_blip(folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> BlipCaptioner | BlipAnswerer:
    """Open a BLIP checkpoint with the head that its ``config.json`` names.

    Raises:
        UnsupportedError: It has another head, such as the one for retrieval.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named = [str(name) for name in config.get("architectures") or ()]
    head = next((_HEADS[name] for name in named if name in _HEADS), None)
    if head is None:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name!r} neither writes captions nor answers questions: "
            f"its architecture is {', '.join(named) or 'not named'}",
            f"Choose {_CAPTIONING} for captions or {_ANSWERING} for questions",
        )
    return head(folder, checkpoint=checkpoint, device=device, dtype=dtype)
