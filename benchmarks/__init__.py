"""Sensorium measured beside its peers, each question in one run: ``python -m benchmarks``."""
