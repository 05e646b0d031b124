"""``python -m sensorium`` is the same as ``sensorium``."""

from sensorium.cli import main

main()
