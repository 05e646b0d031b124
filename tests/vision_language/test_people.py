"""BlazePose on real photographs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import PIL.Image
import PIL.ImageOps
import pytest

from sensorium import CLIP
from sensorium.errors import InputError
from sensorium.media.image import read_image
from sensorium.vision_language.blazepose import BodyDetector
from sensorium.vision_language.bodies_and_faces import Body, join
from sensorium.vision_language.faces import Face
from sensorium.vision_language.people import PeopleDetector
from sensorium.vision_language.person import Person
from tests import real_media

# Where a body is, by eye: left, top, right, bottom.
BODIES = {
    "astronaut": (0, 10, 430, 512),
    "cameraman": (80, 60, 330, 512),
    "messi": (60, 60, 470, 342),
    "basketball": (20, 70, 190, 480),
}


@pytest.fixture(scope="module")
def detector() -> Iterator[PeopleDetector]:
    with PeopleDetector() as loaded:
        yield loaded


@pytest.fixture(scope="module")
def astronaut() -> PIL.Image.Image:
    return read_image(real_media.photo("astronaut"))


def overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return the intersection over the union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (area - shared)


def points(person: Person) -> dict[str, tuple[float, float]]:
    return {point.name: (point.x, point.y) for point in person.landmarks}


def test_people_are_told_from_everything_else(detector: PeopleDetector, measured: Callable[[str], None]) -> None:
    confidence = {name: detector.confidence(path) for name, path in real_media.photos().items()}
    people = {name: value for name, value in confidence.items() if name in BODIES}
    others = {name: value for name, value in confidence.items() if name not in BODIES}
    false = sum(value >= 0.5 for value in others.values())
    measured(
        f"blazepose: {sum(value >= 0.5 for value in people.values())} of {len(people)} photographs of people seen, "
        f"{false} of {len(others)} others taken for people"
    )
    assert min(people.values()) >= 0.6
    assert false <= 1
    assert all(0 <= value <= 1 for value in confidence.values())


@pytest.mark.parametrize("name", sorted(BODIES))
def test_boxes_are_where_the_bodies_are(detector: PeopleDetector, name: str) -> None:
    image = read_image(real_media.photo(name))
    (person,) = detector.detect(image)
    print(name, [round(value) for value in person.box], f"{overlap(person.box, BODIES[name]):.2f}")
    assert overlap(person.box, BODIES[name]) > 0.5
    assert person.score >= 0.5
    assert person.box[0] >= 0
    assert person.box[1] >= 0
    assert person.box[2] <= image.width
    assert person.box[3] <= image.height


def test_landmarks_of_a_face(detector: PeopleDetector, astronaut: PIL.Image.Image) -> None:
    (person,) = detector.detect(astronaut)
    assert len(person.landmarks) == 33
    found = points(person)
    # By eye, in pixels of the photograph; left and right are her own.
    for name, place in {
        "nose": (214, 122),
        "left eye": (240, 103),
        "right eye": (193, 101),
        "mouth left": (229, 148),
        "mouth right": (197, 145),
        "left ear": (262, 117),
        "right ear": (175, 110),
    }.items():
        assert found[name] == pytest.approx(place, abs=9), name
    visible = {point.name: point.visibility for point in person.landmarks}
    assert visible["nose"] > 0.9
    assert visible["left ankle"] < 0.2  # the photograph ends at her waist


def test_landmarks_follow_the_picture(detector: PeopleDetector, astronaut: PIL.Image.Image) -> None:
    upright = points(detector.detect(astronaut)[0])
    wide = PIL.Image.new("RGB", (1400, 600), "grey")
    wide.paste(astronaut, (700, 60))
    moved = points(detector.detect(wide)[0])
    mirrored = points(detector.detect(PIL.ImageOps.mirror(astronaut))[0])
    turned = points(detector.detect(astronaut.rotate(25, resample=PIL.Image.Resampling.BICUBIC))[0])
    x, y = upright["nose"]
    assert moved["nose"] == pytest.approx((x + 700, y + 60), abs=12)
    assert mirrored["nose"] == pytest.approx((astronaut.width - x, y), abs=12)
    assert mirrored["left eye"][0] > mirrored["right eye"][0]
    assert turned["nose"] == pytest.approx((161, 152), abs=12)  # the nose's place, turned about the centre


def test_rough_boxes_without_landmarks(detector: PeopleDetector, astronaut: PIL.Image.Image) -> None:
    (person,) = detector.detect(astronaut, landmarks=False)
    assert person.landmarks == ()
    assert overlap(person.box, BODIES["astronaut"]) > 0.4


def test_people_are_counted_by_bodies_and_faces(detector: PeopleDetector, measured: Callable[[str], None]) -> None:
    # By eye.
    truth = {"astronaut": 1, "cameraman": 1, "messi": 1, "basketball": 2}
    counted = {name: len(detector.find(path)) for name, path in real_media.photos().items()}
    right = sum(counted[name] == truth.get(name, 0) for name in counted)
    false = [name for name in counted if name not in truth and counted[name]]
    measured(
        f"blazepose: people counted right in {right} of {len(counted)} photographs; found where nobody is: {false}"
    )
    assert all(0 < counted[name] <= truth[name] for name in truth)
    assert right >= len(counted) - 1


def test_a_face_and_its_body_are_one_person(detector: PeopleDetector, astronaut: PIL.Image.Image) -> None:
    (person,) = detector.find(astronaut)
    assert person.face is not None
    assert overlap(person.face, (168, 78, 262, 172)) > 0.6  # by eye, from the brows to the chin
    assert overlap(person.box, BODIES["astronaut"]) > 0.5
    assert person.score > 0.85


def test_small_faces_in_a_wide_picture_are_found(detector: PeopleDetector, astronaut: PIL.Image.Image) -> None:
    wide = read_image(real_media.photo("china")).resize((1400, 900))
    face = astronaut.crop((150, 40, 290, 200)).resize((49, 56))
    for place in ((200, 120), (900, 300), (1300, 780)):
        wide.paste(face, place)
    found = [person.face for person in detector.find(wide) if person.face is not None]
    assert sorted(round(face[0], -2) for face in found) == [200, 900, 1300]
    assert all(face[2] - face[0] < 45 for face in found)


def test_each_person_is_there_once() -> None:
    face = Face(box=(40, 10, 60, 30), score=0.9)
    own = Body(box=(20, 0, 80, 100), head=(50, 22), score=0.7)
    again = Body(box=(25, 5, 75, 60), head=(49, 20), score=0.65)
    behind = Body(box=(60, 0, 130, 100), head=(95, 20), score=0.8)
    beside = Body(box=(30, 40, 80, 100), head=(55, 90), score=0.8)
    assert [person.box for person in join([], [face])] == [face.box]
    (one,) = join([own, again, beside], [face])
    assert (one.box, one.face, one.score) == (own.box, face.box, 0.9)
    first, second = join([behind, own], [face])
    assert (first.face, second.face) == (face.box, None)
    assert second.box == behind.box
    assert len(join([own, behind], [face, Face(box=(85, 10, 105, 30), score=0.8)])) == 2


def test_odd_shapes_have_nobody(detector: PeopleDetector) -> None:
    for size in ((1, 1), (1, 3000), (3000, 2), (224, 224)):
        assert detector.detect(PIL.Image.new("RGB", size, "white")) == []
        assert detector.find(PIL.Image.new("RGB", size, "white")) == []


def test_threads_find_the_same(detector: PeopleDetector) -> None:
    paths = [real_media.photo(name) for name in BODIES] * 3
    alone = [detector.confidence(path) for path in paths]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(detector.confidence, paths)) == alone


def test_results_are_plain(detector: PeopleDetector, astronaut: PIL.Image.Image) -> None:
    (person,) = detector.detect(astronaut)
    plain = person.to_dict()
    assert set(plain) == {"box", "score", "landmarks", "face"}
    assert set(plain["landmarks"][0]) == {"name", "x", "y", "depth", "visibility"}


def test_the_starters_encoder_shares_the_detector() -> None:
    def detectors() -> int:
        gc.collect()
        return sum(isinstance(thing, BodyDetector) for thing in gc.get_objects())

    before = detectors()
    with PeopleDetector() as people, CLIP("conse-starter") as clip:
        path = real_media.photo("astronaut")
        both = people.confidence(path), clip.backend.prepare(read_image(path, minimum_side=512))[1]
        assert min(both) > 0.6
        assert detectors() <= max(before, 1)
    assert detectors() <= before


def test_only_the_cpu() -> None:
    with pytest.raises(InputError, match="made for the CPU"):
        PeopleDetector(device="cuda").load()
