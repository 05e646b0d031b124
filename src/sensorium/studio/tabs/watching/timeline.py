"""Moments of a film as the page shows them: a list and a line of buttons, each of which plays the film from there."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensorium.studio.wording import Wording
from sensorium.video.video_story import clock

_NARROWEST = 1.5
"""Percent of the line that a moment takes at least, so that it can be clicked."""


@dataclass(frozen=True)
class ShownMoment:
    """A moment of a film.

    Attributes:
        start: In seconds.
        end: In seconds.
        text: What is there.
        score: From 0 to 1, or None.
        flagged: Whether it is what a policy looks for.
    """

    start: float
    end: float
    text: str
    score: float | None = None
    flagged: bool = False


def moments_of(operation: str, result: Mapping[str, Any]) -> list[ShownMoment]:
    """Return the moments that a result of an operation on a film tells of."""
    match operation:
        case "find-moment":
            return [
                ShownMoment(each["start"], each["end"], result["text"], each["score"]) for each in result["moments"]
            ]
        case "read-film":
            return [
                ShownMoment(each["start"], each["end"], each["text"], each["confidence"]) for each in result["lines"]
            ]
        case "moderate":
            return [
                ShownMoment(each["start"], each["end"], each["label"], each["score"], each["flagged"])
                for each in result["moments"]
                if each["start"] is not None
            ]
        case "subtitle":
            return [
                ShownMoment(each["start"], each["end"], each["text"]) for each in result["transcription"]["segments"]
            ]
    found = (each for each in result.get("evidence", ()) if each["start"] is not None)
    return [
        ShownMoment(
            each["start"],
            each["start"] if each["end"] is None else each["end"],
            each["text"],
            each["confidence"],
        )
        for each in found
    ]


def drawn(moments: Sequence[ShownMoment], player: str, words: Wording) -> str:
    """Return moments as HTML.

    Args:
        moments: In any order.
        player: The id of the element that holds the film's player.
        words: The page's words.
    """
    if not moments:
        return ""
    length = max(each.end for each in moments) or 1.0
    bars = "".join(_bar(each, length, player, words) for each in moments)
    rows = "".join(_row(each, player, words) for each in moments)
    return (
        f'<div class="timeline" role="group" aria-label="{html.escape(words("watch.timeline"))}">{bars}</div>'
        f'<ol class="moments">{rows}</ol>'
    )


def _bar(moment: ShownMoment, length: float, player: str, words: Wording) -> str:
    left = min(100 * moment.start / length, 100 - _NARROWEST)
    width = max(_NARROWEST, 100 * (moment.end - moment.start) / length)
    style = f"left:{left:.2f}%;width:{min(width, 100 - left):.2f}%"
    kind = "flagged" if moment.flagged else "plain"
    label = html.escape(words("watch.play", time=clock(moment.start), text=moment.text))
    return (
        f'<button type="button" class="{kind}" style="{style}" data-seek="{moment.start:.2f}" '
        f'data-player="{player}" title="{label}" aria-label="{label}"></button>'
    )


def _row(moment: ShownMoment, player: str, words: Wording) -> str:
    label = html.escape(words("watch.play", time=clock(moment.start), text=moment.text))
    score = "" if moment.score is None else f' <span class="score">{moment.score:.2f}</span>'
    flag = f' <strong class="flag">{html.escape(words("watch.flagged"))}</strong>' if moment.flagged else ""
    return (
        f'<li><button type="button" data-seek="{moment.start:.2f}" data-player="{player}" aria-label="{label}">'
        f"{clock(moment.start)}</button> {html.escape(moment.text)}{score}{flag}</li>"
    )
