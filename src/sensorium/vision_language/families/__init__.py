"""The hub's families of checkpoints, one file each, and OpenAI-compatible servers."""
