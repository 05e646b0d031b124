"""Runs operations: jobs, queues, worker processes, memory. Front ends know `interface` and nothing of what is behind."""
