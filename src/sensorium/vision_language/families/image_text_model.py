"""Any image-text-to-text model of transformers that has a chat template: one generic way to run them all.

LLaVA 1.5, LLaVA-NeXT, LLaVA-OneVision, Qwen-VL, SmolVLM, Idefics 3, InternVL and whatever else transformers' mapping
for image-text-to-text knows.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError
from sensorium.language.generation import stream_tokens, write_tokens
from sensorium.language.messages import Message
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import complete_text, pieces_of_text
from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint
from sensorium.models.loaded import Shared
from sensorium.models.placed_model import open_placed
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.vision_language.families.image_text_processor import ChatFormat, open_processor, prepare_inputs

if TYPE_CHECKING:
    import PIL.Image


class ImageTextModel:
    """A loaded checkpoint that reads pictures and text and writes text.

    Open it with `shared_image_text_model`, so that a process holds its weights once.

    Args:
        folder: The checkpoint's folder, in transformers' layout.
        checkpoint: Its catalog entry, for the words of an error.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.

    Attributes:
        batch_size: How many conversations go through at once by default.
        context_window: How many tokens prompt and answer may have together; 0 if the checkpoint names no limit.

    Raises:
        UnsupportedError: The checkpoint has no chat template, or no processor that runs here.
        ModelUnavailableError: Files are missing or damaged.
        InsufficientMemoryError: The weights don't fit.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForImageTextToText

        self.name = checkpoint.name
        self._processor = open_processor(folder, checkpoint=checkpoint)
        self._format = ChatFormat(self._processor, checkpoint=checkpoint)
        self._model, self._placement = open_placed(
            AutoModelForImageTextToText, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        tokenizer = self._processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.batch_size = 4 if self._placement.device == "cpu" else 16
        text_config = self._model.config.get_text_config(decoder=True)
        self.context_window = int(getattr(text_config, "max_position_embeddings", 0) or 0)
        self._busy = threading.Lock()

    def generate(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> str:
        """Answer the last turn of a conversation about pictures.

        Args:
            images: Upright RGB pictures, or frames of a film; they belong to the first turn of the user.
            messages: A checked conversation (`sensorium.language.messages.check_conversation`).
            max_new_tokens: Longest answer, in tokens.
            temperature: 0 takes the likeliest token each time.
            top_p: Sample only from the likeliest tokens that together have this probability.
            seed: Makes sampling repeatable, whatever else the process does.
            progress: Told the tokens written so far.
            cancel: Stops within one token.

        Returns:
            The answer, without the prompt and without special tokens.

        Raises:
            InputError: Conversation, pictures and answer don't fit the context window, or a turn contains a word
                that the checkpoint reserves for itself.
            UnsupportedError: The chat template can't write the conversation.
            CancelledError: ``cancel`` was set.
        """
        sampling = Sampling(max_new_tokens, temperature, top_p, seed)
        (text,) = self._generate([images], [messages], sampling, progress, cancel)
        return text

    def generate_batch(
        self,
        images: Sequence[Sequence[PIL.Image.Image]],
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        cancel: Cancellation | None = None,
    ) -> list[str]:
        """Answer several conversations in one pass, each with the likeliest tokens.

        Args:
            images: The pictures of each conversation.
            conversations: As many conversations.
            max_new_tokens: Longest answer, in tokens.
            cancel: Stops within one token.
        """
        return self._generate(images, conversations, Sampling(max_new_tokens), None, cancel)

    def stream(
        self,
        images: Sequence[PIL.Image.Image],
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, None]:
        """Like `generate`, piece by piece. The input is checked at once; closing the iterator stops the model."""
        sampling = Sampling(max_new_tokens, temperature, top_p, seed)
        inputs = self._inputs([images], [messages], sampling)
        return self._stream(inputs, sampling, progress, cancel)

    def count_tokens(self, images: Sequence[PIL.Image.Image], messages: Sequence[Message]) -> int:
        """Return how many tokens a conversation takes, its pictures included."""
        text = self._format.render(len(images), messages)
        return int(prepare_inputs(self._processor, [images], [text])["input_ids"].shape[1])

    @property
    def config(self) -> Any:
        """The checkpoint's configuration, of transformers."""
        return self._model.config

    def answer_inputs(
        self,
        inputs: Mapping[str, Any],
        *,
        max_new_tokens: int,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> str:
        """Answer inputs that were prepared elsewhere, such as those of a film, with the likeliest tokens.

        Args:
            inputs: Arguments of the model's ``generate``, as tensors on the CPU: one conversation.
            max_new_tokens: Longest answer, in tokens.
            progress: Told the tokens written so far.
            cancel: Stops within one token.

        Raises:
            CancelledError: ``cancel`` was set.
        """
        placed = {name: value.to(self._placement.device) for name, value in inputs.items()}
        for name in placed:
            if name.startswith("pixel_values"):
                placed[name] = placed[name].to(self._placement.dtype)
        (text,) = self._run(placed, Sampling(max_new_tokens), progress, cancel)
        return text

    def _generate(
        self,
        images: Sequence[Sequence[PIL.Image.Image]],
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> list[str]:
        return self._run(self._inputs(images, conversations, sampling), sampling, progress, cancel)

    def _run(
        self,
        inputs: Mapping[str, Any],
        sampling: Sampling,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> list[str]:
        run = partial(self._model.generate, **inputs)
        with self._explained():
            tokens = write_tokens(run, sampling, busy=self._busy, progress=progress, cancel=cancel)
        if not self._model.config.is_encoder_decoder:
            tokens = tokens[:, inputs["input_ids"].shape[1] :]
        return [complete_text(self._text(row)).strip() for row in tokens.tolist()]

    def _stream(
        self,
        inputs: Any,
        sampling: Sampling,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> Generator[str, None, None]:
        run = partial(self._model.generate, **inputs)
        with (
            self._explained(),
            closing(stream_tokens(run, sampling, busy=self._busy, progress=progress, cancel=cancel)) as tokens,
        ):
            yield from filter(None, pieces_of_text(tokens, self._text))

    def _inputs(
        self,
        images: Sequence[Sequence[PIL.Image.Image]],
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
    ) -> Any:
        texts = [
            self._format.render(len(pictures), messages)
            for pictures, messages in zip(images, conversations, strict=True)
        ]
        inputs = prepare_inputs(self._processor, images, texts)
        length = int(inputs["attention_mask"].sum(-1).max())
        if self.context_window and length + sampling.max_new_tokens > self.context_window:
            pictures = sum(len(some) for some in images) // len(images)
            raise InputError(
                f"The conversation has {length} tokens with its {pictures} picture{'s' * (pictures != 1)}, and the "
                f"answer may have {sampling.max_new_tokens}, but {self.name!r} holds {self.context_window} in all",
                "Start a new conversation, give fewer pictures, or lower max_new_tokens",
            )
        return inputs.to(self._placement.device, self._placement.dtype)

    def _explained(self) -> Any:
        return devices.explain_out_of_memory(
            "The answer", "Give fewer or smaller pictures, shorten the conversation, or choose a smaller checkpoint"
        )

    def _text(self, tokens: list[int]) -> str:
        return str(self._processor.tokenizer.decode(tokens, skip_special_tokens=True))


def shared_image_text_model(folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> Shared[ImageTextModel]:
    """Return a reference to a loaded model: the tasks of a process that use a checkpoint share its weights."""

    def load() -> ImageTextModel:
        return ImageTextModel(folder, checkpoint=checkpoint, device=device, dtype=dtype)

    return Shared((ImageTextModel, folder.resolve(), device, dtype), load)
