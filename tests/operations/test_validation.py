"""Wrong operations are refused in one sentence, as everything in the house is."""

from __future__ import annotations

from typing import Self

import pytest
from pydantic import BaseModel, field_validator, model_validator

from sensorium.errors import InputError
from sensorium.operations.operation import Operation
from tests.refusals import refused

OURS = InputError("The plan can't be", "Use another")


class Step(BaseModel):
    size: int = 1

    @field_validator("size")
    @classmethod
    def _check(cls, size: int) -> int:
        if size > 9:
            raise OURS
        return size


class Plan(Operation):
    """Plan."""

    step: Step | None = None
    more: tuple[Step, ...] = ()
    bad: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.bad:
            raise OURS
        return self


@pytest.mark.parametrize("fields", [{"bad": True}, {"step": {"size": 10}}, {"more": [{"size": 1}, {"size": 10}]}])
def test_a_refusal_of_a_validator_arrives_as_it_is(fields: dict[str, object]) -> None:
    with pytest.raises(InputError) as refusal:
        Plan(**fields)
    assert refusal.value is OURS


def test_everything_else_is_named() -> None:
    with refused(InputError, "plan", "'more.0.size'", "'x'"):
        Plan(more=[{"size": "x"}])
    with refused(InputError, "plan", "'steps'", "'step'"):
        Plan(steps={})
    with refused(InputError, "plan", "JSON object"):
        Plan.of([])
