"""The codecs of voices by the names of their classes; one is imported without torchaudio, which it hardly uses.

The module of Higgs Audio's codec imports torchaudio at its top, for one call: it resamples what it encodes. Where
torchaudio isn't installed, the module gets that one function from here.
"""

from __future__ import annotations

import importlib
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_HIGGS = "HiggsAudioV2TokenizerModel"
_HIGGS_MODULE = "transformers.models.higgs_audio_v2_tokenizer.modeling_higgs_audio_v2_tokenizer"
_ZERO_CROSSINGS = 6
_ROLLOFF = 0.99
"""torchaudio's defaults, with which the codec was trained."""
_importing = threading.Lock()


def codec_class(name: str) -> Any:
    """Return a codec's class.

    Args:
        name: As the settings of a processor name it.

    Raises:
        ImportError: The library has no such class.
    """
    import transformers

    if name == _HIGGS:
        with _importing, _resampling_without_torchaudio():
            found = getattr(importlib.import_module(_HIGGS_MODULE), name)
            # The processor takes a codec of the class that goes by this name, which was an empty one until now.
            setattr(transformers, name, found)
    found = getattr(transformers, name, None)
    if not isinstance(found, type) or not issubclass(found, transformers.PreTrainedModel):
        raise ImportError(f"transformers has no codec {name!r}")
    return found


def resample(waveform: Any, orig_freq: int, new_freq: int) -> Any:
    """Return sound at another sample rate, as ``torchaudio.functional.resample`` does by default.

    Args:
        waveform: A tensor of shape [..., samples].
        orig_freq: Its samples a second.
        new_freq: Those of the result.
    """
    import torch
    from torch.nn.functional import conv1d, pad

    shared = math.gcd(int(orig_freq), int(new_freq))
    old, new = int(orig_freq) // shared, int(new_freq) // shared
    if old == new:
        return waveform
    cutoff = min(old, new) * _ROLLOFF
    reach = math.ceil(_ZERO_CROSSINGS * old / cutoff)
    times = torch.arange(-reach, reach + old, dtype=torch.float64)[None, None] / old
    times = times - torch.arange(new, dtype=torch.float64)[:, None, None] / new
    times = (times * cutoff).clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    kernels = torch.sinc(times) * torch.cos(times * math.pi / _ZERO_CROSSINGS / 2) ** 2 * cutoff / old
    flat = pad(waveform.reshape(-1, 1, waveform.shape[-1]), (reach, reach + old))
    heard = conv1d(flat, kernels.to(waveform), stride=old).transpose(1, 2).reshape(flat.shape[0], -1)
    length = math.ceil(new * waveform.shape[-1] / old)
    return heard[:, :length].reshape(*waveform.shape[:-1], -1)


@contextmanager
def _resampling_without_torchaudio() -> Iterator[None]:
    """Let a module import torchaudio for its resampling where it isn't installed; afterwards nobody sees it."""
    from transformers.utils.import_utils import is_torchaudio_available

    if is_torchaudio_available():  # the library keeps the answer, so that nobody takes what stands in for the package
        yield
        return
    stand_in, functional = ModuleType("torchaudio"), ModuleType("torchaudio.functional")
    functional.resample = resample  # type: ignore[attr-defined]
    stand_in.functional = functional  # type: ignore[attr-defined]
    sys.modules["torchaudio"] = stand_in
    try:
        yield
    finally:
        del sys.modules["torchaudio"]
