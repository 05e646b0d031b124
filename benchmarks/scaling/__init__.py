"""What scaling costs: measured here, extrapolated, simulated; ``docs/scaling.md`` is made of it."""
