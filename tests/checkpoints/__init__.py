"""Tiny checkpoints in the hub's on-disk layout: real configurations, tokenizers and processors, random weights."""
