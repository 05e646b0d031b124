"""Families of checkpoints that answer about films or classify them."""
