"""Every operation, whatever it does, is documented and goes through JSON."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from sensorium.errors import InputError
from sensorium.operations.media import Media
from sensorium.operations.operation import ModelOperation, Operation
from sensorium.operations.registry import all_operations, operation_named
from tests.refusals import refused

EVERY = pytest.mark.parametrize("operation", all_operations().values(), ids=all_operations().keys())


def objects(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the schema of an operation, and of every object inside it."""
    yield schema["title"], schema
    yield from ((name, inner) for name, inner in schema.get("$defs", {}).items() if "properties" in inner)


def takes_media(annotation: Any) -> bool:
    return annotation is Media or any(map(takes_media, get_args(annotation)))


def test_names_are_words_with_hyphens_and_lead_to_the_operation() -> None:
    assert {"embed", "classify", "caption", "ask", "chat"} <= all_operations().keys()
    for name, operation in all_operations().items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert operation_named(name) is operation


def test_a_name_that_there_is_not_is_refused_with_the_closest_one() -> None:
    with refused(InputError, "captoin", "caption"):
        operation_named("captoin")


@EVERY
def test_it_says_what_it_does(operation: type[Operation]) -> None:
    assert (vars(operation).get("__doc__") or "").strip(), "its docstring is its documentation on every front end"
    assert operation.model_json_schema()["description"]


@EVERY
def test_every_field_has_a_description(operation: type[Operation]) -> None:
    for name, schema in objects(operation.model_json_schema()):
        bare = [field for field, each in schema.get("properties", {}).items() if not each.get("description")]
        assert bare == [], f"{name} doesn't describe them"


@EVERY
def test_media_are_told_apart_from_texts(operation: type[Operation]) -> None:
    properties = operation.model_json_schema()["properties"]
    for name, field in operation.model_fields.items():
        assert takes_media(field.annotation) == ("'format': 'media'" in str(properties[name]))


@EVERY
def test_results_and_parts_go_through_json(operation: type[Operation]) -> None:
    kinds = [operation.result_type(), operation.part_type()]
    for kind in filter(None, kinds):
        assert callable(kind.to_dict)
        assert callable(kind.from_dict)
    assert kinds[0] is not None


@EVERY
def test_fields_that_it_does_not_have_are_refused(operation: type[Operation]) -> None:
    with refused(InputError, operation.name):
        operation.of({"no_such_field": 1})
    with refused(InputError, operation.name):
        operation.of([])


@EVERY
def test_the_task_is_one_of_the_catalogs(operation: type[Operation]) -> None:
    from sensorium.models import catalog

    if issubclass(operation, ModelOperation):
        assert operation.task in {task for entry in catalog.entries() for task in (entry.task, *entry.also_for)}


def test_listing_them_imports_nothing_heavy() -> None:
    program = (
        "import sys; from sensorium.operations.registry import all_operations\n"
        "for each in all_operations().values(): each.model_json_schema()\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"numpy", "PIL", "av", "torch", "transformers", "diffusers"} & set(imported.stdout.split())
