"""The statement of consent without which no voice is cloned."""

from __future__ import annotations

from sensorium.errors import InputError

_LONGEST_STATEMENT = 500


def consent_statement(consent: str) -> str:
    """Return a statement of consent on one line.

    Raises:
        InputError: It states nothing, or it is longer than 500 characters.
    """
    statement = " ".join(consent.split())
    remedy = "Say who agreed to it, such as consent='I am the speaker' or consent='Maria Rossi agreed on 3 May 2026'"
    if sum(character.isalpha() for character in statement) < 2:
        raise InputError(
            "A voice is cloned only with a statement that the person whose voice it is agrees, and there is none: "
            "without it the result could deceive others or harm that person",
            remedy,
        )
    if len(statement) > _LONGEST_STATEMENT:
        raise InputError(f"The statement of consent has more than {_LONGEST_STATEMENT} characters", remedy)
    return statement
