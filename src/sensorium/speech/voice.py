"""What text to speech asks of a family of voices: to speak one sentence, and of some to imitate a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sensorium.progress import Cancellation
from sensorium.speech.speakable_text import Unspoken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reference:
    """Speech of the person whose voice is imitated.

    Attributes:
        samples: float32 mono at the voice's ``reference_rate``, speech only, 3 to 30 seconds.
        text: What is said in it; "" where the voice doesn't ask.
    """

    samples: Samples
    text: str


class Voice(Protocol):
    """A loaded checkpoint that speaks.

    Attributes:
        sample_rate: Samples a second.
        languages: Codes of the languages that it speaks; empty where nobody says.
        longest_sentence: How many letters it speaks well at once.
    """

    sample_rate: int
    languages: tuple[str, ...]
    longest_sentence: int

    def unspoken(self, text: str, language: str | None) -> Unspoken | None:
        """Return what the voice can't read of a text; None where it reads everything.

        Args:
            text: What shall be spoken.
            language: Code of its language; None where only the voice can know.

        Raises:
            UnsupportedError: The text can't be read at all, and it can be said better than by its words why not.
        """
        ...

    def written_out(self, sentence: str, language: str | None) -> str:
        """Return a sentence in the letters that the voice was taught, with numbers and signs as words.

        Args:
            sentence: Without what is `unspoken`.
            language: As for `unspoken`.
        """
        ...

    def speaker(self, voice: str | None) -> Any:
        """Return what `speak` takes for one of the checkpoint's own voices; None is its usual one.

        Raises:
            InputError: There is no such voice.
            UnsupportedError: The checkpoint has no voices to choose from.
        """
        ...

    def speak(self, sentence: str, *, speaker: Any, speed: float, seed: int, cancel: Cancellation | None) -> Samples:
        """Return the samples of a sentence; empty if nothing in it is pronounced.

        Args:
            sentence: At most ``longest_sentence`` letters.
            speaker: From `speaker`, or from `CloningVoice.imitate`.
            speed: 1.0 is the voice's own pace.
            seed: The same seed gives the same samples.
            cancel: Stops it.
        """
        ...


@runtime_checkable
class CloningVoice(Voice, Protocol):
    """A voice that can take on another one.

    Attributes:
        reference_rate: Samples a second that it wants of a reference.
        needs_transcript: Whether it must know what is said in the reference.
        clones: Whether the checkpoint has all that it takes.
    """

    reference_rate: int
    needs_transcript: bool

    @property
    def clones(self) -> bool: ...

    def imitate(self, reference: Reference) -> Any:
        """Return what `speak` takes for the voice of a recording."""
        ...


@runtime_checkable
class VoiceInFiles(Protocol):
    """A voice that takes a speaker from a file which a user names."""

    def voice_is_file(self, voice: str) -> bool:
        """Return whether the name of a speaker is that of a file on this machine."""
        ...


@dataclass(eq=False)
class SpokenBefore:
    """A speaker as models know one that go on from what they have heard.

    Attributes:
        name: What the model calls the speaker.
        reference: What was heard of the speaker; None before the first sentence.
    """

    name: str
    reference: Reference | None = None

    def remember(self, samples: Samples, text: str) -> None:
        """Keep the first sentence, so that those after it are spoken in the same voice."""
        if self.reference is None and len(samples):
            self.reference = Reference(samples, text)
