"""Painters in two halves: a prior makes an embedding of the words, a decoder paints it."""
