"""Results of operations that nobody has run: well formed, and otherwise meaningless."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from sensorium.answer import Answer, _Answer
from sensorium.media.audio_encoder import SOUND_FORMATS
from sensorium.operations.artifact import Artifact
from sensorium.operations.operation import Operation
from sensorium.record import _kinds, plain
from sensorium.vision_language.classification import Classification, _Classification

_PLAIN: Mapping[Any, Any] = {str: "made up", int: 1, float: 0.5, bool: False, Path: "made-up", Any: {}}
_AS_RECORDS: Mapping[Any, Any] = {Answer: _Answer, Classification: _Classification}


class MadeUp:
    """A result.

    Args:
        operation: Of this operation.

    Attributes:
        artifacts: The files that the result names.
        document: The result as ``to_dict`` would write it.
    """

    def __init__(self, operation: Operation) -> None:
        self.artifacts: tuple[Artifact, ...] = ()
        form = SOUND_FORMATS.get(getattr(operation, "format", ""))
        self._media_type = "application/octet-stream" if form is None else form.media_type
        self.document: dict[str, Any] = self._value(operation.result_type())
        if operation.name == "embed":
            items = len(getattr(operation, "texts", ())) + len(getattr(operation, "images", ()))
            self.document["vectors"] = [[1.0]] * items

    def _value(self, kind: Any) -> Any:
        origin, inside = get_origin(kind), get_args(kind)
        if kind is Artifact:
            made = Artifact(f"file-{len(self.artifacts) + 1}", self._media_type, 100)
            self.artifacts += (made,)
            return made.to_dict()
        if kind in _PLAIN:
            return plain(_PLAIN[kind])
        if origin is Literal:
            return inside[0]
        if origin in (Union, types.UnionType):
            return None if type(None) in inside else self._value(inside[0])
        if isinstance(kind, TypeVar):
            return self._value(kind.__bound__)
        if origin in (dict, Mapping):
            return {}
        if origin is tuple and inside[-1] is not Ellipsis:
            return [self._value(each) for each in inside]
        if origin in (tuple, list, Sequence):
            return [self._value(inside[0])]
        if getattr(origin, "__name__", "") == "ndarray":
            return [[0.5]]
        return {name: self._value(each) for name, each in _kinds(_AS_RECORDS.get(kind, origin or kind)).items()}
