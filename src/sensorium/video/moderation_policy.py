"""What `moderate` looks for: labels, texts that say what each label shows, and the scores that flag a label."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from sensorium.errors import InputError
from sensorium.media.limits import DEFAULT_LIMITS, Limits

JUDGES = ("nudity",)
"""The classifiers that a label can name. Each was trained for one thing, which it judges without texts."""

_REMEDY = "Copy the shipped policy and change it: 'sensorium moderate --show-policy > my-policy.toml' writes it"


@dataclass(frozen=True)
class PolicyLabel:
    """One thing to look for.

    Attributes:
        name: The label's name in results.
        threshold: Lowest score that is flagged, above 0 and at most 1.
        shows: Texts for an image-text encoder: what pictures with this label show; empty if ``judge`` is given.
        judge: The classifier that judges this label, whichever encoder judges the others: one of `JUDGES`; or "".
    """

    name: str
    threshold: float
    shows: tuple[str, ...] = ()
    judge: str = ""


@dataclass(frozen=True)
class Policy:
    """A list of things to look for.

    Attributes:
        name: The policy's name in results.
        labels: The things to look for.
        ordinary: Texts for an image-text encoder: what ordinary pictures show; may be empty if no label has texts.
    """

    name: str
    labels: tuple[PolicyLabel, ...]
    ordinary: tuple[str, ...]

    @property
    def judges(self) -> tuple[str, ...]:
        """The classifiers that its labels name."""
        return tuple(dict.fromkeys(label.judge for label in self.labels if label.judge))

    @property
    def has_texts(self) -> bool:
        """Whether an encoder is needed, because some labels have texts."""
        return any(label.shows for label in self.labels)

    def only(self, names: Sequence[str]) -> Policy:
        """Return the policy with some of its labels.

        Raises:
            InputError: There is no such label, or none was named.
        """
        known = {label.name: label for label in self.labels}
        for name in names:
            if name not in known:
                raise InputError(f"The policy {self.name!r} has no label {name!r}", f"Choose {', '.join(known)}")
        if not names:
            raise InputError("No label was chosen", f"Choose {', '.join(known)}")
        return replace(self, labels=tuple(known[name] for name in dict.fromkeys(names)))


def shipped_policy_text() -> str:
    """Return the text of the default policy's file."""
    return package_files("sensorium.video").joinpath("data/moderation.toml").read_text(encoding="utf-8")


def shipped_policy() -> dict[str, Any]:
    """Return the content of the default policy's file."""
    return tomllib.loads(shipped_policy_text())


def read_policy(
    source: str | os.PathLike[str] | Mapping[str, Any] | None, *, limits: Limits = DEFAULT_LIMITS
) -> Policy:
    """Read a policy.

    Args:
        source: A TOML file, a mapping with the content of such a file, or None for the shipped policy.
        limits: Whether a file may be named.

    Raises:
        InputError: The file can't be read or may not be named, or its content is not a policy.
    """
    if source is None:
        return _parse(shipped_policy(), "general")
    if isinstance(source, Mapping):
        return _parse(source, "custom")
    if not limits.allow_files:
        raise InputError("A policy's file can't be named here", "Send the content of the file")
    return _parse(policy_in_file(source), "custom")


def policy_in_file(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a policy's file, for `read_policy`; a policy without a name is called like its file.

    Raises:
        InputError: The file can't be read, or is not valid TOML.
    """
    path = Path(source)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        place = f" ({' '.join(str(error).split())})" if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise InputError(f"The policy file {os.fspath(source)!r} is not valid TOML{place}", _REMEDY) from None
    except (OSError, ValueError):
        raise InputError(f"There is no policy file {os.fspath(source)!r} that can be read", _REMEDY) from None
    return {**table, "name": table.get("name") or path.stem}


def _parse(table: Mapping[str, Any], name: str) -> Policy:
    name = str(table.get("name") or name)
    entries = table.get("labels")
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise InputError(f"The policy {name!r} has no labels", _REMEDY)
    labels = tuple(_parse_label(entry, name) for entry in entries)
    names = [label.name for label in labels]
    twice = sorted({label for label in names if names.count(label) > 1})
    if twice:
        raise InputError(f"The policy {name!r} has the label {twice[0]!r} twice", "Give each label a name of its own")
    ordinary = _texts(table.get("ordinary"))
    if not ordinary and any(label.shows for label in labels):
        raise InputError(
            f"The policy {name!r} doesn't say what ordinary pictures show, so every picture would be flagged",
            'Add a line like: ordinary = ["a person", "a street", "food"]',
        )
    return Policy(name, labels, ordinary)


def _parse_label(entry: Any, policy: str) -> PolicyLabel:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
        raise InputError(f"A label of the policy {policy!r} has no name", 'Give it one: name = "weapons"')
    name = entry["name"].strip()
    shows, judge = _texts(entry.get("shows")), entry.get("judge") or ""
    if judge and judge not in JUDGES:
        raise InputError(
            f"The label {name!r} of the policy {policy!r} has the judge {judge!r}, which doesn't exist",
            f'Choose {", ".join(JUDGES)}, or leave it out and write texts: shows = ["a gun"]',
        )
    if judge and shows:
        raise InputError(
            f"The label {name!r} of the policy {policy!r} has both a judge and texts that it shows",
            "Keep one of them: a judge uses no texts",
        )
    if not shows and not judge:
        raise InputError(
            f"The label {name!r} of the policy {policy!r} doesn't say what it shows", 'Add a line: shows = ["a gun"]'
        )
    threshold = entry.get("threshold")
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 < threshold <= 1:
        raise InputError(
            f"The threshold of the label {name!r} is {threshold!r}, not above 0 and at most 1",
            "0.5 flags what is likelier than everything else together",
        )
    return PolicyLabel(name, float(threshold), shows, judge)


def _texts(value: Any) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else []
    return tuple(text.strip() for text in found if isinstance(text, str) and text.strip())
