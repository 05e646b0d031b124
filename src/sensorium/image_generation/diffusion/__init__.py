"""Painting with diffusion checkpoints in diffusers' layout."""
