"""Lists the choices of the profile ``best`` that nobody has compared with newer models for a year.

    python -m maintenance.old_cards               # those older than twelve months
    python -m maintenance.old_cards --months 6

Whoever compares one again writes the month into its card (``chosen``), with the figure and where that figure stands.
The exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import datetime
import sys

from sensorium.models import catalog
from sensorium.models.checkpoint import Checkpoint


def older_than(months: int, today: datetime.date) -> list[Checkpoint]:
    """Return the checkpoints of the profile ``best`` that were chosen longer ago, the oldest first.

    Args:
        months: How many months a choice may be old.
        today: The day from which to count.
    """
    best = catalog.entries(profile="best")
    return sorted(
        (entry for entry in best if _age(entry, today) > months), key=lambda entry: (entry.chosen, entry.name)
    )


def _age(entry: Checkpoint, today: datetime.date) -> int:
    year, month = map(int, entry.chosen.split("-"))
    return (today.year - year) * 12 + today.month - month


def main(arguments: list[str] | None = None, today: datetime.date | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m maintenance.old_cards", description=__doc__.split("\n")[0])
    parser.add_argument("--months", type=int, default=12)
    months = parser.parse_args(arguments).months
    found = older_than(months, today or datetime.datetime.now(datetime.UTC).date())
    for entry in found:
        print(f"{entry.chosen}  {entry.name}  {entry.task}: {entry.figure}")
    if not found:
        print(f"No choice is older than {months} months.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
