"""The command line: one file per group of commands. Commands call the same task objects as users of the library."""

from __future__ import annotations


def main() -> None:
    """Run the ``sensorium`` command."""
    try:
        from sensorium import settings

        settings.fit_help_to_terminal()
        from sensorium.cli.app import run

        run()
    except KeyboardInterrupt:
        # Ctrl-C came during the imports, before any command began.
        raise SystemExit(130) from None
