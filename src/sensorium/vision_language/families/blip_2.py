"""BLIP-2 with either of its language models: OPT, which continues a text, or T5, which answers one.

Source: Li et al. 2023, BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large
Language Models.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium.answer import Answer
from sensorium.errors import InputError, ModelUnavailableError
from sensorium.language.generation import end_tokens, endings, write_tokens
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import answer_from
from sensorium.models.catalog import Checkpoint
from sensorium.models.device import explain_out_of_memory
from sensorium.models.placed_model import open_placed
from sensorium.progress import Cancellation
from sensorium.quiet import quiet_transformers
from sensorium.vision_language.families.image_text_processor import open_processor, reserved_words
from sensorium.vision_language.image_qa import AS_USUAL, AnswerOptions

if TYPE_CHECKING:
    import PIL.Image

_LONGEST_CAPTION = 30
_LONGEST_ANSWER = 50


class Blip2:
    """Answers questions about pictures and writes captions.

    The prompts are the paper's: "Question: … Answer:" for OPT, "Question: … Short answer:" for T5. For a caption OPT
    needs none, and T5, which can't do without, gets "a photo of".

    Args:
        folder: The checkpoint's folder, in transformers' layout.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.
    """

    thinks = False

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import Blip2ForConditionalGeneration

        self._name = checkpoint.name
        self._processor = open_processor(folder, checkpoint=checkpoint)
        self._model, self._placement = open_placed(
            Blip2ForConditionalGeneration, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        config = self._model.config
        if config.image_token_index is None:
            raise ModelUnavailableError(
                f"The checkpoint {self._name!r} is an old revision that names no image token", "Fetch it again"
            )
        self._processor.num_query_tokens = config.num_query_tokens
        self._reserved = reserved_words(self._processor)
        self._repeats_prompt = not self._model.language_model.config.is_encoder_decoder
        # A decoder goes on from the last token. An encoder counts from the picture's tokens, which come first.
        self._processor.tokenizer.padding_side = "left" if self._repeats_prompt else "right"
        self._window = int(getattr(config.text_config, "max_position_embeddings", 0) or 0)
        self.batch_size = 8 if self._placement.device == "cpu" else 32
        self._ends = end_tokens(self._model.language_model)
        self._busy = threading.Lock()

    def answer(
        self,
        images: Sequence[PIL.Image.Image],
        questions: Sequence[str],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Answer a question about each of several upright RGB pictures, all in one pass.

        Raises:
            InputError: A question is too long, or contains a word that the checkpoint reserves for itself.
            CancelledError: ``cancel`` was set.
        """
        for word in self._reserved:
            if any(word in question for question in questions):
                raise InputError(
                    f"A question contains {word!r}, which {self._name!r} reserves for itself", "Leave it out"
                )
        ending = "Answer:" if self._repeats_prompt else "Short answer:"
        prompts = [f"Question: {question.strip()} {ending}" for question in questions]
        return self._write(images, prompts, options.longest(_LONGEST_ANSWER), cancel)

    def caption(
        self,
        images: Sequence[PIL.Image.Image],
        *,
        options: AnswerOptions = AS_USUAL,
        cancel: Cancellation | None = None,
    ) -> list[Answer]:
        """Describe upright RGB pictures, all in one pass."""
        prompts = ["" if self._repeats_prompt else "a photo of"] * len(images)
        return self._write(images, prompts, options.longest(_LONGEST_CAPTION), cancel)

    def _write(
        self, images: Sequence[PIL.Image.Image], prompts: Sequence[str], longest: int, cancel: Cancellation | None
    ) -> list[Answer]:
        with quiet_transformers():
            inputs = self._processor(
                images=list(images), text=list(prompts), padding=len(prompts) > 1, return_tensors="pt"
            )
        length = inputs["input_ids"].shape[1]
        if self._window and length + longest > self._window:
            raise InputError(
                f"A question has {length} tokens with its picture, and the answer may have {longest}, but "
                f"{self._name!r} holds {self._window} in all",
                "Ask a shorter question, or lower max_new_tokens",
            )
        lengths = inputs["attention_mask"].sum(-1).tolist()
        run = partial(self._model.generate, **inputs.to(self._placement.device, self._placement.dtype))
        sampling = Sampling(longest)
        with explain_out_of_memory("The answer", "Give fewer pictures at once, or choose a smaller checkpoint"):
            tokens = write_tokens(run, sampling, busy=self._busy, cancel=cancel)
        # An encoder-decoder's first token only starts the text.
        tokens = tokens[:, length if self._repeats_prompt else 1 :]
        decode = self._processor.tokenizer.decode
        return [
            answer_from(decode(row, skip_special_tokens=True).strip(), ending, sampling, model=self._name)
            for row, ending in endings(tokens.tolist(), self._ends, lengths)
        ]
