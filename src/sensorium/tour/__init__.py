"""The tour: shows what Sensorium does on real media, by commands that anyone can type."""
