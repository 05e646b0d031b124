"""Runs operations: jobs, queues, workers, memory. Front ends know `interface` and nothing of what is behind."""
