"""Which base and which ControlNets of the catalog were made for each other."""

from __future__ import annotations

import os

from sensorium.errors import ModelUnavailableError
from sensorium.image_generation.control_maps import CONTROL_KINDS
from sensorium.image_generation.diffusion.control_network import ControlNetwork
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.models import catalog

USUAL_BASE = "stable-diffusion-v1-5"
"""The base checkpoint for which most ControlNets were made."""


def profile_base(profile: str) -> str:
    """Return the base that a profile's ControlNets were made for.

    Raises:
        ModelUnavailableError: The profile has none.
    """
    bases = {entry.base for entry in catalog.entries(ControlNetwork.task, profile)}
    if not bases:
        raise ModelUnavailableError(
            f"The profile {profile!r} has no checkpoint for {ControlNetwork.task}",
            f"Pull those of the profile 'standard' where there is network: 'sensorium models pull {USUAL_BASE}' and "
            "'sensorium models pull sd-controlnet-openpose'; then use that profile",
        )
    return min(bases)


def networks_for(base: str) -> dict[str, str | os.PathLike[str]]:
    """Return the ControlNets that were made for a base, by kind of control.

    Args:
        base: Catalog name, hub id or folder. For one that the catalog has no ControlNets for, those of `USUAL_BASE`.
    """
    painters = catalog.entries(TextToImage.task)
    known = {entry.name for entry in painters if base in (entry.name, entry.repository, *entry.aliases)}
    networks = catalog.entries(ControlNetwork.task)
    own = [entry for entry in networks if entry.base in known] or [
        entry for entry in networks if entry.base == USUAL_BASE
    ]
    of_kind = {entry.control: entry.name for entry in own}
    return {kind: of_kind[kind] for kind in (*CONTROL_KINDS, *of_kind) if kind in of_kind}
