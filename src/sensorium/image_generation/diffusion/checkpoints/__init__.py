"""What painters' checkpoints are made of, and how they are opened."""
