"""What is written in a film, with times: lines that stay are told once."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from sensorium import TextReader, read_film
from sensorium.errors import InputError
from sensorium.media.video_writer import write_video
from tests import real_media


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that shows a cat for two seconds, a printed page for four, and a cat again for two."""
    cat, page = (
        ImageOps.pad(Image.open(path).convert("RGB"), (768, 480), color="white")
        for path in (real_media.photo("chelsea"), real_media.writing("page")[0])
    )
    path = tmp_path_factory.mktemp("written") / "film.mp4"
    return write_video(path, [cat] * 10 + [page] * 20 + [cat] * 10, 5)


def test_a_line_that_stays_is_told_once_with_its_times(film: Path) -> None:
    with TextReader() as reader:
        found = read_film(film, reader=reader)
        with pytest.raises(InputError, match="seconds apart"):
            read_film(film, every=0, reader=reader)
        with pytest.raises(InputError, match="chelsea"):
            read_film(real_media.photo("chelsea"), reader=reader)
    assert (found.frames, found.model) == (4, "pp-ocrv6-small")
    written = real_media.writing("page")[1].splitlines()
    lines = [line for line in found.lines if line.text.startswith("Region-based")]
    assert [(line.start, line.end) for line in lines] == [(pytest.approx(2, abs=0.25), pytest.approx(6, abs=0.25))]
    assert lines[0].confidence > 0.5
    assert len(found.lines) <= len(written) + 2
