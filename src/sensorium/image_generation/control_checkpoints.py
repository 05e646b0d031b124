"""Which base and which ControlNets of the catalog were made for each other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from sensorium.errors import ModelUnavailableError
from sensorium.image_generation.control_maps import CONTROL_KINDS, map_checkpoints
from sensorium.image_generation.control_request import require_known
from sensorium.image_generation.diffusion.control.control_network import ControlNetwork
from sensorium.image_generation.text_to_image import TextToImage
from sensorium.models import catalog
from sensorium.models.catalog import Checkpoint

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


def require_networks(kinds: Iterable[str], networks: Mapping[str, str | os.PathLike[str]], base: str) -> None:
    """See that there is a ControlNet for each of Sensorium's kinds of control that is asked for.

    Args:
        kinds: What is asked for; kinds of the caller's own pass.
        networks: From kind to ControlNet.
        base: Name of the base checkpoint, for the message.

    Raises:
        ModelUnavailableError: There is none for one of them.
    """
    for kind in kinds:
        if kind in CONTROL_KINDS and kind not in networks:
            raise ModelUnavailableError(
                f"There is no ControlNet for {kind!r} that was made for {base!r}",
                f"Choose {', '.join(networks)}, or pull larger checkpoints: "
                f"'sensorium models pull {USUAL_BASE}' and 'sensorium models pull sd-controlnet-{kind}', "
                "then use --profile standard, or SENSORIUM_PROFILE=standard",
            )


def checkpoints_under_control(
    base: str | None,
    kinds: Sequence[str],
    unmapped: Iterable[str],
    *,
    networks: Mapping[str, str],
    annotators: Mapping[str, str],
    profile: str,
) -> tuple[Checkpoint, ...]:
    """Return all checkpoints that a painting under control needs: the painter, the ControlNets, what makes the maps.

    Args:
        base: Catalog name, hub id or folder of the painter; None for the profile's.
        kinds: The kinds of control.
        unmapped: Those whose maps are to be made.
        networks: From kind to ControlNet, for those that differ from the default.
        annotators: The same for what makes maps.
        profile: Whose defaults count.

    Raises:
        ModelUnavailableError: One of them isn't known.
        InputError: There is no such kind.
    """
    wanted = profile_base(profile) if base is None else base
    painter = catalog.resolve(wanted, task=TextToImage.task, profile=profile)
    chosen = {**networks_for(wanted), **networks}
    require_networks(kinds, chosen, painter.name)
    require_known(kinds, chosen)
    found = [painter, *(catalog.resolve(chosen[kind], task=ControlNetwork.task, profile=profile) for kind in kinds)]
    for kind in unmapped:
        found += map_checkpoints(kind, annotators.get(kind), profile=profile)
    return tuple(dict.fromkeys(found))
