"""Facts about a picture that something measured: what is in it, people, colours, light, layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sensorium.answer import Evidence
from sensorium.models.catalog import Checkpoint, component
from sensorium.progress import Cancellation, ProgressCallback, check_cancelled
from sensorium.record import Record
from sensorium.task import Opening
from sensorium.vision_language.people import PeopleDetector
from sensorium.vision_language.person import Box, Person
from sensorium.vision_language.starter.animal_faces import is_of_an_animal
from sensorium.vision_language.starter.colours import (
    ColourShare,
    by_region,
    describe_colours,
    is_monochrome,
    name_pixels,
    within,
)
from sensorium.vision_language.starter.phrases import Phrase, capitalised
from sensorium.vision_language.starter.recognition import (
    Recogniser,
    Tag,
    choose_tags,
    confidence_in,
    is_absent,
    is_sure,
    slightest_sign_of,
    speaks_for,
    thing_of,
)
from sensorium.vision_language.starter.vocabulary import Thing, find_thing, with_article

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from sensorium.media.image import ImageSource
    from sensorium.vision_language.clip import CLIP
    from sensorium.vision_language.writing import Writing

DARK = 0.25
BRIGHT = 0.7
BLURRED = 0.45
# Bodies without a face: on cut-out photos of animals the detector gave up to 0.84.
_NO_ANIMAL = 0.85
# In any part of the picture; else faces aren't looked at again.
_POSSIBLE_ANIMAL = 0.5
_SMALLEST_THING = 0.08
_SMALL_THING = 0.15
_STANDS_OUT = 1.5
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, eq=False, repr=False)
class Place(Record):
    """Where something is, roughly.

    Attributes:
        name: The tag's name.
        x: Centre, from 0 (left edge) to 1 (right edge).
        y: Centre, from 0 (top) to 1 (bottom).
    """

    name: str
    x: float
    y: float

    def in_words(self) -> Phrase:
        """Return it in words: "at the top left", "in the middle"."""
        across = "left" if self.x < 0.36 else "right" if self.x > 0.64 else ""
        along = "top" if self.y < 0.36 else "bottom" if self.y > 0.64 else ""
        return Phrase(
            " ".join(["at the", along, across]).strip().replace("  ", " ") if across or along else "in the middle"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Scene(Record):
    """What was measured in a picture.

    Attributes:
        width: In pixels.
        height: In pixels.
        tags: What it shows, then what it may show.
        people: Who was found, by body or face; who is small or hidden is missed.
        colours: Colours by region and by tag, most first.
        places: Where each sure tag is.
        brightness: Mean lightness from 0 (black) to 1 (white).
        sharpness: From 0 (nothing but blur) to 1; under 0.45 is blurred (Crete et al. 2007).
        monochrome: Whether it is black and white.
        model: Names of the checkpoints that looked.
        writing: What is written there; None if nobody has read it.
        clearly_written: Whether a glance was enough to see writing; None if nobody has glanced.
    """

    width: int
    height: int
    tags: tuple[Tag, ...]
    people: tuple[Person, ...]
    colours: tuple[ColourShare, ...]
    places: tuple[Place, ...]
    brightness: float
    sharpness: float
    monochrome: bool
    model: str
    _probabilities: np.ndarray = field(repr=False)
    writing: Writing | None = None
    clearly_written: bool | None = None

    def confidence_in(self, thing: Thing) -> float:
        """Return how likely it is, from 0 to 1, that the picture shows a thing."""
        return confidence_in(thing, self._probabilities)

    def shows(self, thing: Thing) -> bool:
        """Return whether the picture surely shows a thing, by whatever name."""
        return is_sure(thing, self._probabilities)

    def lacks(self, thing: Thing) -> bool:
        """Return whether the picture shows no sign of a thing."""
        return is_absent(thing, self._probabilities)

    def tag_for(self, thing: Thing) -> Tag | None:
        """Return the sure tag that a thing means here: the coffee for a cup, the dog for an animal; None if none."""
        if not self.shows(thing):
            return None
        sure = (tag for tag in self.tags if tag.sure)
        return next((tag for tag in sure if speaks_for(thing, thing_of(tag), self._probabilities)), None)

    def probability_of(self, classes: Iterable[int]) -> float:
        """Return how likely it is, from 0 to 1, that the whole picture shows one of some classes."""
        return float(self._probabilities[0, sorted(classes)].sum())

    def slightest_sign_of(self, thing: Thing) -> float:
        """Return the highest probability of a thing in any part of the picture."""
        return slightest_sign_of(thing, self._probabilities)

    def colours_of(self, region: str) -> tuple[ColourShare, ...]:
        """Return the colours of a region or tag, most first."""
        return tuple(colour for colour in self.colours if colour.region == region)

    def facts(self) -> tuple[Evidence, ...]:
        """Return what was measured in words, the most important first."""
        return (*self.tag_facts(), self.people_fact(), *self.colour_facts(), *self.layout_facts())

    def tag_facts(self) -> list[Evidence]:
        """Return what the picture shows, then what it may show."""
        facts = []
        for tag in self.tags:
            if tag.sure:
                template = "There is {thing}, a kind of {kind}" if tag.kind else "There is {thing}"
                text = Phrase(template, thing=with_article(tag.name), kind=tag.kind)
            else:
                text = Phrase("There may be {thing}", thing=with_article(tag.name))
            facts.append(Evidence("tag", text, tag.confidence))
        return facts

    def people_fact(self) -> Evidence:
        """Return how many people were found."""
        count = len(self.people)
        if not count:
            return Evidence("people", Phrase("Nobody was found in the picture"))
        weakest = min(person.score for person in self.people)
        template = "{people} was found" if count == 1 else "{people} were found"
        return Evidence("people", Phrase(template, people=capitalised(self.people_in_words())), round(weakest, 2))

    @property
    def faces(self) -> list[Box]:
        """The boxes of the faces, most certain first."""
        return [person.face for person in self.people if person.face is not None]

    def people_in_words(self) -> Phrase:
        """Return how many people were found: "three people"."""
        count = len(self.people)
        return Phrase("{number} person" if count == 1 else "{number} people", number=number_in_words(count))

    def colour_facts(self) -> list[Evidence]:
        """Return the colours of what was found, of the whole and of its parts."""
        if self.monochrome:
            return [Evidence("colour", Phrase("The picture is black and white"))]
        sure = {tag.name: tag.confidence for tag in self.tags if tag.sure}
        facts = []
        for region in (*sure, "picture", "middle", "top", "bottom", "left", "right"):
            colours = self.colours_of(region)
            if colours:
                text = Phrase("The {region} is {colours}", region=region, colours=describe_colours(colours))
                facts.append(Evidence("colour", text, sure.get(region)))
        return facts

    def layout_facts(self) -> list[Evidence]:
        """Return size, orientation, light and blur."""
        shape = "square" if self.width == self.height else "wide" if self.width > self.height else "tall"
        size = Phrase(f"The picture is {shape}, {{width}} by {{height}} pixels", width=self.width, height=self.height)
        facts = [Evidence("layout", size)]
        if self.brightness < DARK:
            facts.append(Evidence("layout", Phrase("The picture is dark")))
        elif self.brightness > BRIGHT:
            facts.append(Evidence("layout", Phrase("The picture is bright")))
        if self.sharpness < BLURRED:
            facts.append(Evidence("layout", Phrase("The picture is blurred")))
        return facts


def number_in_words(number: int) -> str:
    """Return a small number in words: "three"."""
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def open_scene_reader(checkpoint: Checkpoint, opening: Opening) -> SceneReader:
    """Return what measures pictures for a system: with the parts that its catalog entry names."""
    from sensorium.vision_language.clip import CLIP

    return SceneReader(
        opening.part(CLIP, component(checkpoint, CLIP.task)),
        # The networks that find people run on the CPU, wherever the others run.
        opening.part(PeopleDetector, component(checkpoint, PeopleDetector.task), device="cpu"),
    )


class SceneReader:
    """Measures pictures.

    Args:
        clip: The image encoder.
        people: The people detector.
    """

    def __init__(self, clip: CLIP, people: PeopleDetector) -> None:
        self._clip = clip
        self._people = people
        self._recogniser = Recogniser(self._clip)

    @property
    def model(self) -> str:
        """The names of the checkpoints that look."""
        return f"{self._clip.model} + {self._people.model}"

    @property
    def clip(self) -> CLIP:
        """The image encoder."""
        return self._clip

    def load(self, *, progress: ProgressCallback | None = None, cancel: Cancellation | None = None) -> None:
        """Fetch and load the checkpoints now, rather than at first use."""
        self._clip.ensure_loaded(progress=progress, cancel=cancel)
        self._people.ensure_loaded(progress=progress, cancel=cancel)

    def read(self, image: ImageSource, *, cancel: Cancellation | None = None) -> Scene:
        """Measure a picture.

        Args:
            image: A PIL image, an array, a path, an address, bytes.
            cancel: Stops between two measurements.

        Raises:
            InputError: The picture can't be read.
            CancelledError: ``cancel`` was set.
        """
        from sensorium.media.image import read_image

        picture = read_image(image)
        look = self._recogniser.look(picture)
        probabilities = look.probabilities
        check_cancelled(cancel)
        tags = choose_tags(probabilities)
        people = self._find_people(picture, probabilities)
        check_cancelled(cancel)
        named = name_pixels(picture)
        colours = list(by_region(named))
        places = []
        for tag in tags:
            where = look.locate(thing_of(tag)) if tag.sure else None
            if where is not None:
                mask = _spread(where, named.shape)
                colours += _colours_of_thing(named, mask, tag.name)
                places.append(_place_of(mask, tag.name))
        return Scene(
            width=picture.width,
            height=picture.height,
            tags=tags,
            people=people,
            colours=tuple(colours),
            places=tuple(places),
            brightness=round(_brightness(picture), 2),
            sharpness=round(_sharpness(picture), 2),
            monochrome=is_monochrome(picture),
            model=self.model,
            _probabilities=probabilities,
        )

    def _find_people(self, picture: PIL.Image.Image, probabilities: np.ndarray) -> tuple[Person, ...]:
        """Return who is surely no animal: bodies that are sure enough, and faces that are people's."""
        shown = is_sure(_animal(), probabilities)
        possible = slightest_sign_of(_animal(), probabilities) >= _POSSIBLE_ANIMAL
        people = []
        for person in self._people.find(picture):
            if person.face is None:
                is_person = not shown or person.score >= _NO_ANIMAL
            else:
                is_person = not (possible and is_of_an_animal(person.face, picture, self._recogniser))
            if is_person:
                people.append(person)
        return tuple(people)


def _animal() -> Thing:
    animal = find_thing("animal")
    assert animal is not None
    return animal


def _spread(where: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Enlarge a coarse map to the size of a picture and keep its upper half."""
    import numpy as np
    import PIL.Image

    large = PIL.Image.fromarray(where.astype(np.float32)).resize((shape[1], shape[0]), PIL.Image.Resampling.BICUBIC)
    return (np.asarray(large) > 0.5).astype(np.float64)


def _colours_of_thing(named: np.ndarray, mask: np.ndarray, name: str) -> list[ColourShare]:
    """Return a thing's colours, or none where it is too small to be told from what is around it."""
    area = float(mask.mean())
    inside, outside = within(named, mask, name), {colour.name: colour for colour in within(named, 1 - mask, name)}
    if area < _SMALLEST_THING or not inside:
        return []
    if area < _SMALL_THING:
        around = outside.get(inside[0].name)
        if around is not None and inside[0].share < _STANDS_OUT * around.share:
            return []
    return inside


def _place_of(mask: np.ndarray, name: str) -> Place:
    import numpy as np

    rows, columns = np.nonzero(mask)
    return Place(name, round(float(columns.mean() / mask.shape[1]), 2), round(float(rows.mean() / mask.shape[0]), 2))


def _brightness(picture: PIL.Image.Image) -> float:
    import numpy as np

    return float(np.asarray(picture.convert("L").resize((64, 64))).mean() / 255)


def _sharpness(picture: PIL.Image.Image) -> float:
    """Return how much of the picture's fine contrast a blur would take away (Crete et al. 2007)."""
    import numpy as np

    grey = picture.convert("L")
    grey.thumbnail((512, 512))
    pixels = np.asarray(grey, dtype=np.float64)
    lost = []
    for lines in (pixels, pixels.T):
        if min(lines.shape) < 20 or lines.std() < 1:
            return 1.0
        blurred: Any = np.apply_along_axis(lambda line: np.convolve(line, np.ones(9) / 9, "same"), 1, lines)
        contrast = np.abs(np.diff(lines, axis=1))[9:-9, 9:-9]
        left = np.abs(np.diff(blurred, axis=1))[9:-9, 9:-9]
        lost.append(float(np.maximum(0, contrast - left).sum() / max(contrast.sum(), 1e-9)))
    return min(lost)
