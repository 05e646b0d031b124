"""What a Whisper's files say beside the weights, made such that CTranslate2 can believe it.

CTranslate2 looks up layers, heads and words by the numbers that it finds there, and ends the process where there are
none. Distilled checkpoints are published with the heads of the larger model that they were made from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sensorium.speech.families.whisper_shapes import WhisperSizes
from sensorium.text.languages import LANGUAGES

_LANGUAGE = re.compile(r"<\|[a-z]{2,4}\|>")


def valid_heads(found: object, sizes: WhisperSizes) -> list[list[int]]:
    """Return the attention heads that tell when words are spoken, as (layer, head): of those found, what exists."""
    pairs = found if isinstance(found, (list, tuple)) else ()
    return [
        [int(layer), int(head)]
        for layer, head in (pair for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2)
        if _is_number(layer, sizes.decoder_layers) and _is_number(head, sizes.decoder_heads)
    ]


def usual_heads(sizes: WhisperSizes) -> list[list[int]]:
    """Return the heads that Whisper's authors take where nobody knows better: all in the upper half of the decoder."""
    layers = range(sizes.decoder_layers // 2, sizes.decoder_layers)
    return [[layer, head] for layer in layers for head in range(sizes.decoder_heads)]


def checked_settings(found: Mapping[str, Any], words: Sequence[str], sizes: WhisperSizes) -> dict[str, Any]:
    """Return the settings of CTranslate2's ``config.json``, with what exists of that which they name.

    Args:
        found: What the file says.
        words: All words by their numbers.
        sizes: How large the Whisper is.
    """
    languages = [number for number in _numbers(found.get("lang_ids"), words) if _LANGUAGE.fullmatch(words[number])]
    return {
        **found,
        "alignment_heads": valid_heads(found.get("alignment_heads"), sizes) or usual_heads(sizes),
        "lang_ids": languages or _languages(words),
        "suppress_ids": _numbers(found.get("suppress_ids"), words),
        "suppress_ids_begin": _numbers(found.get("suppress_ids_begin"), words),
    }


def feature_settings(mel_bands: int) -> dict[str, int]:
    """Return how recordings become spectrograms; every Whisper was trained alike, but for the number of bands."""
    return {"feature_size": mel_bands, "sampling_rate": 16_000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}


def _languages(words: Sequence[str]) -> list[int]:
    return [number for number, word in enumerate(words) if _LANGUAGE.fullmatch(word) and word[2:-2] in LANGUAGES]


def _numbers(found: object, words: Sequence[str]) -> list[int]:
    return [number for number in found if _is_number(number, len(words))] if isinstance(found, (list, tuple)) else []


def _is_number(found: object, limit: int) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found < limit
