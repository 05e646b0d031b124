"""Language models in CTranslate2's int8 form: several times as fast on a CPU as torch is with float32."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sensorium.language.busy_model import Halt, write_in_thread
from sensorium.language.ctranslate2_seed import MOST_SEEDS, Seeds
from sensorium.language.fast_tokenizer import FastTokenizer
from sensorium.language.sampling import Sampling
from sensorium.language.text_writer import TokenWriter
from sensorium.models.catalog import Checkpoint
from sensorium.models.thread_safe import loading_weights
from sensorium.progress import Cancellation
from sensorium.quiet import quiet_transformers
from sensorium.threads import thread_count

WEIGHTS = "ctranslate2"
"""The folder of a converted checkpoint that holds CTranslate2's own files."""
_opening = threading.Lock()
"""Held from setting the process's seed to the first number that is drawn from it."""


class CTranslate2LanguageModel(TokenWriter):
    """A causal language model from a folder that `convert` filled.

    Args:
        folder: The converted checkpoint.
        checkpoint: Its catalog entry.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        tokenizer = FastTokenizer(folder, checkpoint)
        self.tokenizer, self.ends, self._names = tokenizer, tokenizer.ends, tokenizer.names
        config = json.loads((folder / "config.json").read_text())
        self.context_window = int(config["max_position_embeddings"])
        self._busy = threading.Lock()
        self._weights = folder / WEIGHTS
        self._generator: Any = self._open()
        self._seeds: Seeds | None = None

    def write_tokens(
        self, tokens: Sequence[int], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[int, None, None]:
        """Give the answer's tokens as they are written in a thread of its own.

        Closing the iterator, or setting ``cancel``, ends it within a token, and also while it waits for another text.

        Raises:
            CancelledError: ``cancel`` was set.
        """
        names = self._names(tokens)

        def write(hand_over: Callable[[int], None], halt: Halt) -> None:
            def step(result: Any) -> bool:
                hand_over(int(result.token_id))
                return halt.is_set()

            # None where the weights were closed for a new seed and could not be opened again.
            self._generator = self._generator or self._open()
            if sampling.temperature:
                self._seed(sampling.seed % MOST_SEEDS, names[0])
            self._generator.generate_batch(
                [names],
                max_length=sampling.max_new_tokens,
                include_prompt_in_result=False,
                sampling_topk=0 if sampling.temperature else 1,
                sampling_topp=sampling.top_p,
                sampling_temperature=sampling.temperature or 1.0,
                repetition_penalty=sampling.repetition_penalty or 1.0,
                end_token=sorted(self.ends) or None,
                callback=step,
            )

        with closing(write_in_thread(write, busy=self._busy, cancel=cancel)) as written:
            yield from written

    def _seed(self, seed: int, prompt: str) -> None:
        """Let the next text be drawn from a seed."""
        if self._seeds is not None and self._seeds.reseed(seed):
            return
        import ctranslate2

        with _opening:
            ctranslate2.set_random_seed(seed)
            if self._seeds is not None:  # the thread has drawn before, and its seed can't be changed here
                self._generator = self._seeds = None
                self._generator = self._open()
            self._seeds = Seeds(self._generator, seed, prompt)
            self._seeds.reseed(seed)

    def _open(self) -> Any:
        import ctranslate2

        return ctranslate2.Generator(
            str(self._weights), device="cpu", compute_type="int8", intra_threads=thread_count()
        )


def convert(source: Path, target: Path) -> None:
    """Convert a folder of transformers' layout.

    Args:
        source: ``config.json``, tokenizer files and safetensors.
        target: An empty folder.

    Raises:
        ValueError: CTranslate2 doesn't know the architecture.
    """
    from ctranslate2.converters import TransformersConverter
    from transformers import AutoTokenizer

    # The converter collects garbage for each layer; what lived before need not be looked at each time.
    gc.freeze()
    try:
        with loading_weights, quiet_transformers():
            TransformersConverter(str(source)).convert(str(target / WEIGHTS), quantization="int8")
            AutoTokenizer.from_pretrained(source).save_pretrained(target)
    finally:
        gc.unfreeze()
    (target / "config.json").write_bytes((source / "config.json").read_bytes())
