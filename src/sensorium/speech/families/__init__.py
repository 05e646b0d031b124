"""Voices and recognisers, one file a family."""
