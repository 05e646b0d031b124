"""The starter's encoder on real photographs, with its real weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files as package_files

import pytest
import torch
from safetensors.torch import load

from sensorium import CLIP
from sensorium.errors import InputError
from sensorium.vision_language.starter.english_text import about_people, is_latin, without_template
from tests import real_media

# What each photograph shows, in the words that somebody would try.
SHOWN = {
    "aloe": "potted plant",
    "apple": "apple",
    "astronaut": "astronaut",
    "baboon": "baboon",
    "basketball": "basketball",
    "board": "circuit board",
    "building": "office building",
    "butterfly": "butterfly",
    "cameraman": "man with a camera",
    "car": "car",
    "chelsea": "cat",
    "china": "temple",
    "coffee": "cup of coffee",
    "coins": "coins",
    "dog": "dog",
    "flower": "flower",
    "fruits": "fruit",
    "graffiti": "graffiti",
    "home": "palace",
    "hubble": "galaxy",
    "messi": "football player",
    "orange": "orange",
    "rocket": "rocket",
    "squirrel": "squirrel",
    "street": "houses",
    "sudoku": "crossword puzzle",
}
DISTRACTORS = (
    *("airplane", "bicycle", "boat", "bus", "chair", "computer", "elephant"),
    *("guitar", "horse", "mountain", "pizza", "sofa", "tree", "truck"),
)
WITH_PEOPLE = {"astronaut", "basketball", "cameraman", "messi"}


@pytest.fixture(scope="module")
def clip() -> Iterator[CLIP]:
    with CLIP("conse-starter") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def rows(clip: CLIP) -> torch.Tensor:
    return clip.encode_image([real_media.photo(name) for name in SHOWN])


@pytest.fixture(scope="module")
def cosines(clip: CLIP, rows: torch.Tensor) -> torch.Tensor:
    """Of each photograph with each of 40 labels, the right one of photograph i at i."""
    return rows @ clip.encode_text([*SHOWN.values(), *DISTRACTORS]).T


def test_forty_labels_on_real_photographs(cosines: torch.Tensor, measured: Callable[[str], None]) -> None:
    right = torch.arange(len(SHOWN)).unsqueeze(-1)
    best = cosines.topk(5, dim=-1).indices == right
    measured(
        f"conse-starter, {len(SHOWN)} photographs and {cosines.shape[1]} labels: "
        f"top-1 {best[:, 0].float().mean():.2f}, top-5 {best.any(-1).float().mean():.2f}"
    )
    assert best[:, 0].sum() >= 16
    assert best.any(-1).sum() >= 22


def test_scores_mean_what_they_say(clip: CLIP, cosines: torch.Tensor) -> None:
    """Over all choices of four labels, how often the best is right is near how sure it says it is."""
    generator = torch.Generator().manual_seed(0)
    scores, right = [], []
    for index in range(len(SHOWN)):
        for _ in range(40):
            others = torch.randperm(cosines.shape[1], generator=generator)
            chosen = torch.cat([torch.tensor([index]), others[others != index][:3]])
            probabilities = clip.backend.probabilities(cosines[index, chosen].numpy())
            scores.append(probabilities.max().item())
            right.append(float(probabilities.argmax() == 0))
    said, were = sum(scores) / len(scores), sum(right) / len(right)
    print(f"four labels: says {said:.2f} on average, right in {were:.2f}")
    assert were > 0.85
    assert abs(said - were) < 0.06


def test_not_sure_is_mostly_wrong(clip: CLIP, cosines: torch.Tensor) -> None:
    right = cosines.argmax(-1) == torch.arange(len(SHOWN))
    sure = torch.tensor([clip.backend.is_sure(row, clip.backend.probabilities(row)) for row in cosines.numpy()])
    print(f"sure of {int(sure.sum())}, {int((right & sure).sum())} of them right; "
          f"not sure of {int((~sure).sum())}, {int((right & ~sure).sum())} of them right")  # fmt: skip
    assert (right & sure).sum() >= 0.7 * sure.sum()
    assert (~sure).any()
    assert (right & ~sure).sum() <= 0.4 * (~sure).sum()


def test_the_chapters_labels(clip: CLIP) -> None:
    found = clip.zero_shot_classification(
        [real_media.photo(name) for name in ("chelsea", "dog", "car")], ["cat", "dog", "bird", "car"]
    )
    assert [result[0].label for result in found] == ["cat", "dog", "car"]
    assert all(result.sure and result[0].score > 0.8 for result in found)
    assert found[0].model == "conse-starter"


def test_a_question_that_no_label_answers_is_not_sure(clip: CLIP) -> None:
    found = clip.zero_shot_classification(real_media.photo("hubble"), ["cat", "dog", "bird", "car"])
    assert not found.sure


def test_people_are_seen(clip: CLIP, rows: torch.Tensor) -> None:
    for word in ("person", "people", "a photo of a woman", "man"):
        near = (rows @ clip.encode_text(word).T).squeeze(-1)
        found = {name for name, value in zip(SHOWN, near.tolist(), strict=True) if value > 0.25}
        print(f"{word}: {sorted(found)}")
        assert found == WITH_PEOPLE
    for name, other in (("messi", "cat"), ("astronaut", "dog"), ("cameraman", "bird")):
        found_labels = clip.zero_shot_classification(real_media.photo(name), [other, "person", "car"])
        assert found_labels[0].label == "person"
    found_labels = clip.zero_shot_classification(real_media.photo("chelsea"), ["person", "cat"])
    assert found_labels[0].label == "cat"
    assert found_labels[0].score > 0.9


def test_words_find_their_photographs(clip: CLIP, rows: torch.Tensor) -> None:
    names = list(SHOWN)
    wanted = {
        "a cat": {"chelsea"},
        "dogs": {"dog"},
        "an animal": {"chelsea", "dog", "baboon", "squirrel", "butterfly"},
        "fruit": {"fruits", "orange", "apple"},
        "a building": {"building", "home", "china", "street"},
        "a hot drink": {"coffee"},
        "vehicle": {"car"},
        "insect": {"butterfly"},
        "flowers in a garden": {"flower", "aloe"},
        "people": WITH_PEOPLE,
    }
    right = []
    for text, expected in wanted.items():
        best = names[int((rows @ clip.encode_text(text).T).argmax())]
        right.append(best in expected)
        print(f"{text!r} finds {best}")
    assert sum(right) >= len(wanted) - 1


def test_a_prompt_is_its_subject(clip: CLIP) -> None:
    plain = clip.encode_text("cat")
    for prompt in (
        "a photo of a cat",
        "A picture of the cat",
        "a blurry black-and-white photo of a cat",
        "image of cat",
    ):
        assert without_template(prompt) == "cat"
        assert torch.allclose(clip.encode_text(prompt), plain, atol=1e-5)
    assert without_template("a good photo of") == "a good photo of"
    assert without_template("photo album") == "photo album"
    assert without_template("people of a photo club") == "people of a photo club"


def test_accents_and_digits_are_english_enough(clip: CLIP) -> None:
    assert all(is_latin(text) for text in ("café", "a Boeing 747", "1984", "jalapeño"))
    assert clip.encode_text(["café", "a Boeing 747", "jalapeño"]).shape[0] == 3


def test_a_long_text_is_never_cut(clip: CLIP) -> None:
    assert clip.encode_text("cat " * 254).shape[0] == 1
    with pytest.raises(InputError, match="has 255 tokens, and the starter's text encoder reads at most 254"):
        clip.encode_text("cat " * 255)


def test_which_texts_are_about_people() -> None:
    assert [about_people(text) for text in ("person", "two men and a woman", "A crowd")] == [1, 1, 1]
    assert [about_people(text) for text in ("man with a camera", "football player", "a bride")] == [0.5, 0.5, 0.5]
    assert [about_people(text) for text in ("mango", "cat", "", "manhole cover", "a womanly figure")] == [0] * 5


def test_rows_have_length_one(clip: CLIP, rows: torch.Tensor) -> None:
    texts = clip.encode_text(["cat", "person", "man with a camera"])
    assert rows.shape[1] == texts.shape[1] == clip.embedding_size
    for found in (rows, texts):
        assert torch.allclose(found.norm(dim=-1), torch.ones(len(found)), atol=1e-5)


def test_the_table_is_whole() -> None:
    data = package_files("sensorium.vision_language.starter").joinpath("data")
    table = load(data.joinpath("conse_starter.safetensors").read_bytes())
    assert table["class_embeddings"].shape == (1000, 384)
    assert torch.allclose(table["class_embeddings"].float().norm(dim=-1), torch.ones(1000), atol=1e-2)
    assert torch.allclose(table["class_embeddings"].float().mean(0), table["mean"], atol=1e-3)


def test_without_torch_all_but_tensors_works() -> None:
    program = f"""
import sys
sys.modules["torch"] = None  # as if it weren't installed
from sensorium import CLIP
from sensorium.errors import MissingDependencyError
clip, photo = CLIP("conse-starter"), {str(real_media.photo("chelsea"))!r}
assert clip.zero_shot_classification(photo, ["cat", "dog"])[0].label == "cat"
assert clip.image_rows(photo).shape == clip.text_rows("a cat").shape == (1, clip.embedding_size)
assert clip.similarity_rows(photo, ["cat", "dog"]).argmax() == 0
for call in (lambda: clip.encode_image(photo), lambda: clip.encode_text("a cat"),
             lambda: clip.compute_similarity(photo, "a cat")):
    try:
        call()
    except MissingDependencyError as error:
        assert "sensorium[torch]" in error.remedy
    else:
        raise AssertionError("a tensor without torch")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
