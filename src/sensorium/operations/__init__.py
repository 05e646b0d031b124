"""Everything that can be asked of Sensorium, as data: one file a sense. The engine and all front ends build these."""
