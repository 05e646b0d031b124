"""Which calls go through the model together: those of one kind, as far as memory and the shortest of them allow."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from sensorium.errors import SensoriumError
from sensorium.media.container import open_media
from sensorium.media.picture_formats import stored_size
from sensorium.media.source import MediaSource, ResolvedMedia, resolve
from sensorium.operations.operation import Operation
from sensorium.operations.tasks import Tasks

MOST_PIXELS = 64_000_000
"""Pixels of the pictures of a batch: 32 photos of 2 megapixels; decoded they take a fifth of a gigabyte."""
MOST_SECONDS = 240.0
"""Seconds of the sound of a batch."""
LONGEST_SECONDS = 30.0
"""Of sound that goes with others: what is longer fills batches by itself, and would make those wait that are short."""
MOST_CALLS = 64
ALONE = 2.0
"""The weight of what doesn't go with others."""
_UNKNOWN = 0.25
"""The part of a batch that a medium takes whose size isn't known before it is fetched."""
_ADDRESSES = ("http://", "https://")
_BYTES_PER_SECOND = 16_000
"""Of sound whose file doesn't state its length."""

Item = TypeVar("Item")


def batches(
    items: Sequence[Item],
    key: Callable[[Item], Hashable | None],
    weight: Callable[[Item], float],
    most: Callable[[Item], int] = lambda item: MOST_CALLS,
) -> list[list[Item]]:
    """Return the items in batches, in their order.

    Args:
        items: What to batch.
        key: What items must have in common to be together; one whose key is None is alone.
        weight: The part of a batch that an item takes; one that takes more than all of it is alone. Asked only for
            items that may be together with others.
        most: How many items like this one go together; asked as ``weight`` is.
    """
    groups: dict[Hashable, list[Item]] = {}
    for number, item in enumerate(items):
        common = key(item)
        groups.setdefault((number,) if common is None else ("key", common), []).append(item)
    return [batch for group in groups.values() for batch in _cut(group, weight, most)]


def _cut(group: list[Item], weight: Callable[[Item], float], most: Callable[[Item], int]) -> list[list[Item]]:
    if len(group) == 1:
        return [group]
    count = most(group[0])
    cut: list[list[Item]] = []
    filled = 0.0
    for item in group:
        heavy = weight(item)
        if not cut or filled + heavy > 1 or len(cut[-1]) == count:
            cut.append([])
            filled = 0.0
        cut[-1].append(item)
        filled += heavy
    return cut


def weight_of(operation: Operation, tasks: Tasks) -> float:
    """Return the part of a batch that an operation takes, by its pictures' pixels and its sound's seconds.

    Only the headers of files are read. What can't be read weighs nothing: it is refused as soon as it is run.
    """
    return sum(_weight(tasks.media(reference), tasks) for reference in operation.media())


def _weight(source: MediaSource, tasks: Tasks) -> float:
    try:
        if isinstance(source, str) and source.lower().startswith(_ADDRESSES):
            return _UNKNOWN
        media = resolve(source, limits=tasks.limits)
        if media.kind == "image":
            width, height = stored_size(media)
            return width * height / MOST_PIXELS
        seconds = _seconds(media, tasks) if media.kind else 0.0
        return seconds / MOST_SECONDS if seconds <= LONGEST_SECONDS else ALONE
    except SensoriumError:
        return 0.0


def _seconds(media: ResolvedMedia, tasks: Tasks) -> float:
    with open_media(media, limits=tasks.limits) as opened:
        stated = opened.stated_duration
        return media.size / _BYTES_PER_SECOND if stated is None else stated
