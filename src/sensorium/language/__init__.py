"""Text: a causal language model, and what it may be asked."""
