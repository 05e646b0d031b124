"""Embed, classify, caption and ask: with the starter, on real photographs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.answer import Answer
from sensorium.errors import CancelledError, InputError, NotFoundError, SensoriumError, UnsupportedError
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.tasks import Tasks
from sensorium.operations.vision_language import Ask, Caption, Classify, Embed
from sensorium.progress import Progress
from sensorium.vision_language.classification import Classification
from sensorium.vision_language.clip import CLIP
from sensorium.vision_language.embeddings import Embeddings
from sensorium.vision_language.image_qa import ImageQA
from sensorium.vision_language.starter.conse import ConSE
from tests.checkpoints.clip import tiny_clip
from tests.checkpoints.one_space import tiny_embedding_gemma_2
from tests.checkpoints.vision_language import tiny_blip
from tests.operations.reporting import Listener
from tests.operations.unheard import Unheard
from tests.real_media import photo, speech_clips
from tests.refusals import refused

CAT, COFFEE, ROCKET = (str(photo(name)) for name in ("chelsea", "coffee", "rocket"))
GONE = "upload:gone"
TOLERANCE = 1e-5


def find(reference: Media) -> str:
    if reference.upload:
        raise NotFoundError(f"There is no upload {reference.upload!r}", "Send it again")
    return str(reference)


@pytest.fixture(scope="module")
def tasks() -> Iterator[Tasks]:
    opened = Tasks(find_media=find)
    yield opened
    opened.close()


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A picture that was cut short."""
    (tmp_path / "broken.png").write_bytes(Path(CAT).read_bytes()[:3000])
    return str(tmp_path / "broken.png")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """How many pictures and texts go through the starter's encoder in each pass; texts met before come from memory."""
    counted: dict[str, list[int]] = {"encode_prepared": [], "encode_checked": []}
    for name, sizes in counted.items():
        encode: Callable[..., Any] = getattr(ConSE, name)

        def counting(self: ConSE, items: Sequence[Any], encode: Any = encode, sizes: list[int] = sizes) -> Any:
            sizes.append(len(items))
            return encode(self, items)

        monkeypatch.setattr(ConSE, name, counting)
    return counted


def together(operations: Sequence[Operation], tasks: Tasks, reports: Sequence[Listener] = ()) -> list[Any]:
    assert len({operation.batch_key() for operation in operations}) == 1
    assert operations[0].batch_key() is not None
    return type(operations[0]).run_together(operations, tasks, reports or [Listener() for _ in operations])


def assert_equal(one: Any, other: Any) -> None:
    if isinstance(one, Embeddings):
        assert np.allclose(one.vectors, other.vectors, atol=TOLERANCE)
        assert (one.model, one.texts, one.images) == (other.model, other.texts, other.images)
    elif isinstance(one, Classification):
        assert [entry.label for entry in one] == [entry.label for entry in other]
        assert [entry.score for entry in one] == pytest.approx([entry.score for entry in other], abs=TOLERANCE)
        assert (one.model, one.sure, one.scoring) == (other.model, other.sure, other.scoring)
    else:
        assert isinstance(one, Answer)
        assert one.to_dict() == other.to_dict()


EXAMPLES: list[Operation] = [
    Embed(texts=("a cat", "a rocket"), images=(CAT,)),
    Classify(image=CAT, labels=("cat", "rocket")),
    Caption(image=CAT),
    Ask(image=CAT, question="What animal is it?"),
]


@pytest.mark.parametrize("operation", EXAMPLES, ids=lambda operation: operation.name)
def test_operation_and_result_go_through_json(operation: Operation, tasks: Tasks) -> None:
    again = type(operation).of(json.loads(operation.model_dump_json()))
    assert again == operation
    assert list(again.media()) == [CAT]
    result = operation.run(tasks, Unheard())
    document = json.loads(json.dumps(result.to_dict()))
    assert_equal(operation.result_type().from_dict(document), result)
    assert type(result) is operation.result_type()


def test_embeddings_are_in_order_one_vector_each(tasks: Tasks) -> None:
    texts = ("a rocket", "a cat", "a cup of coffee")
    found = Embed(texts=texts, images=(CAT, COFFEE, ROCKET, CAT)).run(tasks, Unheard())
    assert (found.vectors.dtype, found.vectors.shape[0]) == (np.float32, 7)
    assert (found.texts, found.images, found.model) == (3, 4, "conse-starter")
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=TOLERANCE)
    assert (found.vectors[3:] @ found.vectors[:3].T).argmax(1).tolist() == [1, 2, 0, 1]
    with CLIP() as clip:
        assert np.allclose(found.vectors[:3], clip.text_rows(texts), atol=TOLERANCE)
        assert np.allclose(found.vectors[3:], clip.image_rows([CAT, COFFEE, ROCKET, CAT]), atol=TOLERANCE)
    assert found.tokens == sum(Embed(texts=(text,)).run(tasks, Unheard()).tokens for text in texts) > 2 * len(texts)
    assert Embed(images=(CAT,)).run(tasks, Unheard()).tokens == 0
    only_texts = Embed(texts=texts).run(tasks, Unheard())
    assert (only_texts.vectors.shape[0], only_texts.images) == (3, 0)
    assert np.array_equal(only_texts.vectors, found.vectors[:3])


def test_embeddings_of_many_requests_are_made_together(tasks: Tasks, passes: dict[str, list[int]]) -> None:
    operations = [
        Embed(texts=("a red unicycle on ice", "a blue unicycle on ice"), images=(CAT,)),
        Embed(images=(COFFEE, ROCKET)),
        Embed(texts=("a blue unicycle on ice",)),
    ]
    found = together(operations, tasks)
    assert passes == {"encode_prepared": [3], "encode_checked": [2]}
    for operation, embeddings in zip(operations, found, strict=True):
        assert_equal(embeddings, operation.run(tasks, Unheard()))


def test_classifications_with_different_labels_are_made_together(tasks: Tasks, passes: dict[str, list[int]]) -> None:
    operations = [
        Classify(image=CAT, labels=("a tabby in the sun", "a teapot of brass")),
        Classify(image=COFFEE, labels=("a teapot of brass", "a mug without a handle", "a tabby in the sun")),
        Classify(image=ROCKET, labels=("a mug without a handle", "a rocket at dusk")),
    ]
    found = together(operations, tasks)
    assert passes == {"encode_prepared": [3], "encode_checked": [4]}
    with CLIP() as clip:
        for operation, classification in zip(operations, found, strict=True):
            assert_equal(classification, operation.run(tasks, Unheard()))
            assert_equal(classification, clip.zero_shot_classification(str(operation.image), operation.labels))


@pytest.mark.parametrize("operation", EXAMPLES[:3], ids=lambda operation: operation.name)
def test_one_bad_picture_costs_nobody_else_anything(operation: Operation, tasks: Tasks, broken: str) -> None:
    field, several = ("images", True) if isinstance(operation, Embed) else ("image", False)
    pictures = [CAT, broken, COFFEE, GONE, ROCKET]
    operations = [operation.model_copy(update={field: (Media(name),) if several else Media(name)}) for name in pictures]
    found = together(operations, tasks)
    assert [type(found[number]) for number in (1, 3)] == [InputError, NotFoundError]
    assert "broken.png" in str(found[1])
    for number in (0, 2, 4):
        assert_equal(found[number], operations[number].run(tasks, Unheard()))
    for number in (1, 3):
        with pytest.raises(SensoriumError) as alone:
            operations[number].run(tasks, Unheard())
        assert str(alone.value) == str(found[number])


def test_one_bad_text_costs_nobody_else_anything(tmp_path: Path) -> None:
    tasks, model = Tasks(), str(tiny_clip(tmp_path / "tiny-clip"))
    long = "very " * 200 + "long"
    operations = [Embed(texts=("a cat",), model=model), Embed(texts=("a dog", long), model=model)]
    good, bad = together(operations, tasks)
    assert_equal(good, operations[0].run(tasks, Unheard()))
    assert isinstance(bad, InputError)
    assert "tokens" in str(bad)
    classified, refusal = together(
        [Classify(image=CAT, labels=labels, model=model) for labels in (("cat",), (long,))], tasks
    )
    assert (type(classified), type(refusal)) == (Classification, InputError)
    tasks.close()


def test_whoever_cancels_stops_without_the_others(tasks: Tasks) -> None:
    operations = [Embed(images=(CAT, COFFEE)), Embed(images=(ROCKET,))]
    # So often somebody is asked before the pictures are encoded, and before they are all there.
    for patience in (0, 1, 3):
        cancelled, rocket = together(operations, tasks, [Listener(patience), Listener()])
        assert isinstance(cancelled, CancelledError)
        assert_equal(rocket, operations[1].run(tasks, Unheard()))
    for operation in EXAMPLES:
        with pytest.raises(CancelledError):
            operation.run(tasks, Listener(patience=0))


def test_progress_of_many_pictures_is_told(tasks: Tasks) -> None:
    listener = Listener()
    Embed(images=(CAT, COFFEE, ROCKET)).run(tasks, listener)
    assert any(isinstance(event, Progress) and event.done == 3 for event in listener.events)


def test_captions_go_through_a_model_in_groups_of_its_size(
    tmp_path: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium.vision_language.families.blip import BlipCaptioner

    sizes: list[int] = []
    caption = BlipCaptioner.caption

    def counting(self: BlipCaptioner, images: Any, **options: Any) -> Any:
        sizes.append(len(images))
        return caption(self, images, **options)

    monkeypatch.setattr(BlipCaptioner, "caption", counting)
    tasks, model = Tasks(), str(tiny_blip(tmp_path / "tiny-blip"))
    size = Caption(image=CAT, model=model).at_once(tasks, Unheard())
    assert size > 1
    pictures = [CAT, broken, *[COFFEE, ROCKET] * (size // 2)]
    operations = [Caption(image=picture, model=model) for picture in pictures]
    found = together(operations, tasks)
    assert sizes == [size - 1, len(pictures) - size]
    assert isinstance(found.pop(1), InputError)
    assert found == [operations[0].run(tasks, Unheard()), *found[1:]]
    assert [str(answer) for answer in found[1:3]] == [str(each.run(tasks, Unheard())) for each in operations[2:4]]
    tasks.close()


def test_only_what_opens_the_same_model_runs_together() -> None:
    keys = [
        operation.batch_key()
        for kind in (Embed(texts=("a",)), Classify(image=CAT, labels=("a",)), Caption(image=CAT))
        for operation in (kind, *(kind.model_copy(update={name: "x"}) for name in ("model", "device", "dtype")))
    ]
    assert len(set(keys)) == len(keys) == 12
    assert Ask(image=CAT, question="What?").batch_key() is None


def test_the_model_is_opened_once_for_all_operations_of_a_kind(tasks: Tasks) -> None:
    assert Embed(texts=("a",)).opened(tasks, Unheard()) is Classify(image=CAT, labels=("a",)).opened(tasks, Unheard())
    assert Caption(image=CAT).opened(tasks, Unheard()) is Ask(image=CAT, question="What?").opened(tasks, Unheard())


def sentence(work: Callable[[], Any]) -> str:
    with pytest.raises(SensoriumError) as refusal:
        work()
    return str(refusal.value)


@pytest.mark.parametrize("labels", [[], [""], ["cat", " "], ["\ud800"]], ids=ascii)
def test_labels_are_refused_in_the_words_of_the_library(labels: list[str]) -> None:
    expected = sentence(lambda: CLIP().zero_shot_classification(CAT, labels))
    assert sentence(lambda: Classify.of({"image": CAT, "labels": labels})) == expected
    if labels:
        assert sentence(lambda: Embed.of({"texts": labels})) == expected


@pytest.mark.parametrize("question", ["", " \n"], ids=repr)
def test_questions_are_refused_in_the_words_of_the_library(question: str) -> None:
    expected = sentence(lambda: ImageQA().answer_question(CAT, question))
    assert sentence(lambda: Ask.of({"image": CAT, "question": question})) == expected


def test_what_the_checkpoint_does_not_know_is_told_when_it_runs(tasks: Tasks) -> None:
    with refused(UnsupportedError, "English"):
        Ask(image=CAT, question="Что это?").run(tasks, Unheard())
    with refused(InputError, "valid Unicode"):
        Ask(image=CAT, question="What\ud800?").run(tasks, Unheard())


def test_nothing_to_embed_and_other_mistakes_in_fields() -> None:
    for document, names in (
        ({}, ["nothing to embed"]),
        ({"texts": "a cat"}, ["texts", "'a cat'", "list"]),
        ({"texts": ["a cat", 3]}, ["texts.1", "3"]),
        ({"images": [""]}, ["images.0"]),
        ({"image": CAT}, ["'image'", "'images'"]),
    ):
        with refused(InputError, *names):
            Embed.of(document)
    with refused(InputError, "classify", "labels"):
        Classify.of({"image": CAT})


def test_labels_lose_their_spaces_and_come_once() -> None:
    assert Classify.of({"image": CAT, "labels": [" cat", "cat ", "dog"]}).labels == ("cat", "dog")


def test_recordings_roles_and_short_vectors_of_one_space(tasks: Tasks, tmp_path: Path) -> None:
    model = str(tiny_embedding_gemma_2(tmp_path / "one-space"))
    sound = str(speech_clips("en")[0].path)
    with CLIP(model) as clip:
        wish = Embed(model=model, texts=("a cat",), images=(CAT,), sounds=(sound,), role="query", dimensions=8)
        found = wish.run(tasks, Listener())
        whole = [clip.text_rows("a cat", role="query"), clip.image_rows([CAT]), clip.sound_rows([sound])]
        expected = np.concatenate(whole)[:, :8]
        assert np.abs(found.vectors - expected / np.linalg.norm(expected, axis=1, keepdims=True)).max() < TOLERANCE
        assert (found.texts, found.images, found.sounds) == (1, 1, 1)
        alike = Embed(model=model, texts=("a cat",), role="document")
        assert alike.batch_key() != Embed(model=model, texts=("a cat",)).batch_key()
        with refused(InputError, "25 numbers", "one-space"):
            Embed(model=model, texts=("a cat",), dimensions=25).run(tasks, Listener())
    with refused(UnsupportedError, "conse-starter", "sound"):
        Embed(sounds=(sound,)).run(tasks, Listener())
