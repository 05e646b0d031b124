"""The tour's result: one self-contained HTML page."""

from __future__ import annotations

import base64
import datetime
import io
import mimetypes
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path

from sensorium.models import catalog
from sensorium.threads import thread_count
from sensorium.tour.material import Photo
from sensorium.tour.steps import WITHOUT_STARTER, Step
from sensorium.version import VERSION

_THUMBNAIL_HEIGHT = 340
_TINY, _MAGNIFIED = 100, 2


@dataclass(frozen=True)
class Outcome:
    """The result of one step of the tour.

    Attributes:
        step: The step.
        command: The command, as a user would type it.
        output: The text that the command printed.
        seconds: How long the command took.
        succeeded: Whether the command succeeded.
        models: Names of the checkpoints that the command used.
    """

    step: Step
    command: str
    output: str
    seconds: float
    succeeded: bool
    models: tuple[str, ...]


@dataclass(frozen=True)
class _Picture:
    address: str
    caption: str
    settings: str = ""
    width: int = 0


def write_page(outcomes: Sequence[Outcome], photos: Sequence[Photo], folder: Path) -> Path:
    """Write ``index.html`` into ``folder``, with all pictures, sounds and films inside it.

    Args:
        outcomes: The results of the steps, in order.
        photos: The photographs, for pictures and credits.
        folder: The folder in which the steps ran and wrote their files.
    """
    import jinja2

    template = package_files("sensorium.tour").joinpath("page.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    names = [name for outcome in outcomes for name in outcome.models]
    html = environment.from_string(template).render(
        steps=[_shown(outcome, photos, folder) for outcome in outcomes],
        senses=list(dict.fromkeys(outcome.step.sense for outcome in outcomes)),
        models=_with_components(names),
        photos=photos,
        without_starter=WITHOUT_STARTER,
        profile=catalog.current_profile(),
        seconds=sum(outcome.seconds for outcome in outcomes),
        version=VERSION,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}, {thread_count()} cores",
        date=datetime.date.today().isoformat(),
    )
    path = folder / "index.html"
    path.write_text(html, encoding="utf-8")
    return path


def _shown(outcome: Outcome, photos: Sequence[Photo], folder: Path) -> dict[str, object]:
    step = outcome.step
    painted = {folder / name for name in step.painted}
    pictures = [folder / name for name in step.pictures if (folder / name).is_file()]
    if step.shows_matches:
        found = [photo.path for photo in photos if photo.path.name in outcome.output]
        pictures += sorted(found, key=lambda path: outcome.output.index(path.name))
    return {
        "sense": step.sense,
        "title": step.title,
        "command": outcome.command,
        "output": _with_file(outcome.output, folder / step.subtitles) if step.subtitles else outcome.output,
        "seconds": outcome.seconds,
        "painted": len(step.painted),
        "succeeded": outcome.succeeded,
        "models": outcome.models,
        "pictures": [_painted(path) if path in painted else _as_it_is(path) for path in pictures],
        "audio": _embedded(folder / step.audio) if step.audio else "",
        "film": _embedded(folder / step.film) if step.film else "",
        "subtitles": _embedded(folder / step.subtitles) if step.subtitles else "",
    }


def _with_file(output: str, path: Path) -> str:
    return f"{output}\n\n{path.read_text(encoding='utf-8').strip()}" if path.is_file() else output


def _with_components(names: Sequence[str]) -> list[catalog.Checkpoint]:
    found: dict[str, catalog.Checkpoint] = {}
    for name in names:
        entry = catalog.named(name)
        for part in (entry, *(catalog.named(component) for component in entry.components)):
            found[part.name] = part
    return list(found.values())


def _as_it_is(path: Path) -> _Picture:
    return _Picture(_thumbnail(path), path.name)


def _painted(path: Path) -> _Picture:
    """Return a picture with the settings that its file names. A tiny one is shown larger, and its caption says so."""
    from sensorium.image_generation.generated_image import read_settings

    settings = read_settings(path)
    said = [f"“{settings.prompt}”", f"{settings.width} × {settings.height} pixels", f"seed {settings.seed}"]
    said += [f"{settings.steps} steps", f"guidance {settings.guidance_scale}", settings.model]
    if settings.height >= _TINY:
        return _Picture(_thumbnail(path), path.name, ", ".join(said))
    caption = f"{path.name}, shown {_MAGNIFIED} times as large"
    return _Picture(_embedded(path), caption, ", ".join(said), _MAGNIFIED * settings.width)


def _thumbnail(path: Path) -> str:
    from sensorium.media.image import read_image

    picture = read_image(path)
    picture.thumbnail((4 * _THUMBNAIL_HEIGHT, _THUMBNAIL_HEIGHT))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return _data_address(stream.getvalue(), "image/jpeg")


def _embedded(path: Path) -> str:
    if not path.is_file():
        return ""
    kind = "text/vtt" if path.suffix == ".vtt" else mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _data_address(path.read_bytes(), kind)


def _data_address(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
