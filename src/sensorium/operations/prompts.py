"""Prompts for text-to-image models: put together, varied, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, model_validator

from sensorium.errors import InputError
from sensorium.operations.media import Media
from sensorium.operations.operation import Operation
from sensorium.operations.validation import require_unicode
from sensorium.record import Record

if TYPE_CHECKING:
    from sensorium.image_generation.prompt_engineer import PromptEngineer
    from sensorium.image_generation.prompts.tokens import PromptLength
    from sensorium.operations.reporter import Reporter
    from sensorium.operations.tasks import Tasks


@dataclass(frozen=True, eq=False, repr=False)
class Prompts(Record):
    """Prompts for a text-to-image model.

    Attributes:
        prompts: What to paint: one prompt, or its variations.
        negative_prompt: What not to paint; it goes with each of them.
        seed: With it the same variations are drawn again; None where nothing was drawn.
    """

    prompts: tuple[str, ...]
    negative_prompt: str
    seed: int | None = None


class BuildPrompt(Operation):
    """Write a prompt and a negative prompt for a text-to-image model, or variations of one prompt.

    Variations choose from what stands in braces, as in ``{red|green}``, and from lists of words, as in ``__colour__``.
    """

    result: ClassVar[str] = "sensorium.operations.prompts:Prompts"

    subject: str
    """What the picture shows."""
    style: str | None = "realistic"
    """A style, such as watercolor; null for none."""
    details: tuple[str, ...] = ()
    """Further words on the subject."""
    lighting: str | None = None
    """The light, such as "golden hour lighting"."""
    camera: str | None = None
    """The camera or the view, such as "shallow depth of field"."""
    negatives: tuple[str, ...] = ()
    """What the picture should not have, beside what no picture should have and what doesn't go with the style."""
    styles: Media | None = None
    """A TOML file with styles of your own."""
    variations: int | None = None
    """Draw so many prompts, at most 10,000."""
    seed: int | None = None
    """Draws the same ones again; without a number of variations, one is drawn."""
    all_variations: bool = False
    """Write out every variation, 1,000 at most."""
    wildcards: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Lists of words by name, for variations: ``__colour__`` is one of the list called colour."""

    @model_validator(mode="after")
    def _check_variations(self) -> Self:
        if self.all_variations and (self.variations is not None or self.seed is not None):
            raise InputError(
                "All variations are asked for, so neither a number of variations nor a seed has a use", "Leave it out"
            )
        return self

    @model_validator(mode="after")
    def _check_characters(self) -> Self:
        require_unicode(self.name, self.model_dump(exclude={"styles"}))
        return self

    def run(self, tasks: Tasks, report: Reporter) -> Prompts:
        """Return the prompts."""
        from sensorium.image_generation.prompt_engineer import PromptEngineer

        styles = None if self.styles is None else tasks.media(self.styles)
        engineer = PromptEngineer(styles, wildcards=self.wildcards or None, limits=tasks.limits)
        built = engineer.build_prompt(
            self.subject, style=self.style, details=self.details, lighting=self.lighting, camera=self.camera
        )
        negative = engineer.get_negative_prompt(self.negatives, style=self.style)
        prompts, seed = self._varied(built, engineer)
        return Prompts(tuple(prompts), negative, seed)

    def _varied(self, prompt: str, engineer: PromptEngineer) -> tuple[list[str], int | None]:
        if self.all_variations:
            return engineer.all_variations(prompt), None
        if self.variations is None and self.seed is None:
            return [prompt], None
        drawn = engineer.variations(prompt, 1 if self.variations is None else self.variations, self.seed)
        return drawn, drawn.seed


class CountTokens(Operation):
    """Count a prompt's tokens as a checkpoint's own tokenizers do, and tell which words would not be read.

    Only the tokenizers are opened, so the checkpoint needs no memory; it must be on the machine.
    """

    result: ClassVar[str] = "sensorium.image_generation.prompts.tokens:PromptLength"

    prompt: str
    """The prompt, with or without attention weights."""
    model: Annotated[str | None, Field(min_length=1)] = None
    """Catalog name or hub id of the text-to-image checkpoint; by default the profile's choice."""
    profile: str | None = None
    """The profile whose checkpoint is the default: starter, standard or best."""

    def run(self, tasks: Tasks, report: Reporter) -> PromptLength:
        """Return the counts."""
        from sensorium.image_generation.prompt_engineer import PromptEngineer

        return PromptEngineer().count_tokens(self.prompt, self.model, profile=self.profile)
