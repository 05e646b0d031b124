"""The command line: one file per command group; every command calls the same task objects as the library."""

from __future__ import annotations


def main() -> None:
    """Run the ``sensorium`` command."""
    try:
        from sensorium.cli.app import run

        run()
    except KeyboardInterrupt:
        # So early that no command has begun.
        raise SystemExit(130) from None
