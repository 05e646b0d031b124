"""Any causal language model that transformers knows."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import UnsupportedError
from sensorium.language.chat_tokenizer import ChatTokenizer
from sensorium.language.text_writer import Sampling, TokenWriter
from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.progress import Cancellation
from sensorium.vision_language.placed_model import open_placed


class CausalLanguageModel(TokenWriter):
    """A causal language model from a folder with ``config.json``, tokenizer files and safetensors.

    Args:
        folder: The checkpoint's folder.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU, half precision on a GPU.

    Raises:
        UnsupportedError: The architecture is not a causal language model.
        ModelUnavailableError: Weights or tokenizer are missing or damaged.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForCausalLM
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        family = family_of(folder)
        if family not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} is not a language model: its architecture is {family!r}",
                "Choose a causal language model, such as a Llama, Qwen or SmolLM checkpoint",
            )
        super().__init__(checkpoint)
        self.tokenizer = ChatTokenizer(folder, checkpoint)
        self._model, self._placement = open_placed(
            AutoModelForCausalLM, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        self._lock = threading.Lock()
        self.context_window = int(getattr(self._model.config, "max_position_embeddings", 0) or self.tokenizer.longest)

    def write_tokens(
        self, tokens: Sequence[int], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[int, None, None]:
        """Give the answer's tokens as they are written.

        Generation runs in a thread of its own; closing the iterator, or setting ``cancel``, ends it within a token.
        """
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList
        from transformers.generation.streamers import BaseStreamer

        halt = threading.Event()
        written: queue.SimpleQueue[int | None] = queue.SimpleQueue()

        class Halted(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
                stopped = halt.is_set() or (cancel is not None and cancel.is_set())
                return torch.full((input_ids.shape[0],), stopped, dtype=torch.bool, device=input_ids.device)

        class Written(BaseStreamer):
            """Hands tokens over; the first ones are the prompt's."""

            prompt = True

            def put(self, value: Any) -> None:
                if not self.prompt:
                    for token in value.flatten().tolist():
                        written.put(token)
                self.prompt = False

            def end(self) -> None:
                pass

        ids = torch.tensor([list(tokens)], device=self._placement.device)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                # One generation at a time: torch's random generator is the process's, and two would share its cores.
                with self._lock, torch.inference_mode(), torch.random.fork_rng():
                    torch.manual_seed(sampling.seed)
                    self._model.generate(
                        ids,
                        attention_mask=torch.ones_like(ids),
                        max_new_tokens=sampling.max_new_tokens,
                        do_sample=sampling.temperature > 0,
                        temperature=sampling.temperature or None,
                        top_p=sampling.top_p if sampling.temperature else None,
                        top_k=0 if sampling.temperature else None,
                        repetition_penalty=sampling.repetition_penalty,
                        streamer=Written(),
                        stopping_criteria=StoppingCriteriaList([Halted()]),
                        pad_token_id=self.tokenizer.padding,
                    )
            except BaseException as error:  # handed over to whoever reads the tokens
                failures.append(error)
            finally:
                written.put(None)

        thread = threading.Thread(target=run, name="sensorium-generate", daemon=True)
        thread.start()
        try:
            while (token := written.get()) is not None:
                yield token
        finally:
            halt.set()
            thread.join()
        if failures:
            with devices.explain_out_of_memory("The answer", "Shorten the prompt, or choose a smaller checkpoint"):
                raise failures[0]
