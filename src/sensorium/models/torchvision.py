"""torchvision, which some checkpoints need: it must have been built for the very torch that is installed."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from importlib.util import find_spec

from sensorium.errors import MissingDependencyError

_RELEASE = re.compile(r"2\.(\d+)\.(\d+)(?:\+(cpu|cu\d+|rocm[\d.]+|xpu))?")
_AHEAD = 15
"""torchvision 0.15 was made for torch 2.0, 0.16 for 2.1, and so on."""


def torchvision_remedy() -> str:
    """Return the sentence that tells how to install the torchvision that fits the installed torch."""
    version = importlib.metadata.version("torch")
    release = _RELEASE.fullmatch(version)
    if release is None:
        return f"Install a torchvision that was built for torch {version}"
    minor, patch, build = release.groups()
    # PyPI's torchvision doesn't work with a torch from these indexes.
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    return f"Install the one that fits torch {version}: pip install torchvision==0.{int(minor) + _AHEAD}.{patch}{index}"


def require_sound_torchvision() -> None:
    """See that torchvision, if it is installed, fits torch: transformers can open nothing otherwise.

    Raises:
        MissingDependencyError: It is installed and can't be imported.
    """
    if find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # a RuntimeError about an operator, or an OSError about a library, or an ImportError
        raise MissingDependencyError(
            f"The installed torchvision {importlib.metadata.version('torchvision')} doesn't fit the installed torch "
            f"{importlib.metadata.version('torch')}, and without a torchvision that fits no checkpoint opens",
            f"{torchvision_remedy()}, or remove it: pip uninstall torchvision",
        ) from error
