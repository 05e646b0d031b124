"""Who does what of a batch when actors die, and how many of them a cluster has room for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from sensorium.batch.item import BatchItem, ItemOutcome
from sensorium.cluster.batch.places import Actors, share
from sensorium.cluster.batch.post import Post
from sensorium.cluster.batch.round import groups_for
from sensorium.errors import InputError
from tests.refusals import refused

HERE, THERE = "10.0.0.1 a", "10.0.0.2 b"


def items(*weights: float) -> list[BatchItem]:
    return [BatchItem(f"{number:032x}", f"photo-{number}.jpg", "", {}, weight) for number, weight in enumerate(weights)]


def done(*group: BatchItem) -> list[dict[str, Any]]:
    return [ItemOutcome(item.id, item.input).to_dict() for item in group]


def ids(group: Sequence[BatchItem]) -> list[str]:
    return [item.id for item in group]


def test_whoever_begins_a_group_again_does_only_what_is_not_done() -> None:
    async def work() -> None:
        post, group = Post(), items(1, 1, 1)
        first = await post.begin(7, group, HERE)
        assert (first.items, first.one_by_one) == (ids(group), False)
        await post.record(7, done(group[1]))
        again = await post.begin(7, group, THERE)
        assert (again.items, again.one_by_one) == (ids([group[0], group[2]]), True)
        await post.record(7, done(*group))  # of one that was only out of reach, and did it too
        assert [each["id"] for each in (await post.letters(0)).outcomes] == ids([group[1], group[0], group[2]])

    asyncio.run(work())


def test_an_item_that_ends_processes_gets_its_sentence_and_the_others_their_results() -> None:
    async def work() -> None:
        post, group = Post(), items(1, 1, 1)
        await post.begin(7, group, HERE)  # all together: nobody knows who is to blame
        await post.begin(7, group, HERE)
        await post.starts(7, group[0].id)
        await post.record(7, done(group[0]))
        await post.starts(7, group[1].id)
        last = await post.begin(7, group, HERE)
        assert last.items == ids(group[2:])
        ended, lost = (await post.letters(0)).outcomes
        assert (ended["id"], ended["error"]) == (group[0].id, "")
        assert (lost["id"], lost["error_type"]) == (group[1].id, "WorkerLostError")

    asyncio.run(work())


def test_an_item_whose_machine_was_lost_is_not_to_blame() -> None:
    async def work() -> None:
        post, [item] = Post(), items(1)
        for machine in (HERE, THERE, HERE, THERE):
            assert (await post.begin(7, [item], machine)).items == [item.id]

    asyncio.run(work())


def test_actors_learn_that_they_are_to_stop_and_why() -> None:
    async def work() -> None:
        post, [item] = Post(), items(1)
        await post.begin(7, [item], HERE)
        assert not await post.lives({item.id: ("transcribing", 1.0, 2.0, "seconds")})
        assert (await post.letters(0)).progress == {item.id: ("transcribing", 1.0, 2.0, "seconds")}
        await post.refuse({"type": "InputError", "message": "no", "remedy": ""})
        assert await post.lives({})
        assert await post.record(7, done(item))
        letters = await post.letters(60)
        assert letters.refusal is not None
        assert letters.refusal["message"] == "no"

    asyncio.run(work())


@pytest.mark.parametrize(
    ("actors", "machines", "asked"),
    [
        (1, [{"CPU": 1}], {"num_cpus": 1}),
        (2, [{"CPU": 1}], {"num_cpus": 1 / 2}),
        (2, [{"CPU": 2}], {"num_cpus": 1}),
        (3, [{"CPU": 1}, {"CPU": 1}], {"num_cpus": 1 / 2}),
        (4, [{"CPU": 16}], {"num_cpus": 1}),
        (40, [{"CPU": 16}, {}], {"num_cpus": 1 / 3}),
        (4, [{"CPU": 16, "GPU": 2}], {"num_cpus": 1, "num_gpus": 1 / 2}),
        (100, [{"CPU": 2}], {"num_cpus": 1 / 50}),
    ],
)
def test_all_actors_find_room_on_any_cluster(
    actors: int, machines: list[dict[str, float]], asked: dict[str, float]
) -> None:
    assert share(Actors(actors, actors), machines) == pytest.approx(asked)


def test_actors_take_no_gpu_that_they_do_not_use() -> None:
    machine = {"CPU": 4.0, "GPU": 1.0}
    assert "num_gpus" not in share(Actors(2, 2), [machine], device="cpu")
    assert "num_gpus" not in share(Actors(2, 2, gpus=0), [machine])
    assert share(Actors(2, 2, gpus=0.25), [machine])["num_gpus"] == 0.25


def test_a_cluster_without_room_is_told() -> None:
    with refused(InputError, "--actors 1", "GPU"):
        share(Actors(2, 2, gpus=1), [{"CPU": 8, "GPU": 1}])
    assert share(Actors(1, 2, gpus=1), [{"CPU": 8, "GPU": 1}])["num_gpus"] == 1
    with refused(InputError, "1000", "--actors 128"):
        share(Actors(1000, 1000), [{"CPU": 2}])
    with refused(InputError, "32", "8 CPUs"):
        share(Actors(1, 1, processors=32), [{"CPU": 8}])


def test_numbers_of_actors_are_read() -> None:
    assert (Actors.of("4").least, Actors.of("4").most, str(Actors.of("1-8"))) == (4, 4, "1-8")
    for text in ("", "0", "-2", "3-1", "two", "1-"):
        with pytest.raises(InputError):
            Actors.of(text)
    with refused(InputError, "-1 GPUs"):
        Actors(1, 1, gpus=-1)


def test_groups_are_alike_enough_for_all_and_the_heaviest_is_first() -> None:
    assert [len(group) for group in groups_for(items(*[1] * 100), actors=2)] == [12] * 8 + [4]
    mixed = groups_for(items(1, 1, 500, 1, 1, 1), actors=1)
    assert [item.weight for item in mixed[0]] == [500]
    assert sum(map(len, mixed)) == 6
    assert max(map(len, groups_for(items(*[0.1] * 1000), actors=1))) == 16
