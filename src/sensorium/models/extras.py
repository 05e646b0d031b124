"""Which packages each extra of the installation adds, and the error for a missing package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sensorium.errors import MissingDependencyError

EXTRAS = {
    "torch": ("torch", "transformers", "diffusers", "accelerate", "peft", "sentencepiece", "scipy", "cv2"),
    "remote": ("openai",),
    "serve": ("fastapi", "mcp", "prometheus_client", "sqlalchemy", "starlette", "uvicorn"),
    "studio": ("gradio",),
}
"""Maps each extra to the modules that it adds. The plain installation doesn't have them."""


@contextmanager
def missing_packages_explained(what: str) -> Iterator[None]:
    """If a package of an extra is missing, raise an error that says which extra to install.

    Args:
        what: What needs the package, as the subject of the sentence: ``"ImageQA with 'blip2-opt-2.7b'"``.

    Raises:
        MissingDependencyError: A package of an extra isn't installed. Other errors are passed on unchanged.
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
