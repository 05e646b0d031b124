"""Language models in CTranslate2's int8 form: several times as fast on a CPU as torch is with float32."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sensorium.language.chat_tokenizer import ChatTokenizer
from sensorium.language.sampling import Sampling
from sensorium.language.text_writer import TokenWriter
from sensorium.models.catalog import Checkpoint
from sensorium.models.pretrained import quiet_transformers
from sensorium.models.thread_safe import loading_weights
from sensorium.progress import Cancellation
from sensorium.threads import thread_count

_WEIGHTS = "ctranslate2"
_SEEDS = (1 << 32) - 1
"""CTranslate2 takes no larger ones, and draws one itself for the largest of 32 bits."""


class CTranslate2LanguageModel(TokenWriter):
    """A causal language model from a folder that `convert` filled.

    Args:
        folder: The converted checkpoint.
        checkpoint: Its catalog entry.
    """

    def __init__(self, folder: Path, *, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self.tokenizer = ChatTokenizer(folder, checkpoint)
        self.context_window = int(json.loads((folder / "config.json").read_text())["max_position_embeddings"])
        self._lock = threading.Lock()
        self._weights = folder / _WEIGHTS
        self._generator: Any = self._open()

    def write_tokens(
        self, tokens: Sequence[int], sampling: Sampling, *, cancel: Cancellation | None
    ) -> Generator[int, None, None]:
        """Give the answer's tokens as they are written; closing the iterator, or setting ``cancel``, ends it."""
        import ctranslate2

        # One generation at a time: the random generator is the process's, and two would share its cores.
        with self._lock:
            if sampling.temperature:
                # Its threads read the seed once, when they first draw: the next answer would go on where this one ends.
                ctranslate2.set_random_seed(sampling.seed % _SEEDS)
                self._generator = None
            # Without the old weights before the new ones are read; where those don't fit, the next answer tries again.
            self._generator = self._generator or self._open()
            steps = self._generator.generate_tokens(
                self.tokenizer.names(tokens),
                max_length=sampling.max_new_tokens,
                sampling_topk=0 if sampling.temperature else 1,
                sampling_topp=sampling.top_p,
                sampling_temperature=sampling.temperature or 1.0,
                repetition_penalty=sampling.repetition_penalty or 1.0,
            )
            with closing(steps):
                for step in steps:
                    if cancel is not None and cancel.is_set():
                        return
                    yield int(step.token_id)

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
            TransformersConverter(str(source)).convert(str(target / _WEIGHTS), quantization="int8")
            AutoTokenizer.from_pretrained(source).save_pretrained(target)
    finally:
        gc.unfreeze()
    (target / "config.json").write_bytes((source / "config.json").read_bytes())
