"""Any causal language model that transformers knows."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from sensorium.errors import UnsupportedError
from sensorium.language.pretrained_tokenizer import PretrainedTokenizer
from sensorium.language.sampling import Sampling
from sensorium.language.text_writer import TokenWriter
from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.progress import Cancellation


class CausalLanguageModel(TokenWriter):
    """A causal language model from a folder with ``config.json``, tokenizer files and safetensors.

    Args:
        folder: The checkpoint's folder.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.
        quantize: Quantizes the weights while they are loaded; None to leave them.

    Raises:
        UnsupportedError: The architecture is not a causal language model.
        ModelUnavailableError: Weights or tokenizer are missing or damaged.
    """

    quantizes = True

    def __init__(
        self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str, quantize: str | None = None
    ) -> None:
        from transformers import AutoModelForCausalLM
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        from sensorium.language.generation import end_tokens
        from sensorium.models.placed_model import open_placed

        family = family_of(folder)
        if family not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} is not a language model: its architecture is {family!r}",
                "Choose a causal language model, such as a Llama, Qwen or SmolLM checkpoint",
            )
        super().__init__(checkpoint)
        tokenizer = PretrainedTokenizer(folder, checkpoint)
        self.tokenizer = tokenizer
        self._padding = tokenizer.padding
        self._model, self._placement = open_placed(
            AutoModelForCausalLM, folder, checkpoint=checkpoint, device=device, dtype=dtype, quantize=quantize
        )
        self.ends = end_tokens(self._model)
        self._busy = threading.Lock()
        self.context_window = int(getattr(self._model.config, "max_position_embeddings", 0) or tokenizer.longest)

    def write_tokens(
        self, tokens: Sequence[int], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[int, None, None]:
        """Give the answer's tokens as they are written.

        Generation runs in a thread of its own; closing the iterator, or setting ``cancel``, ends it within a token.

        Raises:
            InsufficientMemoryError: The device's memory is full.
            CancelledError: ``cancel`` was set.
        """
        import torch

        from sensorium.language.generation import stream_tokens

        ids = torch.tensor([list(tokens)], device=self._placement.device)
        generate = partial(
            self._model.generate,
            ids,
            attention_mask=torch.ones_like(ids),
            pad_token_id=self._padding,
        )
        with (
            devices.explain_out_of_memory("The answer", "Shorten the prompt, or choose a smaller checkpoint"),
            closing(stream_tokens(generate, sampling, busy=self._busy, cancel=cancel)) as written,
        ):
            yield from written
