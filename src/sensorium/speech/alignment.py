"""What a recogniser that writes text alone has beside it: what tells when words are spoken, and in which language."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensorium.errors import MissingDependencyError, UnsupportedError
from sensorium.progress import Cancellation, ProgressCallback
from sensorium.speech.hearing_checkpoints import usual_aligner
from sensorium.speech.recogniser import Aligner, LanguageListener, Recogniser
from sensorium.speech.word_times import shared_out

if TYPE_CHECKING:
    from sensorium.speech.recognised_text import SpokenWord
    from sensorium.speech.voice_activity import Window
    from sensorium.task import Task


@dataclass(frozen=True)
class Beside:
    """What stands beside a recogniser for the length of a call.

    Attributes:
        aligner: Tells when words are spoken; None where the recogniser does.
        listener: Tells which language is spoken; None where the recogniser does, or nothing is there for it.
        unneeded: The name of the aligner that was asked for though the recogniser needs none; "" if none was.
    """

    aligner: Aligner | None = None
    listener: LanguageListener | None = None
    unneeded: str = ""


@dataclass
class AlignerPart:
    """The aligner of a recogniser, and what listens for the language where the aligner doesn't: opened once, and kept.

    Attributes:
        open: Opens a recogniser or an aligner by its name.
        name: The aligner's; None for the starter's Whisper.
    """

    open: Callable[[str], Task[Recogniser]]
    name: str | None = None
    _opened: dict[str, Task[Recogniser]] = field(default_factory=dict)

    @contextmanager
    def lease(
        self, backend: Recogniser, progress: ProgressCallback | None, cancel: Cancellation | None
    ) -> Iterator[Beside]:
        """Keep loaded what a recogniser needs beside it.

        Raises:
            UnsupportedError: What is named aligns no words.
        """
        if backend.times_words and not backend.must_be_told_language:
            yield Beside(unneeded=self.name or "")
            return
        with ExitStack() as held:
            name = self.name or usual_aligner().name
            aligner: object = held.enter_context(self._part(name).lease(progress=progress, cancel=cancel))
            if not isinstance(aligner, Aligner):
                raise UnsupportedError(
                    f"The checkpoint {name!r} aligns no words", "Choose a Whisper or a forced aligner as the aligner"
                )
            listener: object = aligner
            if not isinstance(listener, LanguageListener) and backend.must_be_told_language:
                listener = held.enter_context(self._part(usual_aligner().name).lease(progress=progress, cancel=cancel))
            yield Beside(aligner, listener if isinstance(listener, LanguageListener) else None)

    def close(self) -> None:
        """Give up what was opened."""
        self._opened.clear()

    def _part(self, name: str) -> Task[Recogniser]:
        return self._opened.setdefault(name, self._opened.get(name) or self.open(name))


def likeliest_language(listener: LanguageListener, window: Window, among: Collection[str] = ()) -> str:
    """Return the code of the language that is likeliest in a window; "" if the listener knows none of them.

    Args:
        listener: Hears it.
        window: The window.
        among: Codes of the languages that may be spoken; any if empty.
    """
    [likely] = listener.language_probabilities(listener.encode([window.samples]))
    possible = [code for code in likely if not among or code in among]
    return max(possible, key=likely.__getitem__, default="")


def aligned(aligner: Aligner, window: Window, text: str, language: str) -> tuple[tuple[SpokenWord, ...], str]:
    """Return the words of a text that was written down of a window, and why their times are rough; "" if they aren't.

    Args:
        aligner: Tells when they are spoken.
        window: The window.
        text: What is said in it.
        language: Code of its language. Where the aligner doesn't know it, the time is shared among the words.
    """
    try:
        [words] = aligner.align([window.samples], [text], [language])
    except (UnsupportedError, MissingDependencyError) as error:
        return shared_out(text, window), error.message
    if "".join(word.text for word in words).split() == text.split():
        return words, ""
    return shared_out(text, window), "the aligner finds no place for some of the words"
