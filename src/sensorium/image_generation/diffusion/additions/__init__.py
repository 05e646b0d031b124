"""What is added to a painter for one call: LoRA files, embeddings, IP-Adapters."""
