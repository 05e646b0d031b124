"""Which packages each extra of the installation adds, and the error for a missing package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from sensorium.errors import MissingDependencyError
from sensorium.models.torchvision import torchvision_remedy

EXTRAS = {
    "torch": ("torch", "transformers", "diffusers", "accelerate", "peft", "sentencepiece", "scipy", "cv2"),
    "remote": ("openai",),
    "serve": ("fastapi", "mcp", "prometheus_client", "sqlalchemy", "starlette", "uvicorn"),
    "studio": ("gradio",),
    "storage": ("s3fs",),
    "cluster": ("ray",),
}
"""Maps each extra to the modules that it adds. The plain installation doesn't have them."""


_PIP = re.compile(r"pip install (?:-U |--upgrade )?[`'\"]*([A-Za-z][\w.-]*)")
_LIBRARY = re.compile(r"requires? the (\S+) library")
"""How libraries name a package that they miss, in the text of an ImportError."""
_SOLD_AS = {
    "google": "protobuf",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
}
"""Names of modules whose packages have other names."""


@contextmanager
def missing_packages_explained(what: str) -> Iterator[None]:
    """If something can't be imported, raise an error that says which package or extra to install.

    Args:
        what: What needs the package, as the subject of the sentence: ``"ImageQA with 'blip2-opt-2.7b'"``.

    Raises:
        MissingDependencyError: A package isn't installed, or not in a form that can be imported. Errors that are no
            ImportError are passed on unchanged.
    """
    try:
        yield
    except ImportError as error:
        raise _explained(what, error) from error


def _explained(what: str, error: ImportError) -> MissingDependencyError:
    first = _first_cause(error)
    package = _package(first) or _package(error)
    extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
    if not package:
        said = next((line.strip() for line in str(first).splitlines() if line.strip()), type(first).__name__)
        return MissingDependencyError(
            f"{what} needs a package that can't be imported: {said}", "Install it, or another version of it"
        )
    state = "which is not installed" if find_spec(package) is None else "of which another version is installed"
    name = _SOLD_AS.get(package, package)
    if package == "torchvision":
        remedy = torchvision_remedy()
    elif extra is not None:
        remedy = f"Install it with: pip install 'sensorium[{extra}]'"
    else:
        remedy = f"Install it with: pip install --upgrade {name}"
    return MissingDependencyError(f"{what} needs the package {name}, {state}", remedy)


def _first_cause(error: BaseException) -> BaseException:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return error if cause is None else _first_cause(cause)


def _package(error: BaseException) -> str:
    """Return the package that an error says is missing, or ""."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    if not isinstance(error, ImportError):
        return ""
    named = _PIP.search(str(error)) or _LIBRARY.search(str(error))
    return named[1].rstrip(".").lower() if named else ""
