"""Painting under control again: what a picture's settings say about its controls, and whether the same is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sensorium.errors import InputError, UnsupportedError
from sensorium.image_generation.picture_settings import PictureSettings


def recorded_controls(settings: PictureSettings, model: str, *, from_picture: bool) -> list[Mapping[str, Any]]:
    """Return the controls that a picture was painted under.

    Args:
        settings: What the picture says of itself.
        model: The base checkpoint that is to paint it again.
        from_picture: Whether a picture to repaint is given.

    Raises:
        InputError: A picture to repaint is missing, or one too many.
        UnsupportedError: It was painted without controls, or by another checkpoint.
    """
    recorded = list((settings.options or {}).get("controls", ()))
    if not recorded:
        raise UnsupportedError("The picture was painted without controls", "Use TextToImage.paint_again")
    if settings.model != model:
        raise UnsupportedError(
            f"The picture was painted by {settings.model!r}, and this is {model!r}",
            f"Use model={settings.model!r}",
        )
    if bool(settings.image_sha256) != from_picture:
        raise InputError(
            "The picture was made from another one, which its file doesn't hold"
            if settings.image_sha256
            else "The picture was not made from another one",
            "Give that one: init_image=…" if settings.image_sha256 else "Leave out init_image",
        )
    return recorded


def require_same(
    settings: PictureSettings, recorded: Sequence[Mapping[str, Any]], image_sha256: str, mask_sha256: str
) -> None:
    """See that the same networks and pictures are there as when a picture was painted.

    Args:
        settings: What the picture says of itself.
        recorded: The controls of now.
        image_sha256: The sum of the picture to repaint; "" for none.
        mask_sha256: The sum of the mask; "" for none.

    Raises:
        InputError: Another picture or map is given.
        UnsupportedError: There is another network.
    """
    if image_sha256 != settings.image_sha256:
        raise InputError("The init_image is not the one that the picture was made from", "Give that one")
    if mask_sha256 != settings.mask_sha256:
        raise InputError(
            "The mask is not the one that the picture was made with"
            if settings.mask_sha256
            else "The picture was made without a mask",
            "Give that one: mask_image=…" if settings.mask_sha256 else "Leave out the mask",
        )
    for before, now in zip((settings.options or {})["controls"], recorded, strict=True):
        if before["model"] != now["model"]:
            raise UnsupportedError(
                f"The picture was painted with the ControlNet {before['model']!r}, and this is {now['model']!r}",
                f"Use controlnets={{{before['control']!r}: {before['model']!r}}}",
            )
        if before["image_sha256"] != now["image_sha256"]:
            raise InputError(
                f"The map for the control {now['control']!r} is not the one that the picture was painted under",
                "Give that map, as it was saved, or the reference picture that it was made from",
            )
