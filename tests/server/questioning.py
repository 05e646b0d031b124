"""Asking a server whatever its own description allows, and much that it doesn't (schemathesis)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, strategies
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

TELLS_WHAT_IS_WRONG = ("/health", "/v1/sensorium/health")
"""Where a 5xx isn't a failure but the answer."""

_CHOICES = ("model", "profile", "device", "dtype")
_CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)
_SHOWN = 600


@dataclass
class Answers:
    """What came back.

    Attributes:
        statuses: How often each status came back.
        failures: What must not be, each once an endpoint and kind.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return f"{sum(self.statuses.values())} requests ({told})"


class Questioner:
    """Asks a server.

    Args:
        address: Of the server.
        known: Things that there are, by the names of path parameters: half of the requests are about them.
        bodies: Fields that are right, by the paths of endpoints: half of the requests have them.
        media: References to media, which requests name.
    """

    def __init__(
        self, address: str, known: Mapping[str, str], bodies: Mapping[str, Mapping[str, Any]], media: Iterable[str]
    ) -> None:
        schemathesis.openapi.format("media", strategies.sampled_from([*media, "upload:nothing", "data:,x", "x"]))
        self._schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        self._known = known
        self._bodies = bodies
        self._session = requests.Session()
        self._asked = 0
        self.answers = Answers()

    def ask_all(self, *, made: int, drawn: int, leave_out: Iterable[str] = ()) -> None:
        """Ask each endpoint.

        Args:
            made: How many requests each that go through the edges of its description, at most.
            drawn: How many random ones each.
            leave_out: Endpoints that aren't asked, such as "POST /v1/sensorium/models/pull".
        """
        refused = frozenset(leave_out)
        endpoints = [found.ok() for found in self._schema.get_all_operations()]
        for endpoint in sorted(endpoints, key=lambda each: each.method == "delete"):
            if endpoint.label not in refused:
                for case in islice(self._edges(endpoint), made):
                    self._ask(case)
                self._ask_at_random(endpoint, drawn)

    def _edges(self, endpoint: Any) -> Iterable[Case]:
        modes = list(GenerationMode)
        return self._schema.iter_coverage_cases(
            endpoint, generation_modes=modes, generation_config=self._schema.config.generation
        )

    def _ask_at_random(self, endpoint: Any, count: int) -> None:
        cases = endpoint.as_strategy() | endpoint.as_strategy(generation_mode=GenerationMode.NEGATIVE)

        @hypothesis.settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=cases)
        def ask(case: Case) -> None:
            self._ask(case)

        ask()

    def _ask(self, case: Case) -> None:
        self._asked += 1
        if self._asked % 2:
            self._make_likely(case)
        try:
            answer = case.call(session=self._session, timeout=60)
        except requests.RequestException as error:
            self._fail(case, f"no answer: {type(error).__name__}")
            return
        self.answers.statuses[answer.status_code] += 1
        checks = [*_CHECKS, *(() if case.operation.path in TELLS_WHAT_IS_WRONG else (not_a_server_error,))]
        try:
            case.validate_response(answer, checks=checks)
        except BaseExceptionGroup as failures:
            for failure in failures.exceptions:
                self._fail(case, f"{answer.status_code}: {failure}")

    def _make_likely(self, case: Case) -> None:
        """Let a request be about what there is, and mostly right; leave to the server which model does it."""
        for name in case.path_parameters or {}:
            if name in self._known:
                case.path_parameters[name] = self._known[name]
        if isinstance(case.body, dict):
            right = self._bodies.get(case.operation.path)
            others = [name for name in case.body if name not in _CHOICES]
            kept = others if right is None else others[: self._asked % 3]
            case.body = {name: case.body[name] for name in kept} | dict(right or {})

    def _fail(self, case: Case, what: str) -> None:
        kind = what.partition("\n")[0][:100]
        told = f"{case.operation.label}: {what}\n{case.as_curl_command()}"
        self.answers.failures.setdefault((case.operation.label, kind), told[:_SHOWN])
