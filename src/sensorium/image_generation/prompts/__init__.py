"""What prompts are made of: weights, choices, tokens, embeddings."""
