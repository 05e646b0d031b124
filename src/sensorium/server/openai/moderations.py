"""``/v1/moderations``: what pictures show of OpenAI's categories, as far as the checkpoint can judge them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from sensorium.errors import InputError
from sensorium.operations.video import Moderate
from sensorium.server.engine_of import TheEngine, TheOwner
from sensorium.server.errors import blaming
from sensorium.server.openai.aliases import model_for
from sensorium.server.openai.answering import MODEL, answered_together
from sensorium.server.openai.fields import Fields
from sensorium.server.openai.references import address_in

NOT_JUDGED = "x-sensorium-not-judged"
"""The header that lists the categories of which nothing is known: for them false and 0 mean nothing."""

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""All that OpenAI's clients expect to find."""

_LABELS = {
    "violence": "violence",
    "blood and injuries": "violence/graphic",
    "nudity": "sexual",
    "hate symbols": "hate",
}
"""What the labels of the shipped policy are called there; the others (weapons, alcohol, drugs) have no category."""

_REMEDY = 'Send a text, a list of texts, or parts of type "text" and "image_url"'

_Findings: TypeAlias = Sequence[Mapping[str, Any]]
"""What `Moderate` says of each picture of an input."""


class ModerationFields(Fields):
    """What to judge."""

    input: str | list[Any]
    """A text, a list of texts, or a list of parts of type text and image_url, which are judged together."""
    model: str | None = None
    """Which encoder of pictures judges; by default the profile's choice."""


def moderations_router() -> APIRouter:
    """Return the endpoint of moderation."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.post("/moderations", response_class=JSONResponse)
    async def moderate(fields: ModerationFields, request: Request, engine: TheEngine, owner: TheOwner) -> Response:
        """Say what pictures show of OpenAI's categories.

        Texts are not judged: no checkpoint here can. `category_applied_input_types` says what a category was judged by,
        and the header `x-sensorium-not-judged` lists the categories that were not; for those, false means nothing.
        """
        model = model_for(request, fields.model, Moderate.task)
        with blaming("input"):
            inputs = list(_inputs(fields.input))
            operations = [Moderate.of({"source": picture, "model": model}) for some in inputs for picture in some]
        jobs = iter(await answered_together(request, engine, operations, owner))
        findings = [[next(jobs).result or {} for _ in some] for some in inputs]
        results = [_result(some) for some in findings]
        judge = next((found["model"] for some in findings for found in some), "")
        headers = {NOT_JUDGED: ", ".join(_unknown(results)), **({MODEL: judge} if judge else {}), **fields.headers}
        answer = {"id": f"modr-{secrets.token_hex(12)}", "model": judge, "results": results}
        return JSONResponse(answer, headers=headers)

    return router


def _inputs(given: str | Sequence[Any]) -> Iterator[list[str]]:
    """Yield the pictures of each input: parts are one input together, each text is one of its own."""
    if isinstance(given, str):
        yield []
    elif not given:
        raise InputError("There is nothing to judge", _REMEDY)
    elif all(isinstance(each, str) for each in given):
        yield from ([] for _ in given)
    else:
        yield [picture for part in given for picture in _pictures(part)]


def _pictures(part: Any) -> Iterator[str]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "image_url":
        yield address_in(part, "image_url")
    elif kind != "text":
        raise InputError("A part of the input is neither a text nor a picture", _REMEDY)


def _unknown(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the categories by which one of the inputs wasn't judged."""
    return [name for name in CATEGORIES if not all(each["category_applied_input_types"][name] for each in results)]


def _result(findings: _Findings) -> dict[str, Any]:
    """Return the judgement of one input."""
    scores = dict.fromkeys(CATEGORIES, 0.0)
    flagged = dict.fromkeys(CATEGORIES, False)
    judged: dict[str, list[str]] = {name: [] for name in CATEGORIES}
    for found in findings:
        for moment in found["moments"]:
            category = _LABELS.get(moment["label"])
            if category is not None:
                scores[category] = max(scores[category], moment["score"])
                flagged[category] = flagged[category] or moment["flagged"]
    for label, category in _LABELS.items():
        if findings and not any(label in found["not_judged"] for found in findings):
            judged[category] = ["image"]
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": scores,
        "category_applied_input_types": judged,
        "sensorium": {"pictures": list(findings)},
    }
