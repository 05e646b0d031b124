"""What comes in pieces and ends with a result: ``ResultStream``."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any, Self, TypeVar

from sensorium.errors import InputError

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class ResultStream(Generator[Piece, None, Result]):
    """Gives pieces as they are made; at its end it knows the result that the whole call would return.

    ::

        with llava.stream(image, history) as stream:
            for piece in stream:
                print(piece, end="")
        print(stream.result.finish_reason)

    Inside another generator, ``result = yield from stream`` passes the pieces on and gets the result.

    Args:
        pieces: A generator that yields the pieces and returns the result.
    """

    def __init__(self, pieces: Generator[Piece, None, Result]) -> None:
        self._pieces = pieces
        self._results: list[Result] = []

    @property
    def result(self) -> Result:
        """What the whole call would have returned.

        Raises:
            InputError: The stream hasn't been read to its end, was closed before it, or failed.
        """
        if not self._results:
            raise InputError(
                "The result of a stream is known only at its end, and this one was not read so far",
                "Read all pieces first, or call finish()",
            )
        return self._results[0]

    def finish(self) -> Result:
        """Read what is left without looking at it, and return the result."""
        for _ in self:
            pass
        return self.result

    def close(self) -> None:
        """Stop whatever makes the pieces. Closing again, or after the end, does nothing."""
        self._pieces.close()

    def send(self, value: None, /) -> Piece:
        """Return the next piece, as ``next`` does."""
        try:
            return next(self._pieces)
        except StopIteration as end:
            if not self._results and end.value is not None:
                self._results.append(end.value)
            raise StopIteration(self._results[0] if self._results else None) from None

    def throw(self, *error: Any) -> Piece:
        """Raise an error where the pieces are made, as for any generator."""
        return self._pieces.throw(*error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
