"""Whether a checkpoint earns its place: what must hold, from the figures of an evaluation's report."""

from __future__ import annotations

from typing import Any

from training.starter_diffusion.evaluation_prompts import COLOUR, SEEN, STYLE
from training.starter_diffusion.measures import clearly_above

SHAPES, NAMES = "compared with drawings", "compared with names"
PAINTED, REAL = "painted", "real pictures"
BLOB = 6
"""A real picture of so many pixels shows colours and where they are, and next to no thing can be made out."""

MOST_COPIES = 0.1
FOLLOWED_BY_CHANCE = 0.5


def blurred(pixels: int) -> str:
    """Return what a report calls real pictures that are made so small."""
    return f"{REAL} blurred to {pixels} pixels"


def conditions(report: dict[str, Any], best: str) -> dict[str, bool]:
    """Return what must hold and whether it does; that most subjects are recognisable is for people to see.

    The judge that compares with drawings must find the things clearly more often than by chance and than in blobs, on
    prompts that training saw and on each kind of pair that it didn't. The judge that compares with names knows
    photographs and finds few real drawings: it needs all prompts together for a clear verdict, and where it would
    refuse the real pictures too, its verdict says nothing of the painter and is left out. The few things that are
    hidden as such allow no verdict of their own.

    Args:
        report: As `evaluate` makes it.
        best: Which figure counts: "top-5".
    """
    groups = report["groups"]
    held: dict[str, bool] = {}
    for group in (SEEN, STYLE, COLOUR):
        if group not in groups:
            held[f"there are prompts: {group}"] = False
            continue
        found, count = groups[group][SHAPES], groups[group]["prompts"]
        chance = max(report["chance"][best], found[blurred(BLOB)][best])
        held[f"things are recognised in drawings, above chance and blobs: {group}"] = clearly_above(
            found[PAINTED][best], chance, count
        )
    count = sum(group["prompts"] for group in groups.values())
    painted, real = (
        sum(group[NAMES][whose][best] * group["prompts"] for group in groups.values()) / max(1, count)
        for whose in (PAINTED, REAL)
    )
    if clearly_above(real, report["chance"][best], count):
        held["names are recognised, above chance: all prompts"] = clearly_above(painted, report["chance"][best], count)
    style, colour, copies = report["style"], report["colour"], report["copying"]
    held["the style asked for shows"] = clearly_above(style["right"], style["chance"], style["pictures"])
    for kind in ("seen", COLOUR):
        held[f"the colour asked for shows: {kind}"] = clearly_above(
            colour[kind]["right"], colour["chance"], colour[kind]["pictures"]
        )
    held["held-out prompts give no copies"] = copies["copies of held-out prompts"] < MOST_COPIES
    held["the same seed gives the same picture"] = report["same seed, same picture"]
    if "control" in report:
        control = report["control"]
        held["edges are followed"] = clearly_above(control["followed"], FOLLOWED_BY_CHANCE, control["pictures"])
    return held
