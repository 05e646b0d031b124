"""How operations name media."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensorium.errors import InputError
from sensorium.operations.media import Media, media_in, with_media
from sensorium.operations.operation import Operation
from tests.refusals import refused


class Look(Operation):
    """Look at pictures."""

    image: Media
    """The first."""
    others: tuple[Media, ...] = ()
    """The rest."""


def test_texts_become_media_wherever_they_stand() -> None:
    look = Look(image="upload:7", others=["artifact:j/a.png", "cat.jpg"])
    assert list(look.media()) == list(media_in(look)) == ["upload:7", "artifact:j/a.png", "cat.jpg"]
    assert (look.image.upload, look.others[0].artifact) == ("7", ("j", "a.png"))
    assert json.loads(look.model_dump_json()) == with_media(look, {})
    assert with_media(look, {"cat.jpg": "upload:8"})["others"] == ["artifact:j/a.png", "upload:8"]


def test_a_name_of_a_file_may_hold_halves_of_characters() -> None:
    assert Look(image="\udcff.jpg").image == "\udcff.jpg"


@pytest.mark.parametrize("value", ["", 3, None, b"cat.jpg"])
def test_what_names_nothing_is_refused(value: Any) -> None:
    with refused(InputError, "image", repr(value)):
        Look(image=value)


def test_the_schema_says_what_media_are() -> None:
    properties = Look.model_json_schema()["properties"]
    assert properties["image"]["format"] == properties["others"]["items"]["format"] == "media"
