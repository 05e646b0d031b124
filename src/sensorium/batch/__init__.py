"""The same operation for many inputs: what is to be done, what is done already, and what came of it."""
