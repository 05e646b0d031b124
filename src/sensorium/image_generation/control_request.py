"""The controls of one call: which kinds, from what, how strong and when."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensorium.errors import InputError
from sensorium.image_generation.control_maps import CONTROL_KINDS
from sensorium.image_generation.painting_options import check_number
from sensorium.media.image import read_image
from sensorium.media.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.media.image import ImageSource

_HIGHEST_WEIGHT = 2


@dataclass(frozen=True)
class Control:
    """One control of a call.

    Attributes:
        kind: ``"openpose"``, ``"canny"``, …
        given: The ready-made map, or None if it is to be made.
        weight: How strongly it counts, 0 to 2.
        start: From which part of the steps on it counts, 0 to 1.
        end: Up to which part.
    """

    kind: str
    given: PIL.Image.Image | None
    weight: float
    start: float
    end: float


def read_controls(
    known: Collection[str],
    control: str | Sequence[str],
    control_image: ImageSource | Sequence[ImageSource | None] | None,
    weights: float | Sequence[float],
    start: float | Sequence[float],
    end: float | Sequence[float],
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Control]:
    """Read and check the arguments of `ControlNetGenerator.generate` that are about controls.

    Args:
        known: The kinds that there are ControlNets for.
        control: One kind or several.
        control_image: A ready-made map, or a list with one per control.
        weights: How strongly each counts: one number for all, or one per control.
        start: From which part of the steps on: one number for all, or one per control.
        end: Up to which part of the steps: one number for all, or one per control.
        limits: What a ready-made map may cost, and where it may come from.

    Raises:
        InputError: A kind is unknown, a number can't be, there are too many or too few, or a map can't be read.
    """
    kinds = [control] if isinstance(control, str) else list(control)
    require_known(kinds, known)
    images: list[Any] = list(control_image) if isinstance(control_image, (list, tuple)) else [control_image]
    if control_image is None:
        images = [None] * len(kinds)
    elif len(images) != len(kinds):
        raise _wrong_number("control image", len(images), kinds)
    controls = []
    for kind, image, weight, first, last in zip(
        kinds,
        images,
        _for_each(kinds, "control weight", weights),
        _for_each(kinds, "control start", start),
        _for_each(kinds, "control end", end),
        strict=True,
    ):
        check_timing(kind, weight, first, last)
        given = None if image is None else read_image(image, limits=limits)
        controls.append(Control(kind, given, float(weight), float(first), float(last)))
    return controls


def require_known(kinds: Sequence[str], known: Collection[str]) -> None:
    """See that there are controls, and that there are ControlNets for them.

    Raises:
        InputError: There are none, or one is unknown.
    """
    if not kinds:
        raise InputError("No kind of control is named", f"Choose one or several of {', '.join(known)}")
    for kind in kinds:
        if kind not in known:
            near = difflib.get_close_matches(str(kind), known, n=1, cutoff=0.4)
            raise InputError(
                f"There is no control {kind!r}" + (f", did you mean {near[0]!r}?" if near else ""),
                f"Choose one or several of {', '.join(known)}",
            )


def check_timing(kind: str, weight: float, start: float, end: float) -> None:
    """Refuse a control that can't count as strongly, or from then to then.

    Raises:
        InputError: A number is out of range, or the end isn't after the start.
    """
    check_number(f"The weight of {kind}", weight, 0, _HIGHEST_WEIGHT)
    check_number(f"The start of {kind}", start, 0, 1)
    check_number(f"The end of {kind}", end, 0, 1)
    if start >= end:
        raise InputError(
            f"The control {kind} starts at {start} of the steps and ends at {end}", "Let it end after its start"
        )


def require_sources(unmapped: Iterable[str], *, reference: bool) -> None:
    """See that the maps that weren't given can be made.

    Args:
        unmapped: The kinds of control without a ready-made map.
        reference: Whether there is a picture to make maps of.

    Raises:
        InputError: One can't.
    """
    for kind in unmapped:
        if kind not in CONTROL_KINDS:
            raise InputError(
                f"Sensorium can't make the map for the control {kind!r}", "Give it ready-made: control_image=…"
            )
        if not reference:
            raise InputError(
                f"There is neither a reference picture nor a ready-made map for the control {kind!r}",
                "Give one of the two",
            )


def _for_each(kinds: Sequence[str], name: str, values: Any) -> list[Any]:
    if not isinstance(values, (list, tuple)):
        return [values] * len(kinds)
    if len(values) != len(kinds):
        raise _wrong_number(name, len(values), kinds)
    return list(values)


def _wrong_number(name: str, count: int, kinds: Sequence[str]) -> InputError:
    return InputError(
        f"There {'is' if count == 1 else 'are'} {count} {name}{'' if count == 1 else 's'} for {len(kinds)} "
        f"control{'' if len(kinds) == 1 else 's'} ({', '.join(kinds)})",
        "Give one for each, in the same order",
    )
