"""Which packages come with which extra of the installation, and what is said where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sensorium.errors import MissingDependencyError

EXTRAS = {
    "torch": ("torch", "transformers", "diffusers", "accelerate", "peft", "sentencepiece", "scipy", "cv2"),
    "remote": ("openai",),
}
"""From extra to the modules that come with it; the plain installation does without them."""


@contextmanager
def missing_packages_explained(what: str) -> Iterator[None]:
    """Say which extra to install where a package of it is missing.

    Args:
        what: What needs the package, as the subject of the sentence: ``"ImageQA with 'blip2-opt-2.7b'"``.

    Raises:
        MissingDependencyError: A package of an extra isn't installed. Other errors pass.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
        if extra is None:
            raise
        raise MissingDependencyError(
            f"{what} needs the package {package}, which is not installed",
            f"Install it with: pip install 'sensorium[{extra}]'",
        ) from None
