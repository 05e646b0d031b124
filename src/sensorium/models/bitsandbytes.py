"""The package bitsandbytes, imported so that it fetches no program code and is quiet."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any


def import_bitsandbytes() -> None:
    """Import bitsandbytes before transformers or diffusers do.

    Where the package ``kernels`` is installed, too, it would fetch program code from the hub at its import; its own
    code does the same.

    Raises:
        ImportError: It can't be imported.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells of each product that it computes in float16
    if "bitsandbytes" in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    before = modules.get("kernels")
    modules["kernels"] = None
    try:
        importlib.import_module("bitsandbytes")
    finally:
        del modules["kernels"]
        if before is not None:
            modules["kernels"] = before
