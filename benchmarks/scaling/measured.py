"""The figures that were measured and are kept in ``docs/scaling``: the page and the simulation are made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.engine_rates import Rate
from benchmarks.index_rates import Built
from benchmarks.item_costs import Cost
from benchmarks.manifest_rates import Noted

FOLDER = Path(__file__).parents[2] / "docs" / "scaling"
COSTS, ENGINE, INDEX, MANIFEST = "costs.json", "engine.json", "index.json", "manifest.json"
DAY, CHECK = "day.json", "check.json"


@dataclass(frozen=True)
class Measured:
    """What is kept.

    Attributes:
        folder: Where.
    """

    folder: Path = FOLDER

    def document(self, name: str) -> dict[str, Any]:
        """Return one file: the figures, and on which machine and when they were measured."""
        document: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return document

    @cached_property
    def costs(self) -> Mapping[tuple[str, str], Cost]:
        """By operation and item, what an item costs."""
        found = (Cost(**each) for each in self.document(COSTS)["costs"])
        return {(cost.operation, cost.item): cost for cost in found}

    @cached_property
    def rates(self) -> Mapping[str, Rate]:
        """By way, what the engine takes for a job."""
        return {each["way"]: Rate(**each) for each in self.document(ENGINE)["rates"]}

    @cached_property
    def noted(self) -> Noted:
        """What an item of a batch costs the command itself."""
        return Noted(**self.document(MANIFEST)["noted"])

    @cached_property
    def built(self) -> list[Built]:
        """What an index of vectors costs, for several sizes, the smallest first."""
        return [Built(**each) for each in self.document(INDEX)["built"]]
