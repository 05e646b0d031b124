"""Two judges that took no part in the training: each finds the thing a picture shows among others.

Both are of the starter's image encoder. One compares a picture with the things' names and knows photographs. The other
compares it with the real drawings, in grey, so that it goes by shape: a picture blurred until nothing can be made out
does no better with it than chance, whatever its colours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import PIL.Image
import torch

from training.starter_diffusion import phrases
from training.starter_diffusion.evaluation_prompts import JudgedPrompt

CANDIDATES, BEST = 20, 5
_SIDE = 128
_BATCH = 16

Encoder = Callable[[Sequence[PIL.Image.Image]], torch.Tensor]
"""Turns pictures into rows."""


class Contest:
    """Which things a picture's thing is found among: the same ones for all judges and all who paint a prompt.

    Args:
        names: All things.
        seed: Draws the candidates.
        candidates: How many, with the right one.
        best: The right one counts as found if it is among so many.
    """

    def __init__(self, names: Sequence[str], seed: int, candidates: int = CANDIDATES, best: int = BEST) -> None:
        self.names = sorted(set(names))
        self.candidates, self.best = min(candidates, len(self.names)), best
        self._seed = seed

    def field(self, prompt: JudgedPrompt) -> list[str]:
        """Return a prompt's candidates, the right one first."""
        others = [name for name in self.names if name != prompt.concept]
        chance = random.Random(f"candidates {self._seed} {prompt.text}")
        return [prompt.concept, *chance.sample(others, self.candidates - 1)]

    @property
    def chance(self) -> dict[str, float]:
        """What guessing reaches."""
        return {"top-1": round(1 / self.candidates, 3), f"top-{self.best}": round(self.best / self.candidates, 3)}

    def shares(self, places: Sequence[int]) -> dict[str, float]:
        """Return how often the place, from 0, is the first and among the best."""
        return {
            "top-1": round(sum(place == 0 for place in places) / len(places), 3),
            f"top-{self.best}": round(sum(place < self.best for place in places) / len(places), 3),
        }


class TextJudge:
    """Ranks names by how well they fit a picture.

    A drawing speaks for some names whatever it shows, so that each name's mean score on real drawings is taken off.

    Args:
        contest: Who competes.
        encode: Turns pictures into rows of length 1.
        texts: The rows of the contest's names.
        drawings: Real ones, some hundred.
    """

    def __init__(
        self, contest: Contest, encode: Encoder, texts: torch.Tensor, drawings: Sequence[PIL.Image.Image]
    ) -> None:
        self._contest, self._encode, self._texts = contest, encode, texts
        self._usual = (encode(drawings) @ texts.T).mean(0)
        self._number = {name: number for number, name in enumerate(contest.names)}

    def places(self, pictures: Sequence[PIL.Image.Image], prompts: Sequence[JudgedPrompt]) -> list[int]:
        """Return the place, from 0, of each picture's thing among its candidates."""
        scores = self._encode(pictures) @ self._texts.T - self._usual
        fields = [[self._number[name] for name in self._contest.field(prompt)] for prompt in prompts]
        return [int((row[field[1:]] >= row[field[0]]).sum()) for row, field in zip(scores, fields, strict=True)]


class PictureJudge:
    """Ranks things by the nearest of their real drawings, those hidden from training among them.

    Args:
        contest: Who competes.
        encode: Turns pictures into rows.
        drawings: All real ones.
        names: What each shows.
        styles: How each is drawn.
    """

    def __init__(
        self,
        contest: Contest,
        encode: Encoder,
        drawings: Sequence[PIL.Image.Image],
        names: Sequence[str],
        styles: Sequence[str],
    ) -> None:
        self._contest, self._encode = contest, encode
        rows = encode(drawings)
        self._mean = rows.mean(0)
        self._known = self._directions(rows)
        self._styles = list(styles)
        self._of_name = {name: [i for i, other in enumerate(names) if other == name] for name in contest.names}

    def places(
        self,
        pictures: Sequence[PIL.Image.Image],
        prompts: Sequence[JudgedPrompt],
        without: Sequence[str] | None = None,
    ) -> list[int]:
        """Return the place, from 0, of each picture's thing among its candidates.

        Args:
            pictures: To judge.
            prompts: One for each.
            without: For each a style in which no candidate is compared: a real drawing must not meet itself.
        """
        cosines = self._directions(self._encode(pictures)) @ self._known.T
        places = []
        for number, (row, prompt) in enumerate(zip(cosines, prompts, strict=True)):
            style = without[number] if without else None
            scores = [
                max((float(row[i]) for i in self._of_name[name] if self._styles[i] != style), default=-1.0)
                for name in self._contest.field(prompt)
            ]
            places.append(sum(score >= scores[0] for score in scores[1:]))
        return places

    def _directions(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(rows - self._mean, dim=-1)


def starter_text_judge(contest: Contest, drawings: Sequence[PIL.Image.Image]) -> TextJudge:
    """Return the judge by names: the starter's image-text encoder."""
    from sensorium import CLIP

    encoder = CLIP("conse-starter")
    texts = encoder.encode_text([phrases.with_article(name) for name in contest.names])
    return TextJudge(contest, lambda pictures: encoder.encode_image(list(pictures)), texts, drawings)


def starter_shapes() -> Encoder:
    """Return what EfficientNet-Lite0 of the starter sees in grey pictures, before its classes."""
    import numpy as np

    from sensorium.models import catalog, store
    from sensorium.vision_language.starter.efficientnet_lite import EfficientNetLite0, as_pixels

    checkpoint = catalog.named("conse-starter")
    network = EfficientNetLite0(store.locate(checkpoint), checkpoint)

    def pixels(image: PIL.Image.Image) -> np.ndarray:
        return as_pixels(image.convert("L").convert("RGB").resize((_SIDE, _SIDE), PIL.Image.Resampling.BICUBIC))

    def encode(pictures: Sequence[PIL.Image.Image]) -> torch.Tensor:
        rows = []
        for start in range(0, len(pictures), _BATCH):
            batch = np.stack([pixels(image) for image in pictures[start : start + _BATCH]])
            rows.append(network.see(batch).features.mean((2, 3)))
        return torch.from_numpy(np.concatenate(rows))

    return encode
