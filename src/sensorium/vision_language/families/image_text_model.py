"""Image-text-to-text models of transformers that have a chat template and the usual parts: one generic way for all.

LLaVA 1.5, LLaVA-NeXT, LLaVA-OneVision, Qwen-VL, SmolVLM, Idefics 3, InternVL and whatever else transformers' mapping
for image-text-to-text knows. Some hear, too: Gemma 4, Qwen2.5-Omni and Qwen3-Omni, of which the part that speaks stays
on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import LogitsProcessorList

from sensorium.answer import Answer, Ending
from sensorium.errors import InputError, ModelUnavailableError, SensoriumError, UnsupportedError
from sensorium.language.generation import end_tokens, endings, stream_tokens, write_tokens
from sensorium.language.messages import Turn
from sensorium.language.sampling import Sampling
from sensorium.language.text_pieces import TextReader, answer_from, complete_text, read_tokens
from sensorium.language.thoughts import ThinkingStyle, cannot_think
from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.models.fetching_anew import fetch_anew
from sensorium.models.json_files import json_table
from sensorium.models.loaded import Shared
from sensorium.models.placed_model import open_placed
from sensorium.models.pretrained import WeightsPart, open_part
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.vision_language.families.heard_recordings import in_pieces, recordings_of
from sensorium.vision_language.families.image_text_family import PALIGEMMA, thinker_of
from sensorium.vision_language.families.image_text_processor import (
    ChatFormat,
    open_processor,
    pictures_of,
    prepare_inputs,
)
from sensorium.vision_language.families.paligemma_format import PaliGemmaFormat

_FORMATS: dict[str, type[ChatFormat] | type[PaliGemmaFormat]] = {PALIGEMMA: PaliGemmaFormat}
"""Of families that are not asked by a chat template."""


class ImageTextModel:
    """A loaded checkpoint that reads pictures and text, perhaps hears recordings, and writes text.

    Open it with `shared_image_text_model`, so that a process holds its weights once.

    Args:
        folder: The checkpoint's folder, in transformers' layout.
        checkpoint: Its catalog entry, for the words of an error.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.
        quantize: Quantizes the weights while they are loaded; None to leave them.

    Attributes:
        batch_size: How many conversations go through at once by default.
        context_window: How many tokens prompt and answer may have together; 0 if the checkpoint names no limit.

    Raises:
        UnsupportedError: The checkpoint has no chat template, or no processor that runs here.
        ModelUnavailableError: Files are missing or damaged.
        InsufficientMemoryError: The weights don't fit.
    """

    def __init__(
        self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, quantize: str | None = None
    ) -> None:
        from transformers import AutoModelForImageTextToText

        part = _thinker(folder, checkpoint)
        self.name = checkpoint.name
        self._processor = open_processor(folder, checkpoint=checkpoint)
        written = _FORMATS.get(checkpoint.family or family_of(folder), ChatFormat)
        self._format = written(self._processor, checkpoint=checkpoint)
        self._model, self._placement = open_placed(
            AutoModelForImageTextToText,
            folder,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            quantize=quantize,
            part=part,
        )
        tokenizer = self._processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.batch_size = 4 if self._placement.device == "cpu" else 16
        text_config = self._model.config.get_text_config(decoder=True)
        self.context_window = int(getattr(text_config, "max_position_embeddings", 0) or 0)
        if self._model.generation_config.eos_token_id is None:
            # Of models that also speak, only the class that does both knows the token.
            self._model.generation_config.eos_token_id = tokenizer.eos_token_id
        self._ends = end_tokens(self._model)
        self._busy = threading.Lock()

    def stream(
        self,
        turns: Sequence[Turn],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Generator[str, None, Ending]:
        """Answer the last turn of a conversation, piece by piece. The input is checked at once.

        Args:
            turns: The conversation, its pictures (or frames of a film) upright and RGB, its recordings mono samples
                at 16 kHz.
            sampling: How the answer is chosen.
            progress: Told the tokens written so far.
            cancel: Stops within one token.

        Returns:
            A generator of the answer's text without the prompt and without special tokens, which returns how the
            answer ended. Closing it stops the model.

        Raises:
            InputError: Conversation, pictures and answer don't fit the context window, or a turn contains a word
                that the checkpoint reserves for itself.
            UnsupportedError: The chat template can't write the conversation; or, while it writes, the model thinks and
                comes to no answer.
            CancelledError: ``cancel`` was set.
        """
        inputs = self._inputs([turns], sampling)
        (reader,) = self._readers(inputs, sampling)
        longest = replace(sampling, max_new_tokens=reader.most_tokens)
        return read_tokens(self._tokens(inputs, longest, cancel), reader, progress=progress)

    @property
    def runs_on_gpu(self) -> bool:
        """Whether it runs elsewhere than on the CPU."""
        return self._placement.device != "cpu"

    def answer_batch(
        self,
        conversations: Sequence[Sequence[Turn]],
        sampling: Sampling,
        *,
        watch: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
        cancel: Cancellation | None = None,
    ) -> list[Answer | SensoriumError]:
        """Answer several conversations in one pass.

        Args:
            conversations: As for `stream`.
            sampling: How the answers are chosen; they have no stop sequences. With ``watch``, by the likeliest tokens.
            watch: Given the tokens so far and how likely each next one is; returns the latter.
            cancel: Stops within one token.

        Returns:
            For each its answer, or the error that says why there is none: the model thought and came to no end.
        """
        inputs = self._inputs(conversations, sampling)
        watching = {} if watch is None else {"logits_processor": LogitsProcessorList([watch])}
        return self._run({**inputs, **watching}, sampling, None, cancel)

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Return how many tokens a conversation takes, its pictures and recordings included."""
        return int(self._prepared([turns])["input_ids"].shape[1])

    @property
    def style(self) -> ThinkingStyle:
        """How the checkpoint thinks."""
        return self._format.style

    @property
    def config(self) -> Any:
        """The checkpoint's configuration, of transformers."""
        return self._model.config

    def answer_inputs(
        self,
        inputs: Mapping[str, Any],
        sampling: Sampling,
        *,
        progress: ProgressCallback | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer:
        """Answer inputs that were prepared elsewhere, such as those of a film.

        Args:
            inputs: Arguments of the model's ``generate``, tensors among them on the CPU: one conversation.
            sampling: How the answer is chosen; it has no stop sequences.
            progress: Told the tokens written so far.
            cancel: Stops within one token.

        Raises:
            UnsupportedError: The model thinks and comes to no answer.
            CancelledError: ``cancel`` was set.
        """
        device = self._placement.device
        placed = {name: value.to(device) if torch.is_tensor(value) else value for name, value in inputs.items()}
        for name in placed:
            if name.startswith(("pixel_values", "input_features")) and placed[name].is_floating_point():
                placed[name] = placed[name].to(self._placement.dtype)
        (answer,) = self._run(placed, sampling, progress, cancel)
        if isinstance(answer, SensoriumError):
            raise answer
        return answer

    def _run(
        self,
        inputs: Mapping[str, Any],
        sampling: Sampling,
        progress: ProgressCallback | None,
        cancel: Cancellation | None,
    ) -> list[Answer | SensoriumError]:
        run = partial(self._model.generate, **inputs)
        readers = self._readers(inputs, sampling) if self.style.marks else []
        longest = max((reader.most_tokens for reader in readers), default=sampling.max_new_tokens)
        with self._explained():
            tokens = write_tokens(
                run,
                replace(sampling, max_new_tokens=longest),
                busy=self._busy,
                readers=readers,
                progress=progress,
                cancel=cancel,
            )
        if readers:
            return [self._read(reader, sampling) for reader in readers]
        if not self._model.config.is_encoder_decoder:
            tokens = tokens[:, inputs["input_ids"].shape[1] :]
        mask = inputs.get("attention_mask")
        lengths = (torch.ones_like(inputs["input_ids"]) if mask is None else mask).sum(-1).tolist()
        warnings = (cannot_think(self.name),) if sampling.thinking and not self.style.possible else ()
        return [
            answer_from(complete_text(self._text(row)).strip(), ending, sampling, model=self.name).warned(warnings)
            for row, ending in endings(tokens.tolist(), self._ends, lengths)
        ]

    def _read(self, reader: TextReader, sampling: Sampling) -> Answer | SensoriumError:
        reader.rest()
        try:
            return answer_from(reader.text.strip(), reader.ending(), sampling, model=self.name)
        except UnsupportedError as error:  # one that thinks without end takes nothing from the others
            return error

    def _readers(self, inputs: Mapping[str, Any], sampling: Sampling) -> list[TextReader]:
        ids = inputs["input_ids"]
        mask = inputs.get("attention_mask")
        seen = torch.ones_like(ids) if mask is None else mask
        return [
            TextReader(
                self.name,
                row[kept.bool()].tolist(),
                sampling,
                text_of=self._text,
                ends=self._ends,
                style=self.style,
                window=self.context_window,
            )
            for row, kept in zip(ids, seen, strict=True)
        ]

    def _tokens(
        self, inputs: Mapping[str, Any], sampling: Sampling, cancel: Cancellation | None
    ) -> Generator[int, None, None]:
        run = partial(self._model.generate, **inputs)
        with (
            self._explained(),
            closing(stream_tokens(run, sampling, busy=self._busy, cancel=cancel)) as tokens,
        ):
            yield from tokens

    def _inputs(self, conversations: Sequence[Sequence[Turn]], sampling: Sampling) -> Any:
        inputs = self._prepared(conversations, thinking=sampling.thinking)
        length = int(inputs["attention_mask"].sum(-1).max())
        if self.context_window and length + sampling.max_new_tokens > self.context_window:
            pictures = sum(len(pictures_of(turns)) for turns in conversations) // len(conversations)
            heard = any(recordings_of(turns) for turns in conversations)
            raise InputError(
                f"The conversation has {length} tokens with its {pictures} picture{'s' * (pictures != 1)}"
                f"{' and what it holds of sound' * heard}, and the answer may have {sampling.max_new_tokens}, but "
                f"{self.name!r} holds {self.context_window} in all",
                f"Start a new conversation, give fewer pictures{' or less sound' * heard}, or lower max_new_tokens",
            )
        return inputs.to(self._placement.device, self._placement.dtype)

    def _prepared(self, conversations: Sequence[Sequence[Turn]], *, thinking: bool = False) -> Any:
        whole = [in_pieces(turns, self._processor) for turns in conversations]
        return prepare_inputs(
            self._processor,
            [pictures_of(turns) for turns in whole],
            [self._format.render(turns, thinking=thinking) for turns in whole],
            recordings=[sound for turns in whole for sound in recordings_of(turns)],
        )

    def _explained(self) -> Any:
        return devices.explain_out_of_memory(
            "The answer", "Give fewer or smaller pictures, shorten the conversation, or choose a smaller checkpoint"
        )

    def _text(self, tokens: Sequence[int]) -> str:
        return self.style.decoded(tokens, self._processor.tokenizer.decode)


def _thinker(folder: Path, checkpoint: Checkpoint) -> WeightsPart | None:
    """Return the part of a checkpoint that also speaks which sees, hears and writes; None where that is all of it."""
    from transformers import CONFIG_MAPPING

    thinker = thinker_of(family_of(folder))
    if thinker not in CONFIG_MAPPING:
        return None
    settings = json_table(folder / "config.json").get("thinker_config")
    # transformers would fill in what is missing: a model of 30 billion weights for an empty table.
    if not isinstance(settings, dict) or not isinstance(settings.get("text_config"), dict):
        raise ModelUnavailableError(
            f"The checkpoint {checkpoint.name!r} can't be opened: its config.json says nothing of a part that writes",
            fetch_anew(checkpoint),
        )
    return WeightsPart(open_part(CONFIG_MAPPING[thinker], folder, checkpoint=checkpoint), "thinker.")


def shared_image_text_model(
    folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, quantize: str | None = None
) -> Shared[ImageTextModel]:
    """Return a reference to a loaded model: the tasks of a process that use a checkpoint share its weights."""

    def load() -> ImageTextModel:
        return ImageTextModel(folder, checkpoint=checkpoint, device=device, dtype=dtype, quantize=quantize)

    return Shared((ImageTextModel, folder.resolve(), device, dtype, quantize), load)
