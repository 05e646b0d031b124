"""What operations that paint return, and the files that they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sensorium.image_generation.picture_settings import PictureSettings
from sensorium.operations.artifact import Artifact
from sensorium.operations.reporter import Reporter
from sensorium.progress import Event, Finished
from sensorium.record import Record

if TYPE_CHECKING:
    import PIL.Image

    from sensorium.image_generation.generated_image import GeneratedImage, GeneratedImages

PictureFormat: TypeAlias = Literal["png", "jpeg", "webp"]

_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_NEARLY_ALL = 0.999


@dataclass(frozen=True, eq=False, repr=False)
class Picture(Record):
    """A picture that was painted.

    Attributes:
        artifact: Its file, which says of itself what the settings say.
        settings: Everything that decides how it looks.
    """

    artifact: Artifact
    settings: PictureSettings


@dataclass(frozen=True, eq=False, repr=False)
class DrawnMap(Record):
    """A control map.

    Attributes:
        artifact: Its file.
        control: ``"openpose"``, ``"canny"``, ``"depth"``, ``"normal"``, ``"seg"``, or a kind of the caller's own.
        model: The checkpoint that it was made with, or ``"opencv"``; "" if it was given ready-made.
        width: In pixels.
        height: In pixels.
        black: Whether it is as good as black, so that there is nothing to follow.
    """

    artifact: Artifact
    control: str
    model: str
    width: int
    height: int
    black: bool


@dataclass(frozen=True, eq=False, repr=False)
class Pictures(Record):
    """The pictures of one operation.

    Attributes:
        pictures: In the order of their seeds.
        maps: The control maps that they follow, if they follow any and these were to be kept.
        withheld: How many pictures the safety checker kept back.
        notes: What the caller should know, in sentences: words of the prompt that were not read, say.
    """

    pictures: tuple[Picture, ...]
    maps: tuple[DrawnMap, ...] = ()
    withheld: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class PaintedAgain(Record):
    """A picture that was made again.

    Attributes:
        picture: The new one.
        identical: Whether both have the same pixels.
        difference: What may have made them differ, in a sentence; "" if they don't.
    """

    picture: Picture
    identical: bool
    difference: str


class KeptPictures:
    """Takes the events of a painting, and keeps each picture as soon as it is painted: none is lost to a later failure.

    Args:
        report: Keeps the files; told all events, and each picture as a `Finished` with a `Picture`.
        format: Of the pictures.
        quality: Of JPEG and WebP files, 0 to 100.
        controls: The kinds of control maps, in the order in which they are told.
        map_format: Of the maps; None to keep none.
    """

    def __init__(
        self,
        report: Reporter,
        format: PictureFormat,
        *,
        quality: int = 95,
        controls: Sequence[str] = (),
        map_format: PictureFormat | None = None,
    ) -> None:
        self.pictures: list[Picture] = []
        self.maps: list[DrawnMap] = []
        self._report = report
        self._format, self._quality = format, quality
        self._map_format = map_format
        self._controls = iter(controls)

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if not isinstance(event, Finished):
            self._report(event)
        elif hasattr(event.result, "settings"):
            self._keep_picture(event.result)
        elif self._map_format is not None:
            control = next(self._controls)
            self.maps.append(keep_map(self._report, event.result, control, self._map_format, f"map-{control}"))

    def result(self, painted: GeneratedImages) -> Pictures:
        """Return what the operation returns."""
        return Pictures(tuple(self.pictures), tuple(self.maps), painted.withheld, painted.notes)

    def _keep_picture(self, painted: GeneratedImage) -> None:
        name, media_type = _file(f"picture-{len(self.pictures) + 1}", self._format)
        # PNG files know no quality.
        options: dict[str, Any] = {} if self._format == "png" else {"quality": self._quality}
        artifact = self._report.keep(name, media_type, lambda path: painted.save(path, **options))
        picture = Picture(artifact, painted.settings)
        self.pictures.append(picture)
        self._report(Finished(picture))


def keep_map(report: Reporter, drawn: PIL.Image.Image, control: str, format: PictureFormat, stem: str) -> DrawnMap:
    """Keep a control map.

    Args:
        report: Keeps the file.
        drawn: The map.
        control: Its kind.
        format: Of the file.
        stem: The file's name, without its suffix.
    """
    from sensorium.media.image import write_image

    artifact = report.keep(*_file(stem, format), lambda path: write_image(drawn, path))
    dark = drawn.convert("L").histogram()[0]
    black = dark > _NEARLY_ALL * drawn.width * drawn.height
    return DrawnMap(artifact, control, drawn.info.get("model", ""), drawn.width, drawn.height, black)


def difference(before: PictureSettings, now: PictureSettings) -> str:
    """Return why a picture that was made again may have other pixels, in a sentence."""
    if before.revision != now.revision:
        return f"not the same pixels: made by revision {before.revision or '?'}, now {now.revision or '?'}"
    if before.device != now.device:
        return f"not the same pixels: made on {before.device}, now on {now.device}"
    return "not the same pixels: the file that it was made from was compressed or changed"


def _file(stem: str, format: PictureFormat) -> tuple[str, Any]:
    """Return the name of a file, and its media type."""
    return f"{stem}{_SUFFIXES[format]}", f"image/{format}"
