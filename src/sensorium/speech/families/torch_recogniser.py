"""What recognisers and aligners on torch have in common: how they are opened, and that calls take turns."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sensorium.errors import MissingDependencyError, UnsupportedError
from sensorium.models.catalog import Checkpoint, family_of
from sensorium.models.device import explain_out_of_memory, prepare_torch
from sensorium.models.pretrained import open_part
from sensorium.models.turns import holding
from sensorium.progress import Cancellation, check_cancelled
from sensorium.quiet import quiet_transformers
from sensorium.speech.families.mel_features import lend_torchaudio
from sensorium.speech.families.recogniser_families import PACKAGES
from sensorium.speech.recogniser import SAMPLE_RATE, Encoded, Told

if TYPE_CHECKING:
    import torch

    from sensorium.speech.recognised_text import Recognition
    from sensorium.speech.recogniser import Samples

_ANY_LANGUAGE = "multilingual"
_EXTRACTORS = ("feature_extractor", "audio_processor")
"""How processors call the part that hears."""


class TorchListener:
    """A loaded checkpoint of transformers that hears speech.

    Args:
        folder: A checkpoint in the layout of transformers.
        checkpoint: Its catalog entry.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        dtype: ``"auto"`` or a precision.

    Raises:
        ModelUnavailableError: Files are missing or damaged.
        MissingDependencyError: A package isn't installed that asks this family to transcribe.
        InsufficientMemoryError: The weights don't fit.
    """

    model_class: ClassVar[str]
    """The class of transformers that opens it."""

    def __init__(self, folder: Path, *, checkpoint: Checkpoint, device: str, dtype: str) -> None:
        prepare_torch()
        import transformers

        from sensorium.models.placed_model import open_placed

        self._checkpoint = checkpoint
        self.name = checkpoint.name
        _require_packages(folder, checkpoint)
        lend_torchaudio(folder)
        self.processor: Any = open_part(transformers.AutoProcessor, folder, checkpoint=checkpoint)
        extractor = next(filter(None, (getattr(self.processor, name, None) for name in _EXTRACTORS)), None)
        self.rate = int(getattr(extractor, "sampling_rate", SAMPLE_RATE))
        model_class = getattr(transformers, self.model_class)
        self.model, self._placement = open_placed(
            model_class, folder, checkpoint=checkpoint, device=device, dtype=dtype
        )
        self.batch_size = 4 if self._placement.device == "cpu" else 16
        self.multilingual = checkpoint.languages != ("en",)
        self.lock = threading.Lock()

    def heard(self, windows: Sequence[Samples]) -> list[Samples]:
        """Return windows with as many samples a second as the checkpoint hears."""
        if self.rate == SAMPLE_RATE:
            return list(windows)
        from scipy.signal import resample_poly

        shared = math.gcd(self.rate, SAMPLE_RATE)
        return [
            resample_poly(window, self.rate // shared, SAMPLE_RATE // shared).astype("float32") for window in windows
        ]

    def prepared(self, found: Any) -> Any:
        """Return what a processor made of sound, on the device and in the precision of the model."""
        return found.to(self._placement.device, dtype=self._placement.dtype)

    def out_of_memory(self, what: str) -> AbstractContextManager[None]:
        """Explain it if memory runs out while something is done."""
        return explain_out_of_memory(f"{what} with {self.name!r}", "Choose a smaller checkpoint, or device='cpu'")


class KeepsWindows:
    """What hears its windows only when it recognises them."""

    def encode(self, windows: Sequence[Samples], *, longest: float | None = None) -> Encoded:
        """Keep windows for `recognise`, which does all the work."""
        return Encoded(windows, longest or max(map(len, windows)) / SAMPLE_RATE)

    def some(self, encoded: Encoded, numbers: list[int]) -> Encoded:
        """Return some of the windows."""
        return Encoded([encoded.windows[number] for number in numbers], encoded.longest)


class TorchRecogniser(TorchListener, KeepsWindows, ABC):
    """A loaded checkpoint of transformers that writes down what is said. Arguments and errors are `TorchListener`'s."""

    translates = judges_speech = False
    takes: frozenset[str] = frozenset()

    def recognise(
        self,
        encoded: Encoded,
        told: Told,
        *,
        needs_words: Callable[[int, str], bool],
        cancel: Cancellation | None = None,
    ) -> list[Recognition]:
        """Recognise windows: one after the other on a CPU, where that is as fast, and together on a GPU."""
        import torch

        self._require_language(told.language)
        size = 1 if self._placement.device == "cpu" or not self.batches else self.batch_size
        out_of_memory = self.out_of_memory("Recognising speech")
        found: list[Recognition] = []
        with (
            holding(self.lock, cancel),
            self._stopped_by(cancel),
            torch.inference_mode(),
            quiet_transformers(),
            out_of_memory,
        ):
            for start in range(0, len(encoded.windows), size):
                found += self.written(encoded.windows[start : start + size], told)
        return found

    @contextmanager
    def _stopped_by(self, cancel: Cancellation | None) -> Iterator[None]:
        """Look at ``cancel`` before each run of the model, of which there is one for each token."""
        hook = self.model.register_forward_pre_hook(lambda *_: check_cancelled(cancel))
        try:
            yield
        finally:
            hook.remove()

    @property
    def batches(self) -> bool:
        """Whether windows of different lengths may go through the model together."""
        return True

    @abstractmethod
    def written(self, windows: Sequence[Samples], told: Told) -> list[Recognition]:
        """Recognise windows together."""

    def _require_language(self, language: str) -> None:
        known = self._checkpoint.languages
        if language and known and _ANY_LANGUAGE not in known and language not in known:
            raise UnsupportedError(
                f"The checkpoint {self._checkpoint.name!r} doesn't know the language {language!r}",
                f"It knows {', '.join(known)}; choose another checkpoint for others",
            )


class Sureness:
    """Notes how sure a model is of each token that it writes: one of ``generate``'s processors.

    Args:
        vocabulary: How many of the numbers are tokens; None for all. Others are never taken for tokens.
    """

    def __init__(self, vocabulary: int | None = None) -> None:
        self._vocabulary = vocabulary
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note the likeliest token's log probability; return the scores."""
        self._steps.append(scores[:, : self._vocabulary].float().log_softmax(dim=-1).amax(dim=-1))
        if self._vocabulary is not None:
            scores[:, self._vocabulary :] = -float("inf")
        return scores

    def by_window(self) -> list[list[float]]:
        """Return the log probabilities of the steps of each window."""
        import torch

        steps: list[list[float]] = torch.stack(self._steps, dim=1).tolist()
        return steps


def _require_packages(folder: Path, checkpoint: Checkpoint) -> None:
    needed = PACKAGES.get(family_of(folder), ())
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        several = len(missing) > 1
        raise MissingDependencyError(
            f"The checkpoint {checkpoint.name!r} needs the package{'s' if several else ''} {' and '.join(missing)}, "
            f"which {'are' if several else 'is'} not installed",
            f"Install {'them' if several else 'it'} with: pip install "
            + " ".join(package.replace("_", "-") for package in missing),
        )
