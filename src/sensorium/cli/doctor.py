"""``sensorium doctor``: what works on this machine, what is missing, and how to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sensorium.cli.call import Call
from sensorium.cli.exit_codes import UNAVAILABLE
from sensorium.cli.interrupt import command
from sensorium.cli.options import AsJson, examples

if TYPE_CHECKING:
    from sensorium.cli.checkup import Check


def register(app: typer.Typer) -> None:
    """Add this group's command."""
    app.command(rich_help_panel="Sensorium", epilog=examples("sensorium doctor", "sensorium doctor --json"))(doctor)


@command
def doctor(as_json: AsJson = False) -> None:
    """Check what works on this machine, what is missing and how to get it.

    Ends with 0 if the starter profile can work, else with 3.
    """
    with Call(as_json=as_json) as call:
        from sensorium.cli.checkup import checks, verdict

        results: list[Check] = []
        for check in checks():
            if not as_json:
                _print_check(call, check, new_group=not results or results[-1].group != check.group)
            results.append(check)
        works, sentence = verdict(results)
        if as_json:
            call.document({"starter_works": works, "checks": [check.to_dict() for check in results]})
        else:
            call.line(f"\n{sentence}")
    if not works:
        raise typer.Exit(UNAVAILABLE)


def _print_check(call: Call, check: Check, *, new_group: bool) -> None:
    if new_group:
        call.heading(check.group)
    state = "ok" if check.ok else "missing"
    call.line(f"  {state:<8}{check.name:<24}{check.found}")
    if not check.ok:
        call.line(f"{'':10}{check.remedy}")
