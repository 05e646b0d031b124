"""Any causal language model that transformers knows, with its tokenizer, ready to write."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import ModelUnavailableError, UnsupportedError
from sensorium.models import device as devices
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.progress import Cancellation


class CausalLanguageModel:
    """A causal language model from a folder with ``config.json``, tokenizer files and safetensors.

    Args:
        folder: The checkpoint's folder.
        checkpoint: Its catalog entry.
        device: Where to run.
        dtype: ``"auto"`` is float32 on a CPU without native half precision, float16 on a GPU.

    Raises:
        UnsupportedError: The architecture is not a causal language model.
        ModelUnavailableError: Weights or tokenizer are missing or damaged.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        family = family_of(folder)
        if family not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            raise UnsupportedError(
                f"The checkpoint {checkpoint.name!r} is not a language model: its architecture is {family!r}",
                "Choose a causal language model, such as a Llama, Qwen or SmolLM checkpoint",
            )
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=devices.resolve_dtype(dtype, device),
                attn_implementation="sdpa",
                use_safetensors=True,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelUnavailableError(
                f"The checkpoint {checkpoint.name!r} can't be opened: weights or tokenizer are missing or damaged",
                "Fetch it again: sensorium models pull",
            ) from error
        self._model: Any = model.to(device).eval()
        self._lock = threading.Lock()
        self.context_window = int(
            getattr(self._model.config, "max_position_embeddings", 0) or self._tokenizer.model_max_length
        )

    @property
    def has_chat_template(self) -> bool:
        """Whether the checkpoint was made for conversations."""
        return bool(self._tokenizer.chat_template)

    def count_tokens(self, messages: Sequence[Mapping[str, str]]) -> int:
        """Return how many tokens the messages take, template included."""
        return len(self.tokenize(messages))

    def tokenize(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Return the token ids of a conversation, up to where the answer begins."""
        if self.has_chat_template:
            text = self._tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
            )
            return list(self._tokenizer(text, add_special_tokens=False).input_ids)
        return list(self._tokenizer("\n\n".join(message["content"] for message in messages)).input_ids)

    def write(
        self,
        tokens: Sequence[int],
        *,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        cancel: Cancellation | None,
    ) -> Iterator[str]:
        """Give the answer's text as it is written, in pieces that are whole words.

        Generation runs in a thread of its own; closing the iterator, or setting ``cancel``, ends it within a token.
        """
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

        halt = threading.Event()

        class Halted(StoppingCriteria):  # type: ignore[misc]
            def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
                stopped = halt.is_set() or (cancel is not None and cancel.is_set())
                return torch.full((input_ids.shape[0],), stopped, dtype=torch.bool, device=input_ids.device)

        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        ids = torch.tensor([list(tokens)], device=self._model.device)
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p} if temperature else {}
        failures: list[BaseException] = []

        def run() -> None:
            try:
                # One generation at a time: torch's random generator is the process's, and two would share its cores.
                with self._lock, torch.inference_mode(), torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    self._model.generate(
                        ids,
                        attention_mask=torch.ones_like(ids),
                        max_new_tokens=max_new_tokens,
                        streamer=streamer,
                        stopping_criteria=StoppingCriteriaList([Halted()]),
                        pad_token_id=self._pad_token,
                        **(sampling or {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}),
                    )
            except BaseException as error:  # handed to the consumer's thread below
                failures.append(error)
            finally:
                streamer.text_queue.put(None)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            while (piece := _next_piece(streamer.text_queue)) is not None:
                if piece:
                    yield piece
        finally:
            halt.set()
            thread.join()
        if failures:
            raise failures[0]

    @property
    def _pad_token(self) -> int:
        found = self._tokenizer.pad_token_id
        return int(found if found is not None else self._tokenizer.eos_token_id or 0)


def _next_piece(pieces: queue.Queue[str | None]) -> str | None:
    return pieces.get()
