"""What reading files leads to that anybody may have written: damaged, cut off, or made to do harm."""

from __future__ import annotations

import struct

SPOILED = (
    *(OSError, ValueError, TypeError, AttributeError, LookupError),
    *(ArithmeticError, RuntimeError, struct.error),  # a RecursionError is a RuntimeError
)
"""The errors that Python and the libraries raise then, without those that tell of a lack of memory."""
