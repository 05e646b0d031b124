"""Architectures of real size with random weights, one file per sense, each ours against a plain call of a library."""
