"""What is looked for in an index, as a vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensorium.progress import Cancellation, check_cancelled
from sensorium.retrieval.probe import Sense
from sensorium.vision_language.shortening import shortened

if TYPE_CHECKING:
    import numpy as np

    from sensorium.media.image import ImageSource
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.embeddable import SoundSource


@dataclass(frozen=True, eq=False)
class Query:
    """What is looked for: at least one of the three.

    Attributes:
        text: Words.
        image: A picture that what is found should resemble.
        sound: A recording that what is found should go with.
        image_weight: Beside a text, how much the picture and the recording count, from 0 to 1.
    """

    text: str | None
    image: ImageSource | None
    sound: SoundSource | None
    image_weight: float

    @property
    def senses(self) -> list[Sense]:
        """What the encoder needs for it."""
        asked: dict[Sense, object] = {"text": self.text, "picture": self.image, "sound": self.sound}
        return [sense for sense, given in asked.items() if given is not None]

    def vector(self, clip: CLIP, dimension: int, cancel: Cancellation | None) -> np.ndarray:
        """Return the vector to look for: float32 ``[dimension]`` of length 1.

        Raises:
            InputError: Something can't be read or encoded.
            CancelledError: ``cancel`` was set.
        """
        import numpy as np

        check_cancelled(cancel)
        total = np.zeros(clip.embedding_size, np.float32)
        others = 1.0 if self.text is None else self.image_weight
        if self.text is not None:
            words = clip.text_rows(self.text, role="query", cancel=cancel)[0]
            total += words * (1 if self.senses == ["text"] else 1 - self.image_weight)
        if self.image is not None:
            total += clip.image_rows([self.image], cancel=cancel)[0] * others
        if self.sound is not None:
            total += clip.sound_rows([self.sound], cancel=cancel)[0] * others
        found = shortened(total, dimension, clip)
        unit: np.ndarray = found / max(float(np.linalg.norm(found)), 1e-12)
        return unit
